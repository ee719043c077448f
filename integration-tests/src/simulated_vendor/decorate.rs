//! How the vendor shows what it holds: in its own order, with its own defaults, nulls and extras.

use serde_json::{Value, json, value::RawValue};

use super::model::{Api, Deployment, Policy, Route, Settings, Snapshot};

/// An entry of a listing.
pub(super) fn listed(api: &Api) -> Value {
    json!({
        "id": api.id,
        "name": api.name,
        "tags": tags(api),
        "etag": etag(api.version),
        "createdAt": api.created_ms,
        "stages": api.stages.keys().collect::<Vec<_>>(),
    })
}

pub(super) fn etag(version: u64) -> String {
    format!("v{version}")
}

fn tags(api: &Api) -> Value {
    let mut tags = json!(api.tags);
    tags["vendor:created-by"] = json!("console-or-api");
    tags
}

/// An API with what its stage serves; on request, also the draft.
pub(super) fn exported(api: &Api, stage: Option<&str>, with_draft: bool) -> Value {
    let mut shown = listed(api);
    let name = stage
        .filter(|stage| api.stages.contains_key(*stage))
        .or_else(|| api.stages.keys().next().map(String::as_str));
    shown["stages"] = api
        .stages
        .iter()
        .map(|(name, stage)| {
            let shown = json!({"deploymentId": stage.deployment_id, "etag": etag(stage.version)});
            (name.clone(), shown)
        })
        .collect();
    let mut deployments: Vec<&Deployment> = api.deployments.values().collect();
    deployments.sort_by_key(|deployment| std::cmp::Reverse(deployment.number));
    shown["deployments"] = deployments
        .into_iter()
        .map(|it| json!({"id": it.id, "name": it.name, "number": it.number}))
        .collect();
    match name.and_then(|name| Some((name, api.served(name)?))) {
        Some((name, served)) => {
            shown["served"] = deployment(served);
            shown["served"]["stage"] = json!(name);
        }
        None => shown["served"] = Value::Null,
    }
    if with_draft || shown["served"].is_null() {
        shown["draft"] = snapshot(&api.draft);
    }
    shown
}

/// A deployment with its snapshot.
pub(super) fn deployment(deployment: &Deployment) -> Value {
    let mut shown = snapshot(&deployment.snapshot);
    shown["id"] = json!(deployment.id);
    shown["name"] = json!(deployment.name);
    shown["number"] = json!(deployment.number);
    shown["createdAt"] = json!(deployment.created_ms);
    shown["tags"] = json!(deployment.tags);
    shown
}

fn snapshot(snapshot: &Snapshot) -> Value {
    // Neither the order of what was put nor any other that means something.
    let routes: Vec<Value> = snapshot.routes.iter().rev().map(route).collect();
    let policies: Vec<Value> = snapshot.policies.iter().rev().map(policy).collect();
    json!({
        "settings": settings(&snapshot.settings),
        "routes": routes,
        "policies": policies,
        "definition": snapshot.definition.as_deref().map(read),
    })
}

fn read(definition: &RawValue) -> Value {
    serde_json::from_str(definition.get()).unwrap_or(Value::Null)
}

fn settings(settings: &Settings) -> Value {
    let mut shown = json!(settings);
    shown["endpointType"] = json!("REGIONAL");
    shown["minimumCompressionSize"] = Value::Null;
    shown
}

fn route(route: &Route) -> Value {
    let mut shown = json!(route);
    shown["links"] = json!({"self": format!("/routes/{}%20{}", route.method, route.path)});
    shown["timeoutInMillis"] = json!(29_000);
    for field in ["headers", "query"] {
        if shown[field].as_object().is_some_and(serde_json::Map::is_empty) {
            shown[field] = Value::Null;
        }
    }
    shown
}

fn policy(policy: &Policy) -> Value {
    let mut shown = json!(policy);
    shown["enabled"] = json!(true);
    shown
}
