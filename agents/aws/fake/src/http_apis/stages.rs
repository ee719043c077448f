//! Stages of HTTP APIs.

use axum::http::Method;
use serde_json::{Value, json};

use super::{changed, members};
use crate::control::{AwsError, Call, Operation, Page, Reply, page, required, v2};
use crate::place::{Entity, HttpApi, Place, change_object, entity, object, text};
use crate::rest::tags::checked as checked_tags;
use crate::rest::variables;

const LIST: &str = "/v2/apis/{apiId}/stages";
const ONE: &str = "/v2/apis/{apiId}/stages/{stageName}";
const ROUTE_SETTINGS: &str = "/v2/apis/{apiId}/stages/{stageName}/routesettings/{routeKey}";
const ACCESS_LOG: &str = "/v2/apis/{apiId}/stages/{stageName}/accesslogsettings";

pub(super) const OPERATIONS: &[Operation] = &[
    v2(Method::POST, LIST, 201, "CreateStage", create),
    v2(Method::GET, LIST, 200, "GetStages", list),
    v2(Method::GET, ONE, 200, "GetStage", read),
    v2(Method::PATCH, ONE, 200, "UpdateStage", update),
    v2(Method::DELETE, ONE, 204, "DeleteStage", delete),
    v2(
        Method::DELETE,
        ROUTE_SETTINGS,
        204,
        "DeleteRouteSettings",
        delete_route_settings,
    ),
    v2(
        Method::DELETE,
        ACCESS_LOG,
        204,
        "DeleteAccessLogSettings",
        delete_access_log,
    ),
];

const CHANGEABLE: &[&str] = &[
    "deploymentId",
    "description",
    "autoDeploy",
    "defaultRouteSettings",
    "accessLogSettings",
    "clientCertificateId",
];

fn create(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    let given = call.members()?;
    let name = required(&given, "stageName")?.to_owned();
    let allowed = |sign: char| sign.is_ascii_alphanumeric() || sign == '_' || sign == '-';
    if name != "$default" && !name.chars().all(allowed) {
        return Err(AwsError::bad_request(
            "Stage name only allows a-zA-Z0-9_- or $default",
        ));
    }
    let tags = checked_tags(&given)?;
    let api = call.http_api(place)?;
    if api.stages.contains_key(&name) {
        return Err(AwsError::conflict("Stage already exists"));
    }
    let mut made = entity(json!({
        "stageName": name, "createdDate": call.iso(), "lastUpdatedDate": call.iso(), "routeSettings": {},
        "defaultRouteSettings": {"detailedMetricsEnabled": false}, "stageVariables": {}, "tags": tags,
    }));
    apply(call, api, &mut made, &given)?;
    api.stages.insert(name.clone(), made);
    changed(call, api);
    Ok(Reply::of(api.stages.get(&name).cloned().unwrap_or_default()))
}

fn apply(call: &Call<'_>, api: &HttpApi, stage: &mut Entity, given: &Entity) -> Result<(), AwsError> {
    let deployment = text(given, "deploymentId");
    if !deployment.is_empty() && !api.deployments.contains_key(deployment) {
        return Err(AwsError::not_found("Invalid deployment identifier specified"));
    }
    members::merge(call, stage, CHANGEABLE)?;
    let automatic = stage.get("autoDeploy") == Some(&Value::Bool(true));
    if automatic && !deployment.is_empty() {
        return Err(AwsError::bad_request(
            "DeploymentId cannot be specified for a stage that deploys automatically",
        ));
    }
    if let Some(variables) = object(given, "stageVariables") {
        variables::check(variables)?;
        change_object(stage, "stageVariables", |all| merge(all, variables));
    }
    if let Some(settings) = object(given, "routeSettings") {
        change_object(stage, "routeSettings", |all| merge(all, settings));
    }
    Ok(())
}

/// Those that are sent take the place of those of the same names; an empty text removes one.
fn merge(all: &mut Entity, sent: &Entity) {
    for (name, value) in sent {
        if value == "" {
            all.remove(name);
        } else {
            all.insert(name.clone(), value.clone());
        }
    }
}

fn list(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    page(call, Page::HTTP, &call.http_api(place)?.stages, shown)
}

/// A stage without tags has empty ones.
fn shown(stage: &Entity) -> Entity {
    let mut shown = stage.clone();
    shown.entry("tags").or_insert_with(|| json!({}));
    shown
}

fn found<'p>(call: &Call<'_>, api: &'p mut HttpApi) -> Result<&'p mut Entity, AwsError> {
    let found = api.stages.get_mut(call.label("stageName"));
    found.ok_or_else(|| AwsError::not_found("Invalid stage identifier specified"))
}

fn read(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    Ok(Reply::of(shown(found(call, call.http_api(place)?)?)))
}

fn update(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    let given = call.members()?;
    let api = call.http_api(place)?;
    let mut now = found(call, api)?.clone();
    apply(call, api, &mut now, &given)?;
    now.insert("lastUpdatedDate".to_owned(), call.iso());
    *found(call, api)? = now;
    changed(call, api);
    Ok(Reply::of(shown(found(call, api)?)))
}

fn delete(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    let api = call.http_api(place)?;
    found(call, api)?;
    api.stages.remove(call.label("stageName"));
    Ok(Reply::Empty)
}

fn delete_route_settings(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    let stage = found(call, call.http_api(place)?)?;
    let removed = change_object(stage, "routeSettings", |all| all.remove(call.label("routeKey")));
    let missing = || AwsError::not_found("Unable to find Route by key within the provided RouteSettings");
    removed.map(|_| Reply::Empty).ok_or_else(missing)
}

fn delete_access_log(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    found(call, call.http_api(place)?)?.remove("accessLogSettings");
    Ok(Reply::Empty)
}
