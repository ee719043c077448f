//! What IAM allows to change: one call for each permission of the policy but [`UNTRIED`], none of which changes anything.
//!
//! Each is about an API, a stage, a plan, a key or a domain name that cannot be there, or about what AWS never takes. IAM
//! decides before API Gateway looks at it.

use aws_sdk_apigateway::types::{ApiStage, EndpointConfiguration, EndpointType};
use aws_smithy_runtime_api::client::{orchestrator::HttpResponse, result::SdkError};
use aws_smithy_types::Blob;
use gatehouse_connector_sdk::error::Result;

use crate::client::Account;

/// No API has this identity: AWS's have ten letters and digits.
pub(super) const NOBODY: &str = "gatehouse-probe";
/// No domain name ends so, by RFC 2606.
const NOWHERE: &str = "gatehouse-probe.invalid";
const OBJECT: &str = "nothing (a probe of permissions)";
/// What is no definition of an API.
const NONSENSE: &str = "no definition";

/// The permission that only a definition with a resource policy asks for, of an API that is there: no probe would tell.
pub(super) const UNTRIED: &str = "apigateway:UpdateRestApiPolicy";

/// A permission, as the policy names it, and what came of trying it.
type Probe = (&'static str, Result<Tried>);

/// What a call told of a permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tried {
    /// IAM let it through.
    Allowed,
    /// The server failed, and nobody knows how far the call came.
    Untold,
}

/// What API Gateway answered.
enum Answer<T> {
    Done(T),
    Refused,
    Failed,
}

impl<T> Answer<T> {
    fn tried(&self) -> Tried {
        match self {
            Self::Done(_) | Self::Refused => Tried::Allowed,
            Self::Failed => Tried::Untold,
        }
    }
}

/// A call, and whether IAM let it through.
macro_rules! probe {
    ($account:expr, $permission:literal, $operation:literal, |$clients:ident| $call:expr) => {{
        let call = $account.call($operation, OBJECT, |$clients| answered($call.send()));
        ($permission, Box::pin(call).await.map(|answer| answer.tried()))
    }};
}

/// A call that makes something on a server that is so lenient as to take it, and loses it again.
macro_rules! making {
    ($account:expr, $permission:literal, $operation:literal, |$clients:ident| $call:expr, $made:ident, $remove:literal, |$again:ident, $id:ident| $removal:expr) => {{
        let call = $account.call($operation, OBJECT, |$clients| answered($call.send()));
        let answer = match Box::pin(call).await {
            Ok(Answer::Done(made)) => match made.$made {
                Some($id) => {
                    let removal = $account.call($remove, OBJECT, |$again| answered($removal.send()));
                    Box::pin(removal).await.map(|answer| answer.tried())
                }
                None => Ok(Tried::Allowed),
            },
            answer => answer.map(|answer| answer.tried()),
        };
        ($permission, answer)
    }};
}

/// Tries every permission to change something.
pub(super) async fn probes(account: &Account<'_>) -> Vec<Probe> {
    let mut probes = Vec::new();
    probes.extend(of_rest_apis(account).await);
    probes.extend(of_http_apis(account).await);
    probes.extend(of_keys(account).await);
    probes.extend(of_plans(account).await);
    probes.extend(of_tags_and_domains(account).await);
    probes
}

async fn of_rest_apis(account: &Account<'_>) -> [Probe; 6] {
    let stage = account.settings.stage.as_str();
    let body = Blob::new(NONSENSE);
    let nowhere = EndpointConfiguration::builder().types(EndpointType::from("NOWHERE"));
    [
        // Without a name, and at an endpoint that there is not.
        making!(
            account,
            "apigateway:POST on /restapis",
            "CreateRestApi",
            |clients| {
                let call = clients.rest.create_rest_api().name("");
                call.endpoint_configuration(nowhere.clone().build())
            },
            id,
            "DeleteRestApi",
            |clients, id| clients.rest.delete_rest_api().rest_api_id(&id)
        ),
        probe!(
            account,
            "apigateway:PUT on /restapis/*",
            "PutRestApi",
            |clients| { clients.rest.put_rest_api().rest_api_id(NOBODY).body(body.clone()) }
        ),
        probe!(
            account,
            "apigateway:POST on /restapis/*/deployments",
            "CreateDeployment",
            |clients| clients.rest.create_deployment().rest_api_id(NOBODY)
        ),
        probe!(
            account,
            "apigateway:POST on /restapis/*/stages",
            "CreateStage",
            |clients| {
                let call = clients.rest.create_stage().rest_api_id(NOBODY);
                call.stage_name(stage).deployment_id(NOBODY)
            }
        ),
        probe!(
            account,
            "apigateway:PATCH on /restapis/*/stages/*",
            "UpdateStage",
            |clients| clients.rest.update_stage().rest_api_id(NOBODY).stage_name(stage)
        ),
        probe!(
            account,
            "apigateway:DELETE on /restapis/*",
            "DeleteRestApi",
            |clients| clients.rest.delete_rest_api().rest_api_id(NOBODY)
        ),
    ]
}

