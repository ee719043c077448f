//! Version 2 of API Gateway: HTTP APIs, with WebSocket APIs beside them in the lists.

mod apis;
mod deployments;
mod documents;
mod domains;
mod export;
mod import;
mod members;
mod parts;
mod stages;
mod tags;

use crate::control::{Call, Operation};
use crate::place::{HttpApi, HttpDeployment, new_id};
use serde_json::json;
use std::sync::Arc;

/// The operations of version 2.
pub(crate) const OPERATIONS: &[&[Operation]] = &[
    apis::OPERATIONS,
    deployments::OPERATIONS,
    documents::OPERATIONS,
    domains::OPERATIONS,
    parts::OPERATIONS,
    stages::OPERATIONS,
    tags::OPERATIONS,
];

/// After a change: stages that deploy by themselves are switched to what the API is now.
fn changed(call: &Call<'_>, api: &mut HttpApi) {
    let following: Vec<String> = api
        .stages
        .iter()
        .filter(|(_, stage)| stage.get("autoDeploy").is_some_and(|auto| *auto == true))
        .map(|(name, _)| name.clone())
        .collect();
    if following.is_empty() || api.definition.routes.is_empty() {
        return;
    }
    let id = deploy(call, api, true, None);
    for name in following {
        if let Some(stage) = api.stages.get_mut(&name) {
            stage.insert("deploymentId".to_owned(), id.as_str().into());
            stage.insert("lastUpdatedDate".to_owned(), call.iso());
        }
    }
}

/// Takes a snapshot of an API; its id.
fn deploy(call: &Call<'_>, api: &mut HttpApi, by_itself: bool, description: Option<&str>) -> String {
    let id = new_id(6);
    let mut entity = crate::place::entity(json!({
        "deploymentId": id, "createdDate": call.iso(), "deploymentStatus": "DEPLOYED", "autoDeployed": by_itself,
    }));
    let text = by_itself.then_some("Automatic deployment triggered by changes to the Api configuration");
    if let Some(text) = description.or(text) {
        entity.insert("description".to_owned(), text.into());
    }
    let snapshot = Arc::new(api.definition.clone());
    api.deployments
        .insert(id.clone(), HttpDeployment { entity, snapshot });
    id
}
