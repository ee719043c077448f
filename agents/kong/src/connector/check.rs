//! Whether the Admin API answers and the credential is good for the environment's mode, and what it should be allowed.

use gatehouse_connector_sdk::{
    connector::{CheckFinding, CheckReport, CheckSeverity},
    error::{ErrorKind, Result},
    schemas::{descriptor::PermissionSet, environment::Mode},
};
use serde_json::json;

use crate::{
    client::{
        Client,
        node::{Edition, Node},
    },
    entities::Collection,
};

/// What the connector's policies are made of, as far as open-source Kong has it.
const PLUGINS: [&str; 11] = [
    "acl",
    "basic-auth",
    "cors",
    "ip-restriction",
    "key-auth",
    "proxy-cache",
    "rate-limiting",
    "request-size-limiting",
    "request-termination",
    "request-transformer",
    "response-transformer",
];

/// A few calls, none of which changes anything. A Kong that does not answer is an error and no finding.
pub(super) async fn check(client: &Client, mode: Mode) -> Result<CheckReport> {
    let node = match client.node().await {
        Err(error) if is_refusal(error.kind()) => return Ok(refused(error.message())),
        node => node?,
    };
    let mut findings = vec![finding(CheckSeverity::Ok, what_it_is(&node))];
    findings.extend(of_plugins(&node, mode));
    match client.first(Collection::Services).await {
        Err(error) if is_refusal(error.kind()) => {
            findings.push(finding(CheckSeverity::Error, error.message().to_owned()));
        }
        first => {
            first?;
            findings.push(finding(
                CheckSeverity::Ok,
                "the credential may read services".to_owned(),
            ));
            findings.push(of_writing(client.may_write().await?, mode.may_write()));
        }
    }
    Ok(CheckReport {
        gateway_version: node.version,
        findings,
    })
}

fn is_refusal(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::Unauthorized | ErrorKind::Forbidden | ErrorKind::NotFound
    )
}

fn refused(message: &str) -> CheckReport {
    CheckReport {
        gateway_version: None,
        findings: vec![finding(CheckSeverity::Error, message.to_owned())],
    }
}

fn what_it_is(node: &Node) -> String {
    let version = node
        .version
        .as_deref()
        .map_or(String::new(), |version| format!(" {version}"));
    let storage = match (node.edition, node.has_database) {
        (Edition::Konnect, _) => "",
        (_, true) => ", with a database",
        (_, false) => ", without a database (DB-less)",
    };
    format!(
        "it is Kong{version}, {}{storage}, router `{}`",
        node.edition.name(),
        node.flavor.name()
    )
}

fn of_plugins(node: &Node, mode: Mode) -> Option<CheckFinding> {
    let there = node.plugins.as_ref()?;
    let missing: Vec<&str> = PLUGINS
        .into_iter()
        .filter(|plugin| !there.contains(*plugin))
        .collect();
    let (severity, message) = match (missing.is_empty(), mode.may_write()) {
        (true, _) => (CheckSeverity::Ok, format!("{} plugins can be used", there.len())),
        (false, false) => return None,
        (false, true) => (
            CheckSeverity::Warning,
            format!(
                "policies that need {} cannot be deployed; add them to `plugins` in kong.conf and restart Kong",
                missing
                    .iter()
                    .map(|plugin| format!("`{plugin}`"))
                    .collect::<Vec<_>>()
                    .join(", ")
            ),
        ),
    };
    Some(finding(severity, message))
}

fn of_writing(may: bool, needs: bool) -> CheckFinding {
    let (severity, message) = match (may, needs) {
        (true, true) => (
            CheckSeverity::Ok,
            "the credential may change services, which the mode needs",
        ),
        (false, false) => (
            CheckSeverity::Ok,
            "the credential may not change services, and the mode does not need it",
        ),
        (false, true) => (
            CheckSeverity::Error,
            "the credential may not change services, which the mode needs; give it a role that may, such as `admin` of the workspace",
        ),
        (true, false) => (
            CheckSeverity::Warning,
            "the credential may change services, which the mode does not need; use one with the role `read-only`, or let the Admin API through for GET alone",
        ),
    };
    finding(severity, message.to_owned())
}

fn finding(severity: CheckSeverity, message: String) -> CheckFinding {
    CheckFinding { severity, message }
}

/// What Kong should allow the agent in each mode. `gatehouse env permissions` shows it.
pub(super) fn permissions() -> Vec<PermissionSet> {
    [Mode::ReadOnly, Mode::WriteOnly, Mode::ReadWrite]
        .map(permission)
        .to_vec()
}

fn permission(mode: Mode) -> PermissionSet {
    let reads = [
        "/",
        "/status",
        "/services",
        "/services/*",
        "/routes",
        "/routes/*",
        "/plugins",
        "/plugins/*",
        "/consumers",
        "/consumers/*",
        "/upstreams",
        "/upstreams/*",
        "/key-auths",
        "/basic-auths",
        "/jwts",
        "/acls",
        "/config",
    ];
    let writes = [
        "/services/*",
        "/routes/*",
        "/plugins/*",
        "/consumers/*",
        "/schemas/*",
        "/config",
    ];
    let mut document = json!({"read": reads});
    if mode.may_write() {
        document["create, update, delete"] = json!(writes);
    }
    PermissionSet {
        mode,
        language: "endpoints of the Admin API (Kong Enterprise RBAC, or a proxy in front of it)".to_owned(),
        document,
        additions: Vec::new(),
        derived: Vec::new(),
        instructions: match mode.may_write() {
            true => "Give the token a role with these endpoint permissions in the workspace. Open-source Kong has no roles: keep its Admin API on a network of the agent's own, or behind a Kong route with key-auth.",
            false => "Give the token a role with these endpoint permissions, such as `read-only`. Open-source Kong has no roles: let the agent reach it through a route that takes GET alone.",
        }
        .to_owned(),
    }
}
