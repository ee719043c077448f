//! What a credential must be allowed for each mode, and whether it is.

use std::collections::BTreeSet;

use gatehouse_connector_sdk::{
    connector::CheckReport,
    error::{ErrorKind, Result},
};
use gatehouse_control_plane_api::agent::{CheckFinding, CheckSeverity};
use gatehouse_schemas::{descriptor::PermissionSet, environment::Mode};
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use super::client::{Client, Request};

const LOOKING: [&str; 3] = ["GetPermissions", "GetApis", "GetExport"];
const CHANGING: [&str; 11] = [
    "GetApi",
    "GetDeployment",
    "CreateApi",
    "UpdateApi",
    "DeleteApi",
    "PutRoutes",
    "PutPolicies",
    "CreateDeployment",
    "DeleteDeployment",
    "PutStage",
    "DeleteStage",
];

/// The operations that a mode needs. Nothing is changed without having been looked at.
pub(super) fn needed(mode: Mode) -> Vec<&'static str> {
    let changing = CHANGING.iter().filter(|_| mode.may_write());
    LOOKING.iter().chain(changing).copied().collect()
}

/// The least-privilege policy of each mode, in the vendor's language.
pub(super) fn sets() -> Vec<PermissionSet> {
    [Mode::ReadOnly, Mode::WriteOnly, Mode::ReadWrite]
        .map(set)
        .to_vec()
}

fn set(mode: Mode) -> PermissionSet {
    PermissionSet {
        mode,
        language: "Simulated vendor access policy".to_owned(),
        document: json!({
            "policyVersion": "2026-03",
            "statements": [{"effect": "allow", "account": "{settings.account}", "operations": needed(mode)}],
        }),
        additions: Vec::new(),
        derived: Vec::new(),
        instructions: "Make a key of the account with this policy, and name it as the credential `key` of the environment.".to_owned(),
    }
}

#[derive(Debug, Deserialize)]
struct Permissions {
    account: String,
    version: String,
    operations: BTreeSet<String>,
}

/// Looks whether the account can be reached and the credential is good for the mode.
pub(super) async fn check(client: &Client<'_>) -> Result<CheckReport> {
    let path = "/permissions".to_owned();
    let request = Request::new(
        "GetPermissions",
        Method::GET,
        path,
        "the credential's permissions",
    );
    let permissions: Permissions = match client.read(request).await {
        Ok(permissions) => permissions,
        Err(error) if matches!(error.kind(), ErrorKind::Unauthorized | ErrorKind::Forbidden) => {
            return Ok(CheckReport {
                gateway_version: None,
                findings: vec![finding(CheckSeverity::Error, error.message().to_owned())],
            });
        }
        Err(error) => return Err(error),
    };
    let mut findings = vec![account(client, &permissions.account)];
    findings.extend(compared(client.context.environment.mode, &permissions.operations));
    Ok(CheckReport {
        gateway_version: Some(permissions.version),
        findings,
    })
}

fn finding(severity: CheckSeverity, message: String) -> CheckFinding {
    CheckFinding { severity, message }
}

fn account(client: &Client<'_>, found: &str) -> CheckFinding {
    let wanted = &client.settings.account;
    if wanted == found {
        return finding(
            CheckSeverity::Ok,
            format!("the credential is one of account `{found}`"),
        );
    }
    finding(
        CheckSeverity::Error,
        format!(
            "the credential is one of account `{found}`, and `spec.settings.account` says `{wanted}`; correct one of the two"
        ),
    )
}

/// Permission by permission: what the mode needs, and what it does not.
fn compared(mode: Mode, allowed: &BTreeSet<String>) -> Vec<CheckFinding> {
    let needed = needed(mode);
    let mut findings: Vec<CheckFinding> = needed
        .iter()
        .map(|operation| match allowed.contains(*operation) {
            true => finding(CheckSeverity::Ok, format!("the credential may {operation}")),
            false => finding(
                CheckSeverity::Error,
                format!("the credential may not {operation}, which the environment's mode needs; allow it as `gatehouse env permissions` shows"),
            ),
        })
        .collect();
    let beyond = CHANGING
        .iter()
        .filter(|operation| !needed.contains(operation) && allowed.contains(**operation));
    findings.extend(beyond.filter(|operation| !operation.starts_with("Get")).map(|operation| {
        finding(
            CheckSeverity::Warning,
            format!("the credential may {operation}, which a read-only environment does not need; take it away"),
        )
    }));
    findings
}
