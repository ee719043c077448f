//! Whether the gateway answers and the credential is good for the environment's mode, and what it should be allowed.

use gatehouse_connector_sdk::{
    connector::{CheckFinding, CheckReport, CheckSeverity},
    error::{ErrorKind, Result},
    schemas::{descriptor::PermissionSet, environment::Mode},
};
use serde_json::json;

use crate::client::Client;

/// One call, which changes nothing. A gateway that does not answer is an error and no finding.
pub(super) async fn check(client: &Client<'_>, mode: Mode) -> Result<CheckReport> {
    let status = match client.status().await {
        Ok(status) => status,
        Err(error) if error.kind() == ErrorKind::Unauthorized => {
            return Ok(CheckReport {
                gateway_version: None,
                findings: vec![finding(CheckSeverity::Error, error.message())],
            });
        }
        Err(error) => return Err(error),
    };
    Ok(CheckReport {
        gateway_version: Some(status.version),
        findings: vec![
            finding(CheckSeverity::Ok, "the credential may look at APIs"),
            of_writing(status.may_write, mode.may_write()),
        ],
    })
}

fn of_writing(may: bool, needs: bool) -> CheckFinding {
    match (may, needs) {
        (true, true) => finding(
            CheckSeverity::Ok,
            "the credential may change APIs, which the mode needs",
        ),
        (false, false) => finding(
            CheckSeverity::Ok,
            "the credential may not change APIs, and the mode does not need it",
        ),
        (false, true) => finding(
            CheckSeverity::Error,
            "the credential may not change APIs, which the mode needs; use the gateway's admin token",
        ),
        (true, false) => finding(
            CheckSeverity::Warning,
            "the credential may change APIs, which the mode does not need; use the gateway's read-only token",
        ),
    }
}

fn finding(severity: CheckSeverity, message: &str) -> CheckFinding {
    CheckFinding {
        severity,
        message: message.to_owned(),
    }
}

/// What the gateway should allow the agent in each mode. `gatehouse env permissions` shows it.
pub(super) fn permissions() -> Vec<PermissionSet> {
    [Mode::ReadOnly, Mode::WriteOnly, Mode::ReadWrite]
        .map(|mode| {
            let token = if mode.may_write() { "admin" } else { "read-only" };
            PermissionSet {
                mode,
                language: "token of the gateway".to_owned(),
                document: json!({ "token": token }),
                additions: Vec::new(),
                derived: Vec::new(),
                instructions: format!("Give the agent the gateway's {token} token."),
            }
        })
        .to_vec()
}
