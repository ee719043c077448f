//! What must be allowed on AWS beside API Gateway itself, for a form to work.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Form, Kind};

/// What a plan must name, as sentences: permissions that nothing in API Gateway's own interface can give.
pub(crate) fn permissions_needed(form: &Form) -> Vec<String> {
    let mut needed = BTreeSet::new();
    let schemes = form.document["components"]["securitySchemes"].as_object();
    for scheme in schemes.into_iter().flat_map(serde_json::Map::values) {
        needed.extend(of_authorizer(&scheme["x-amazon-apigateway-authorizer"]));
    }
    let paths = form.document["paths"].as_object();
    for operation in paths
        .into_iter()
        .flat_map(|paths| paths.values().filter_map(Value::as_object))
        .flat_map(serde_json::Map::values)
    {
        needed.extend(of_integration(&operation["x-amazon-apigateway-integration"]));
    }
    let how = match form.kind {
        Kind::Rest => "the account's CloudWatch role",
        Kind::Http => {
            "the agent lets it, which takes the statement `DeliverLogs` of `gatehouse env permissions`"
        }
    };
    needed.extend(form.stage.access_log.iter().map(|log| {
        format!(
            "API Gateway must be allowed to write to `{}` ({how})",
            log.destination_arn
        )
    }));
    needed.into_iter().collect()
}

fn of_authorizer(authorizer: &Value) -> Option<String> {
    let function = function(authorizer["authorizerUri"].as_str()?)?;
    Some(invocation(function, authorizer["authorizerCredentials"].as_str()))
}

fn of_integration(integration: &Value) -> Option<String> {
    let function = function(integration["uri"].as_str()?)?;
    Some(invocation(function, integration["credentials"].as_str()))
}

fn invocation(function: &str, role: Option<&str>) -> String {
    match role {
        Some(role) => format!(
            "API Gateway must be allowed to assume the role `{role}`, the role to invoke `{function}` (`lambda:InvokeFunction`), and the agent to pass it on (`iam:PassRole`)"
        ),
        None => format!(
            "`{function}` must let `apigateway.amazonaws.com` invoke it (`lambda:AddPermission` with the API's ARN as source)"
        ),
    }
}

/// The function in a URI of API Gateway: `arn:…:lambda:path/2015-03-31/functions/FUNCTION/invocations`.
fn function(uri: &str) -> Option<&str> {
    let (_, rest) = uri.split_once(":lambda:path/")?;
    let (_, rest) = rest.split_once("/functions/")?;
    rest.strip_suffix("/invocations")
}
