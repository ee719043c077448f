//! Deployments: snapshots of a REST API that never change.

use std::sync::Arc;

use axum::http::Method;
use serde_json::{Map, Value, json};

use super::patch::patches;
use super::stages;
use crate::control::{AwsError, Call, Operation, Page, Reply, page_of, v1};
use crate::place::{Definition, Deployment, Entity, Place, RestApi, entity, new_id, object, text};

pub(super) const OPERATIONS: &[Operation] = &[
    v1(
        Method::POST,
        "/restapis/{restapi_id}/deployments",
        201,
        "CreateDeployment",
        create,
    ),
    v1(
        Method::GET,
        "/restapis/{restapi_id}/deployments",
        200,
        "GetDeployments",
        list,
    ),
    v1(
        Method::GET,
        "/restapis/{restapi_id}/deployments/{deployment_id}",
        200,
        "GetDeployment",
        read,
    ),
    v1(
        Method::PATCH,
        "/restapis/{restapi_id}/deployments/{deployment_id}",
        200,
        "UpdateDeployment",
        update,
    ),
    v1(
        Method::DELETE,
        "/restapis/{restapi_id}/deployments/{deployment_id}",
        202,
        "DeleteDeployment",
        delete,
    ),
];

fn create(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    let given = call.members()?;
    let api = call.rest_api(place)?;
    refuse_unfinished(&api.definition)?;
    refuse_open(&api.definition.api)?;
    let id = new_id(6);
    let mut made = entity(json!({ "id": id, "createdDate": call.seconds() }));
    if let Some(description) = given.get("description") {
        made.insert("description".to_owned(), description.clone());
    }
    let stage = text(&given, "stageName");
    if !stage.is_empty() {
        stages::deployed(call, api, stage, &id, &given)?;
    }
    let snapshot = Arc::new(api.definition.clone());
    let deployment = Deployment {
        entity: made.clone(),
        snapshot,
    };
    api.deployments.insert(id, deployment);
    Ok(Reply::of(made))
}

/// An API without methods, or with a method that leads nowhere, cannot be deployed.
fn refuse_unfinished(definition: &Definition) -> Result<(), AwsError> {
    let methods: Vec<&Entity> = methods(definition).map(|(_, _, method)| method).collect();
    if methods.is_empty() {
        return Err(AwsError::bad_request("The REST API doesn't contain any methods"));
    }
    if methods
        .iter()
        .any(|method| object(method, "methodIntegration").is_none())
    {
        return Err(AwsError::bad_request("No integration defined for method"));
    }
    Ok(())
}

/// Nobody could reach a private API, or anybody could.
fn refuse_open(api: &Entity) -> Result<(), AwsError> {
    let is_private = api["endpointConfiguration"]["types"] == json!(["PRIVATE"]);
    match is_private && text(api, "policy").is_empty() {
        true => Err(AwsError::bad_request(
            "Private REST API doesn't have a resource policy attached to it",
        )),
        false => Ok(()),
    }
}

/// The methods of all resources: path, name, method.
pub(crate) fn methods(definition: &Definition) -> impl Iterator<Item = (&str, &str, &Entity)> {
    definition.resources.values().flat_map(|resource| {
        let methods = object(resource, "resourceMethods").into_iter().flatten();
        methods
            .filter_map(|(name, method)| Some((text(resource, "path"), name.as_str(), method.as_object()?)))
    })
}

fn shown(call: &Call<'_>, deployment: &Deployment) -> Entity {
    let mut shown = deployment.entity.clone();
    if call.request.arguments("embed").any(|what| what == "apisummary") {
        shown.insert(
            "apiSummary".to_owned(),
            Value::Object(summary(&deployment.snapshot)),
        );
    }
    shown
}

fn summary(definition: &Definition) -> Entity {
    let mut summary = Map::new();
    for (path, name, method) in methods(definition) {
        let said = json!({
            "authorizationType": method.get("authorizationType"), "apiKeyRequired": method.get("apiKeyRequired"),
        });
        crate::place::change_object(&mut summary, path, |methods| {
            methods.insert(name.to_owned(), said);
        });
    }
    summary
}

fn list(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    let all = call.rest_api(place)?.deployments.iter();
    page_of(
        call,
        Page::REST,
        all.map(|(id, one)| (id.as_str(), shown(call, one))),
    )
}

fn found<'a>(call: &Call<'_>, api: &'a mut RestApi) -> Result<&'a mut Deployment, AwsError> {
    let found = api.deployments.get_mut(call.label("deployment_id"));
    found.ok_or_else(|| AwsError::not_found("Invalid Deployment identifier specified"))
}

fn read(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    let deployment = found(call, call.rest_api(place)?)?;
    Ok(Reply::of(shown(call, deployment)))
}

fn update(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    let patches = patches(call)?;
    let deployment = found(call, call.rest_api(place)?)?;
    for patch in &patches {
        match patch.path.as_str() {
            "/description" => patch.set_text(&mut deployment.entity, "description")?,
            _ => return Err(patch.invalid(&["/description"])),
        }
    }
    Ok(Reply::of(shown(call, deployment)))
}

fn delete(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    let api = call.rest_api(place)?;
    found(call, api)?;
    let id = call.label("deployment_id");
    let in_use = api.stages.values().any(|stage| {
        let canary = object(stage, "canarySettings").map(|canary| text(canary, "deploymentId"));
        text(stage, "deploymentId") == id || canary == Some(id)
    });
    if in_use {
        return Err(AwsError::bad_request(
            "Active stages pointing to this deployment must be moved or deleted",
        ));
    }
    api.deployments.remove(id);
    Ok(Reply::Empty)
}
