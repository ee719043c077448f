//! Deployments of HTTP APIs.

use axum::http::Method;
use serde_json::Value;

use super::{deploy, members};
use crate::control::{AwsError, Call, Operation, Page, Reply, page_of, v2};
use crate::place::{HttpApi, HttpDeployment, Place, text};

const LIST: &str = "/v2/apis/{apiId}/deployments";
const ONE: &str = "/v2/apis/{apiId}/deployments/{deploymentId}";

pub(super) const OPERATIONS: &[Operation] = &[
    v2(Method::POST, LIST, 201, "CreateDeployment", create),
    v2(Method::GET, LIST, 200, "GetDeployments", list),
    v2(Method::GET, ONE, 200, "GetDeployment", read),
    v2(Method::PATCH, ONE, 200, "UpdateDeployment", update),
    v2(Method::DELETE, ONE, 204, "DeleteDeployment", delete),
];

fn create(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    let given = call.members()?;
    let api = call.http_api(place)?;
    if api.definition.routes.is_empty() {
        return Err(AwsError::bad_request(
            "At least one route is required before deploying the Api.",
        ));
    }
    let stage = text(&given, "stageName").to_owned();
    if !stage.is_empty() && !api.stages.contains_key(&stage) {
        return Err(AwsError::not_found("Unable to find Stage by name"));
    }
    let id = deploy(call, api, false, given.get("description").and_then(Value::as_str));
    if let Some(stage) = api.stages.get_mut(&stage) {
        stage.insert("deploymentId".to_owned(), Value::from(id.as_str()));
        stage.insert("lastUpdatedDate".to_owned(), call.iso());
    }
    let made = api.deployments.get(&id).map(|made| made.entity.clone());
    Ok(Reply::of(made.unwrap_or_default()))
}

fn list(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    let all = call.http_api(place)?.deployments.iter();
    page_of(
        call,
        Page::HTTP,
        all.map(|(id, one)| (id.as_str(), one.entity.clone())),
    )
}

fn found<'p>(call: &Call<'_>, api: &'p mut HttpApi) -> Result<&'p mut HttpDeployment, AwsError> {
    let found = api.deployments.get_mut(call.label("deploymentId"));
    found.ok_or_else(|| AwsError::not_found("Invalid deployment identifier specified"))
}

fn read(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    Ok(Reply::of(found(call, call.http_api(place)?)?.entity.clone()))
}

fn update(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    let found = found(call, call.http_api(place)?)?;
    members::merge(call, &mut found.entity, &["description"])?;
    Ok(Reply::of(found.entity.clone()))
}

fn delete(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    let api = call.http_api(place)?;
    found(call, api)?;
    let id = call.label("deploymentId");
    if api.stages.values().any(|stage| text(stage, "deploymentId") == id) {
        return Err(AwsError::bad_request(
            "Active stages pointing to this deployment must be moved or deleted",
        ));
    }
    api.deployments.remove(id);
    Ok(Reply::Empty)
}