async fn of_http_apis(account: &Account<'_>) -> Vec<Probe> {
    if account.settings.kind == "rest" {
        return Vec::new();
    }
    let stage = account.settings.stage.as_str();
    vec![
        making!(
            account,
            "apigateway:PUT on /apis",
            "ImportApi",
            |clients| clients.http.import_api().body(NONSENSE),
            api_id,
            "DeleteApi",
            |clients, id| clients.http.delete_api().api_id(&id)
        ),
        probe!(account, "apigateway:PUT on /apis/*", "ReimportApi", |clients| {
            clients.http.reimport_api().api_id(NOBODY).body(NONSENSE)
        }),
        probe!(
            account,
            "apigateway:POST on /apis/*/deployments",
            "CreateDeployment",
            |clients| clients.http.create_deployment().api_id(NOBODY)
        ),
        probe!(
            account,
            "apigateway:POST on /apis/*/stages",
            "CreateStage",
            |clients| clients.http.create_stage().api_id(NOBODY).stage_name(stage)
        ),
        probe!(
            account,
            "apigateway:PATCH on /apis/*/stages/*",
            "UpdateStage",
            |clients| clients.http.update_stage().api_id(NOBODY).stage_name(stage)
        ),
        probe!(account, "apigateway:DELETE on /apis/*", "DeleteApi", |clients| {
            clients.http.delete_api().api_id(NOBODY)
        }),
    ]
}

async fn of_keys(account: &Account<'_>) -> [Probe; 3] {
    [
        // AWS takes no value of fewer than twenty characters.
        making!(
            account,
            "apigateway:POST on /apikeys",
            "CreateApiKey",
            |clients| clients.rest.create_api_key().name(NOBODY).value("short"),
            id,
            "DeleteApiKey",
            |clients, id| clients.rest.delete_api_key().api_key(&id)
        ),
        probe!(
            account,
            "apigateway:PATCH on /apikeys/*",
            "UpdateApiKey",
            |clients| clients.rest.update_api_key().api_key(NOBODY)
        ),
        probe!(
            account,
            "apigateway:DELETE on /apikeys/*",
            "DeleteApiKey",
            |clients| clients.rest.delete_api_key().api_key(NOBODY)
        ),
    ]
}

async fn of_plans(account: &Account<'_>) -> [Probe; 4] {
    let nobody = ApiStage::builder().api_id(NOBODY).stage(NOBODY).build();
    [
        making!(
            account,
            "apigateway:POST on /usageplans",
            "CreateUsagePlan",
            |clients| {
                let call = clients.rest.create_usage_plan().name(NOBODY);
                call.api_stages(nobody.clone())
            },
            id,
            "DeleteUsagePlan",
            |clients, id| clients.rest.delete_usage_plan().usage_plan_id(&id)
        ),
        probe!(
            account,
            "apigateway:POST on /usageplans/*/keys",
            "CreateUsagePlanKey",
            |clients| {
                let call = clients.rest.create_usage_plan_key().usage_plan_id(NOBODY);
                call.key_id(NOBODY).key_type("API_KEY")
            }
        ),
        probe!(
            account,
            "apigateway:PATCH on /usageplans/*",
            "UpdateUsagePlan",
            |clients| {
                let call = clients.rest.update_usage_plan().usage_plan_id(NOBODY);
                call.set_patch_operations(Some(Vec::new()))
            }
        ),
        probe!(
            account,
            "apigateway:DELETE on /usageplans/*",
            "DeleteUsagePlan",
            |clients| clients.rest.delete_usage_plan().usage_plan_id(NOBODY)
        ),
    ]
}

async fn of_tags_and_domains(account: &Account<'_>) -> Vec<Probe> {
    let of = |path: &str| account.settings.resource_name(&format!("/{path}/{NOBODY}"));
    let (rest, http) = (of("restapis"), of("apis"));
    let mut probes = vec![probe!(
        account,
        "apigateway:PUT on /tags/*",
        "TagResource",
        |clients| {
            let call = clients.rest.tag_resource().resource_arn(&rest);
            call.tags(NOBODY, NOBODY)
        }
    )];
    if account.settings.kind != "rest" {
        probes.push(probe!(
            account,
            "apigateway:POST on /tags/*",
            "TagResource",
            |clients| {
                let call = clients.http.tag_resource().resource_arn(&http);
                call.tags(NOBODY, NOBODY)
            }
        ));
    }
    if account.settings.domain_name.is_none() {
        return probes;
    }
    probes.push(probe!(
        account,
        "apigateway:POST on /domainnames/*/apimappings",
        "CreateApiMapping",
        |clients| {
            let call = clients.http.create_api_mapping().domain_name(NOWHERE);
            call.api_id(NOBODY).stage(NOBODY)
        }
    ));
    probes.push(probe!(
        account,
        "apigateway:PATCH on /domainnames/*/apimappings/*",
        "UpdateApiMapping",
        |clients| {
            let call = clients.http.update_api_mapping().domain_name(NOWHERE);
            call.api_mapping_id(NOBODY).api_id(NOBODY).stage(NOBODY)
        }
    ));
    probes.push(probe!(
        account,
        "apigateway:DELETE on /domainnames/*/apimappings/*",
        "DeleteApiMapping",
        |clients| {
            let call = clients.http.delete_api_mapping().domain_name(NOWHERE);
            call.api_mapping_id(NOBODY)
        }
    ));
    probes
}

/// Whatever API Gateway answers to a probe, IAM let it through, unless it says that it did not, or that nobody is there to
/// ask. What a server answers that does not have a part of API Gateway (501) is as good: there is nothing to allow.
async fn answered<T, E>(
    sent: impl Future<Output = std::result::Result<T, SdkError<E, HttpResponse>>>,
) -> std::result::Result<Answer<T>, SdkError<E, HttpResponse>> {
    match sent.await {
        Ok(done) => Ok(Answer::Done(done)),
        Err(SdkError::ServiceError(context)) => match context.raw().status().as_u16() {
            401 | 403 | 429 | 502..=504 => Err(SdkError::ServiceError(context)),
            500 => Ok(Answer::Failed),
            _ => Ok(Answer::Refused),
        },
        Err(error) => Err(error),
    }
}
