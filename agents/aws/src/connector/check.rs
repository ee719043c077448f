//! Whether AWS answers, whose the credentials are, and whether IAM allows what the environment's mode needs.
//!
//! IAM decides before API Gateway looks at a request, so a call that changes nothing, for an API that cannot be there, tells
//! whether it would be allowed.

use aws_sdk_apigateway::types::{EndpointConfiguration, EndpointType};
use aws_smithy_runtime_api::client::{orchestrator::HttpResponse, result::SdkError};
use gatehouse_connector_sdk::{
    connector::{CheckFinding, CheckReport, CheckSeverity},
    error::{Error, ErrorKind, Result},
    schemas::environment::Mode,
};

use crate::{
    apis::{ApiId, listed},
    client::Account,
    hints::{self, Queue},
    translate::Kind,
};

/// No API has this identity: AWS's have ten letters and digits.
const NOBODY: &str = "gatehouse-probe";

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
    Ok("IAM allows to read APIs and usage plans".to_owned())
}

/// What IAM allows to change: by the action and what it is needed for.
async fn of_writing(account: &Account<'_>, mode: Mode) -> Result<Vec<CheckFinding>> {
    let mut allowed = Vec::new();
    let mut denied = Vec::new();
    for (permission, answer) in probes(account).await {
        match answer {
            Err(error) if error.kind() == ErrorKind::Forbidden => denied.push(permission),
            Err(error) => return Err(error),
            Ok(()) => allowed.push(permission),
        }
    }
    let named = |permissions: &[&str]| {
        let each: Vec<String> = permissions
            .iter()
            .map(|permission| format!("`{permission}`"))
            .collect();
        each.join(", ")
    };
    Ok(match (mode.may_write(), denied.is_empty(), allowed.is_empty()) {
        (true, true, _) => vec![ok("IAM allows to change what the mode changes")],
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

/// Calls that cannot change anything: of an API or a stage that cannot be there, or of what AWS never takes.
async fn probes(account: &Account<'_>) -> [(&'static str, Result<()>); 6] {
    let (stage, object) = (&account.settings.stage, "nothing (a probe of permissions)");
    let body = aws_smithy_types::Blob::new("no definition");
    let put = Box::pin(account.call("PutRestApi", object, |clients| {
        let call = clients.rest.put_rest_api().rest_api_id(NOBODY);
        answered(call.body(body.clone()).send())
    }));
    let snapshot = Box::pin(account.call("CreateDeployment", object, |clients| {
        answered(clients.rest.create_deployment().rest_api_id(NOBODY).send())
    }));
    let switch = Box::pin(account.call("UpdateStage", object, |clients| {
        let call = clients.rest.update_stage().rest_api_id(NOBODY);
        answered(call.stage_name(stage).send())
    }));
    let key = Box::pin(account.call("CreateApiKey", object, |clients| {
        answered(clients.rest.create_api_key().name(NOBODY).value("short").send())
    }));
    let remove = Box::pin(account.call("DeleteRestApi", object, |clients| {
        answered(clients.rest.delete_rest_api().rest_api_id(NOBODY).send())
    }));
    [
        ("apigateway:POST on /restapis", creating(account, object).await),
        ("apigateway:PUT on /restapis/*", put.await.map(drop)),
        (
            "apigateway:POST on /restapis/*/deployments",
            snapshot.await.map(drop),
        ),
        ("apigateway:PATCH on /restapis/*/stages/*", switch.await.map(drop)),
        ("apigateway:POST on /apikeys", key.await.map(drop)),
        ("apigateway:DELETE on /restapis/*", remove.await.map(drop)),
    ]
}

/// An API without a name, at an endpoint that there is not. A server that is so lenient as to make it loses it again.
async fn creating(account: &Account<'_>, object: &str) -> Result<()> {
    let nowhere = EndpointConfiguration::builder().types(EndpointType::from("NOWHERE"));
    let made = account.call("CreateRestApi", object, |clients| {
        let call = clients.rest.create_rest_api().name("");
        answered(call.endpoint_configuration(nowhere.clone().build()).send())
    });
    let made = Box::pin(made).await?.and_then(|made| made.id);
    if let Some(id) = made {
        let removed = account.call("DeleteRestApi", object, |clients| {
            answered(clients.rest.delete_rest_api().rest_api_id(&id).send())
        });
        Box::pin(removed).await?;
    }
    Ok(())
}

/// Whatever API Gateway answers to a probe, IAM let it through, unless it says that it did not.
async fn answered<T, E>(
    sent: impl Future<Output = std::result::Result<T, SdkError<E, HttpResponse>>>,
) -> std::result::Result<Option<T>, SdkError<E, HttpResponse>> {
    match sent.await {
        Err(SdkError::ServiceError(context))
            if !matches!(context.raw().status().as_u16(), 401 | 403 | 429) =>
        {
            Ok(None)
        }
        sent => sent.map(Some),
    }
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
