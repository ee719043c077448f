//! Where callers come from: the resource policy of a REST API.

use gatehouse_connector_sdk::schemas::{
    descriptor::Fidelity,
    policy::{IpFilterPolicy, Policy},
    revision::Operation,
};
use serde_json::{Value, json};

use super::{
    judge::{only_rest, unsupported},
    scene::Scene,
};

/// The longest resource policy that AWS takes, in characters.
const LONGEST: usize = 8_192;
const EVERYTHING: &str = "execute-api:/*";

/// The resource policy, if there must be one.
pub(super) fn policy(scene: Scene<'_>) -> Option<Value> {
    let filters: Vec<&IpFilterPolicy> = scene
        .expressed(None)
        .into_iter()
        .filter_map(|policy| match policy {
            Policy::IpFilter(filter) => Some(filter),
            _ => None,
        })
        .collect();
    // Nobody reaches a private API without a policy that lets them in.
    let is_private = scene.settings.is_private();
    (is_private || !filters.is_empty()).then(|| document(scene, &filters))
}

fn document(scene: Scene<'_>, filters: &[&IpFilterPolicy]) -> Value {
    let mut statements = vec![statement("Allow", None)];
    let endpoints = &scene.settings.vpc_endpoint_ids;
    let is_private = scene.settings.is_private();
    if is_private && !endpoints.is_empty() {
        let elsewhere = json!({"StringNotEquals": {"aws:SourceVpce": endpoints}});
        statements.push(statement("Deny", Some(elsewhere)));
    }
    let source = if is_private {
        "aws:VpcSourceIp"
    } else {
        "aws:SourceIp"
    };
    for filter in filters {
        if !filter.allow.is_empty() {
            let others = json!({"NotIpAddress": {source: filter.allow}});
            statements.push(statement("Deny", Some(others)));
        }
        if !filter.deny.is_empty() {
            let these = json!({"IpAddress": {source: filter.deny}});
            statements.push(statement("Deny", Some(these)));
        }
    }
    json!({"Version": "2012-10-17", "Statement": statements})
}

fn statement(effect: &str, condition: Option<Value>) -> Value {
    let mut statement = json!({
        "Effect": effect, "Principal": "*", "Action": "execute-api:Invoke", "Resource": EVERYTHING,
    });
    if let Some(condition) = condition {
        statement["Condition"] = condition;
    }
    statement
}

/// How faithfully callers are told apart by their addresses.
pub(super) fn of_filter(scene: Scene<'_>, operation: Option<&Operation>) -> Fidelity {
    if let Err(unsupported) = only_rest(scene, "know no resource policies") {
        return unsupported;
    }
    if operation.is_some() {
        return unsupported(
            "API Gateway's resource policies compare paths as callers write them, so that another spelling of an operation's path gets by; put the policy at the API",
        );
    }
    let all = scene.content.policies.iter().filter_map(|policy| match policy {
        Policy::IpFilter(filter) => Some(filter),
        _ => None,
    });
    let length = document(scene, &all.collect::<Vec<_>>()).to_string().len();
    match length > LONGEST {
        true => unsupported(format!(
            "the addresses make a resource policy of {length} characters, and API Gateway takes {LONGEST}; write fewer and larger networks"
        )),
        false => Fidelity::Exact,
    }
}
