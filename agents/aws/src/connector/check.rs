//! Whether AWS answers, whose the credentials are, and whether IAM allows what the environment's mode needs.
//!
//! IAM decides before API Gateway looks at a request, so a call that changes nothing, for an API that cannot be there, tells
//! whether it would be allowed.

mod probing;

use gatehouse_connector_sdk::{
    connector::{CheckFinding, CheckReport, CheckSeverity},
    error::{Error, ErrorKind, Result},
    schemas::environment::Mode,
};

use self::probing::{NOBODY, Tried, UNTRIED, probes};
use crate::{
    apis::{ApiId, listed},
    client::Account,
    hints::{self, Queue},
    translate::Kind,
};

/// A few calls, none of which changes anything. An AWS that does not answer is an error and no finding.
pub(super) async fn check(account: &Account<'_>) -> Result<CheckReport> {
    let mode = account.context.environment.mode;
    let mut findings = Vec::new();
    match identity(account).await {
        Ok(identity) => findings.push(finding(CheckSeverity::Ok, identity)),
        Err(error) if is_refusal(&error) => return Ok(refused(&error)),
        Err(error) => return Err(error),
    }
    match reading(account).await {
        Ok(message) => findings.push(finding(CheckSeverity::Ok, message)),
        Err(error) if is_refusal(&error) => {
            findings.push(finding(CheckSeverity::Error, error.message().to_owned()));
        }
        Err(error) => return Err(error),
    }
    findings.extend(of_writing(account, mode).await?);
    findings.extend(hints::findings(account, Queue::of(&account.settings)).await);
    Ok(CheckReport {
        gateway_version: None,
        findings,
    })
}

async fn identity(account: &Account<'_>) -> Result<String> {
    let identity = account
        .call("GetCallerIdentity", "the credentials", |clients| {
            clients.sts.get_caller_identity().send()
        })
        .await?;
    Ok(format!(
        "the credentials are those of {} in account {}, region {}",
        identity.arn().unwrap_or("somebody without a name"),
        identity.account().unwrap_or("without a number"),
        account.settings.region
    ))
}

async fn reading(account: &Account<'_>) -> Result<String> {
    let nobody = ApiId {
        kind: Kind::Rest,
        id: NOBODY.to_owned(),
    };
    listed::one(account, &nobody, "the REST APIs").await?;
    account
        .call("GetRestApis", "the REST APIs", |clients| {
            clients.rest.get_rest_apis().limit(1).send()
        })
        .await?;
    account
        .call("GetUsagePlans", "the usage plans", |clients| {
            clients.rest.get_usage_plans().limit(1).send()
        })
        .await?;
    account
        .call("GetApiKeys", "the API keys", |clients| {
            let call = clients.rest.get_api_keys().include_values(false);
            call.limit(1).send()
        })
        .await?;
    account
        .call("GetDomainNames", "the custom domain names", |clients| {
            clients.rest.get_domain_names().limit(1).send()
        })
        .await
        .map_or_else(no_such_part, |_| Ok(()))?;
    account
        .call("GetApis", "the HTTP APIs", |clients| {
            clients.http.get_apis().max_results("1").send()
        })
        .await
        .map_or_else(no_such_part, |_| Ok(()))?;
    Ok("IAM allows to read APIs and usage plans".to_owned())
}

/// A server that does not have a part of API Gateway has nothing to allow there.
fn no_such_part(error: Error) -> Result<()> {
    match error.kind() {
        ErrorKind::Unsupported => Ok(()),
        _ => Err(error),
    }
}

/// What IAM allows to change: by the action and what it is needed for.
async fn of_writing(account: &Account<'_>, mode: Mode) -> Result<Vec<CheckFinding>> {
    let mut allowed = Vec::new();
    let mut denied = Vec::new();
    let mut untold: Vec<&str> = Vec::new();
    for (permission, answer) in probes(account).await {
        match answer {
            Err(error) if error.kind() == ErrorKind::Forbidden => denied.push(permission),
            Err(error) => return Err(error),
            Ok(Tried::Allowed) => allowed.push(permission),
            Ok(Tried::Untold) => untold.push(permission),
        }
    }
    Ok(match (mode.may_write(), denied.is_empty(), allowed.is_empty()) {
        (true, true, _) => vec![finding(CheckSeverity::Ok, writes(account, untold))],
        (true, false, _) => vec![finding(
            CheckSeverity::Error,
            format!(
                "IAM does not allow {}, which the mode needs; attach the policy that `gatehouse env permissions` prints",
                named(&denied)
            ),
        )],
        (false, _, true) => vec![ok("IAM allows to change nothing, and the mode does not need it")],
        (false, _, false) => vec![finding(
            CheckSeverity::Warning,
            format!(
                "IAM allows {}, which the mode does not need; attach the policy that `gatehouse env permissions` prints instead",
                named(&allowed)
            ),
        )],
    })
}

/// What a mode that writes may do, and of what that is not known.
fn writes(account: &Account<'_>, mut untold: Vec<&str>) -> String {
    // Only REST APIs have resource policies.
    if account.settings.kind != "http" {
        untold.push(UNTRIED);
    }
    let allowed = "IAM allows to change what the mode changes";
    match untold.is_empty() {
        true => allowed.to_owned(),
        false => format!("{allowed}; {} could not be tried", named(&untold)),
    }
}

fn named(permissions: &[&str]) -> String {
    let each: Vec<String> = permissions
        .iter()
        .map(|permission| format!("`{permission}`"))
        .collect();
    each.join(", ")
}

fn is_refusal(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Unauthorized | ErrorKind::Forbidden)
}

fn refused(error: &Error) -> CheckReport {
    CheckReport {
        gateway_version: None,
        findings: vec![finding(CheckSeverity::Error, error.message().to_owned())],
    }
}

fn ok(message: &str) -> CheckFinding {
    finding(CheckSeverity::Ok, message.to_owned())
}

fn finding(severity: CheckSeverity, message: String) -> CheckFinding {
    CheckFinding { severity, message }
}
