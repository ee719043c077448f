//! Stages: a name under which one deployment is served.

use axum::http::Method;
use serde_json::{Value, json};

use super::patch::{Patch, patches};
use super::tags::{self, checked as checked_tags};
use super::variables;
use crate::control::{AwsError, Call, Operation, Reply, v1};
use crate::place::{Entity, Place, RestApi, change_object, entity, object, text};

pub(super) const OPERATIONS: &[Operation] = &[
    v1(
        Method::POST,
        "/restapis/{restapi_id}/stages",
        201,
        "CreateStage",
        create,
    ),
    v1(
        Method::GET,
        "/restapis/{restapi_id}/stages",
        200,
        "GetStages",
        list,
    ),
    v1(
        Method::GET,
        "/restapis/{restapi_id}/stages/{stage_name}",
        200,
        "GetStage",
        read,
    ),
    v1(
        Method::PATCH,
        "/restapis/{restapi_id}/stages/{stage_name}",
        200,
        "UpdateStage",
        update,
    ),
    v1(
        Method::DELETE,
        "/restapis/{restapi_id}/stages/{stage_name}",
        202,
        "DeleteStage",
        delete,
    ),
    v1(
        Method::DELETE,
        "/restapis/{restapi_id}/stages/{stage_name}/cache/data",
        202,
        "FlushStageCache",
        flush,
    ),
    v1(
        Method::DELETE,
        "/restapis/{restapi_id}/stages/{stage_name}/cache/authorizers",
        202,
        "FlushStageAuthorizersCache",
        flush,
    ),
];

const GIVEN: &[&str] = &[
    "stageName",
    "deploymentId",
    "description",
    "cacheClusterEnabled",
    "cacheClusterSize",
    "documentationVersion",
    "canarySettings",
    "tracingEnabled",
];

fn create(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    let members = call.members()?;
    let tags = checked_tags(&members)?;
    let api = call.rest_api(place)?;
    let name = text(&members, "stageName");
    check_name(name)?;
    if !api.deployments.contains_key(text(&members, "deploymentId")) {
        return Err(AwsError::not_found("Invalid Deployment identifier specified"));
    }
    if api.stages.contains_key(name) {
        return Err(AwsError::conflict("Stage already exists"));
    }
    let mut made = empty(call, name);
    made.extend(call.only(GIVEN)?);
    settle_cache(&mut made);
    if let Some(variables) = variables::given(&members, "variables")? {
        made.insert("variables".to_owned(), variables);
    }
    tags::show(&mut made, &tags);
    api.stages.insert(name.to_owned(), made.clone());
    api.settle();
    Ok(Reply::of(made))
}

fn empty(call: &Call<'_>, name: &str) -> Entity {
    entity(json!({
        "stageName": name, "cacheClusterEnabled": false, "cacheClusterStatus": "NOT_AVAILABLE", "methodSettings": {},
        "tracingEnabled": false, "createdDate": call.seconds(), "lastUpdatedDate": call.seconds(),
    }))
}

fn check_name(name: &str) -> Result<(), AwsError> {
    let allowed = |sign: char| sign.is_ascii_alphanumeric() || sign == '_' || sign == '-';
    if name.is_empty() || name.len() > 128 || !name.chars().all(allowed) {
        return Err(AwsError::bad_request("Stage name only allows a-zA-Z0-9_-"));
    }
    Ok(())
}

fn settle_cache(stage: &mut Entity) {
    let enabled = stage.get("cacheClusterEnabled") == Some(&Value::Bool(true));
    let status = if enabled { "AVAILABLE" } else { "NOT_AVAILABLE" };
    stage.insert("cacheClusterStatus".to_owned(), Value::from(status));
    if enabled && stage.get("cacheClusterSize").is_none() {
        stage.insert("cacheClusterSize".to_owned(), Value::from("0.5"));
    }
}

/// A deployment was made for a stage: a canary of it, or it is switched to it, or made.
pub(super) fn deployed(
    call: &Call<'_>,
    api: &mut RestApi,
    name: &str,
    deployment: &str,
    given: &Entity,
) -> Result<(), AwsError> {
    check_name(name)?;
    let variables = variables::given(given, "variables")?;
    if let (Some(stage), Some(canary)) = (api.stages.get_mut(name), object(given, "canarySettings")) {
        let mut canary = canary.clone();
        canary.insert("deploymentId".to_owned(), Value::from(deployment));
        stage.insert("canarySettings".to_owned(), Value::Object(canary));
        return Ok(());
    }
    let stage = api
        .stages
        .entry(name.to_owned())
        .or_insert_with(|| empty(call, name));
    let renamed = [("stageDescription", "description")];
    let same = ["cacheClusterEnabled", "cacheClusterSize", "tracingEnabled"].map(|name| (name, name));
    for (from, to) in renamed.into_iter().chain(same) {
        if let Some(value) = given.get(from) {
            stage.insert(to.to_owned(), value.clone());
        }
    }
    if let Some(variables) = variables {
        stage.insert("variables".to_owned(), variables);
    }
    stage.insert("deploymentId".to_owned(), Value::from(deployment));
    stage.insert("lastUpdatedDate".to_owned(), call.seconds());
    settle_cache(stage);
    api.settle();
    Ok(())
}

fn list(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    let wanted = call.request.argument("deploymentId");
    let stages = call.rest_api(place)?.stages.values();
    let fitting = stages.filter(|stage| wanted.is_none_or(|id| text(stage, "deploymentId") == id));
    let items: Vec<Value> = fitting.cloned().map(Value::Object).collect();
    Ok(Reply::Json(json!({ "item": items })))
}

/// The stage that the path names.
pub(super) fn found<'a>(call: &Call<'_>, api: &'a mut RestApi) -> Result<&'a mut Entity, AwsError> {
    let found = api.stages.get_mut(call.label("stage_name"));
    found.ok_or_else(|| AwsError::not_found("Invalid stage identifier specified"))
}

fn read(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    Ok(Reply::of(found(call, call.rest_api(place)?)?.clone()))
}

fn flush(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    found(call, call.rest_api(place)?)?;
    Ok(Reply::Empty)
}

const PATHS: &[&str] = &[
    "/deploymentId",
    "/description",
    "/variables/{name}",
    "/cacheClusterEnabled",
    "/cacheClusterSize",
    "/clientCertificateId",
    "/documentationVersion",
    "/tracingEnabled",
    "/accessLogSettings/format",
    "/accessLogSettings/destinationArn",
    "/canarySettings/percentTraffic",
    "/canarySettings/deploymentId",
    "/canarySettings/useStageCache",
    "/canarySettings/stageVariableOverrides/{name}",
    "/{resourcePath}/{httpMethod}/logging/loglevel",
    "/{resourcePath}/{httpMethod}/throttling/rateLimit",
];

/// The most that is known to be taken at once.
const MOST_PATCHES: usize = 80;

fn update(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    let patches = patches(call)?;
    if patches.len() > MOST_PATCHES {
        return Err(AwsError::bad_request(
            "Update size too large. Try updating stage in multiple UpdateStage operations",
        ));
    }
    let api = call.rest_api(place)?;
    let mut changed = found(call, api)?.clone();
    for patch in &patches {
        apply(api, &mut changed, patch)?;
    }
    settle_cache(&mut changed);
    if let Some(variables) = object(&changed, "variables") {
        variables::check(variables)?;
        if variables.is_empty() {
            changed.remove("variables");
        }
    }
    changed.insert("lastUpdatedDate".to_owned(), call.seconds());
    *found(call, api)? = changed.clone();
    api.settle();
    Ok(Reply::of(changed))
}

fn apply(api: &RestApi, stage: &mut Entity, patch: &Patch) -> Result<(), AwsError> {
    match patch.parts().as_slice() {
        ["deploymentId"] if !patch.removes() => {
            if !api.deployments.contains_key(patch.text()?) {
                return Err(AwsError::bad_request("Deployment id does not exist"));
            }
            patch.set_text(stage, "deploymentId")
        }
        [name @ ("description" | "clientCertificateId" | "documentationVersion" | "cacheClusterSize")] => {
            patch.set_text(stage, name)
        }
        [name @ ("cacheClusterEnabled" | "tracingEnabled")] if !patch.removes() => {
            patch.set_bool(stage, name)
        }
        ["variables"] if patch.removes() => {
            stage.remove("variables");
            Ok(())
        }
        ["variables", name] => change_object(stage, "variables", |variables| patch.set_text(variables, name)),
        ["accessLogSettings"] if patch.removes() => {
            stage.remove("accessLogSettings");
            Ok(())
        }
        ["accessLogSettings", name @ ("format" | "destinationArn")] if !patch.removes() => {
            change_object(stage, "accessLogSettings", |settings| {
                patch.set_text(settings, name)
            })
        }
        ["canarySettings", rest @ ..] => canary(stage, rest, patch),
        [path, method] if patch.removes() => {
            let key = format!("{path}/{method}");
            change_object(stage, "methodSettings", |settings| settings.remove(&key));
            Ok(())
        }
        [path, method, rest @ ..] => method_setting(stage, &format!("{path}/{method}"), rest, patch),
        _ => Err(patch.invalid(PATHS)),
    }
}

fn canary(stage: &mut Entity, parts: &[&str], patch: &Patch) -> Result<(), AwsError> {
    if parts.is_empty() && patch.removes() {
        stage.remove("canarySettings");
        return Ok(());
    }
    change_object(stage, "canarySettings", |settings| match parts {
        ["percentTraffic"] => patch.set_number(settings, "percentTraffic"),
        ["deploymentId"] => patch.set_text(settings, "deploymentId"),
        ["useStageCache"] => patch.set_bool(settings, "useStageCache"),
        ["stageVariableOverrides", name] => change_object(settings, "stageVariableOverrides", |variables| {
            patch.set_text(variables, name)
        }),
        _ => Err(patch.invalid(PATHS)),
    })
}

fn method_setting(stage: &mut Entity, key: &str, parts: &[&str], patch: &Patch) -> Result<(), AwsError> {
    let settings = object(stage, "methodSettings").and_then(|settings| settings.get(key));
    let mut changed = settings
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_else(usual_settings);
    match parts {
        ["metrics", "enabled"] => patch.set_bool(&mut changed, "metricsEnabled"),
        ["logging", "dataTrace"] => patch.set_bool(&mut changed, "dataTraceEnabled"),
        ["logging", "loglevel"] => patch.set_text(&mut changed, "loggingLevel"),
        ["throttling", "burstLimit"] => patch.set_integer(&mut changed, "throttlingBurstLimit"),
        ["throttling", "rateLimit"] => patch.set_number(&mut changed, "throttlingRateLimit"),
        ["caching", "enabled"] => patch.set_bool(&mut changed, "cachingEnabled"),
        ["caching", "ttlInSeconds"] => patch.set_integer(&mut changed, "cacheTtlInSeconds"),
        ["caching", "dataEncrypted"] => patch.set_bool(&mut changed, "cacheDataEncrypted"),
        ["caching", "requireAuthorizationForCacheControl"] => {
            patch.set_bool(&mut changed, "requireAuthorizationForCacheControl")
        }
        ["caching", "unauthorizedCacheControlHeaderStrategy"] => {
            patch.set_text(&mut changed, "unauthorizedCacheControlHeaderStrategy")
        }
        _ => Err(patch.invalid(PATHS)),
    }?;
    change_object(stage, "methodSettings", |settings| {
        settings.insert(key.to_owned(), Value::Object(changed));
    });
    Ok(())
}

/// What all settings of a method are when one of them is set for the first time.
fn usual_settings() -> Entity {
    entity(json!({
        "metricsEnabled": false, "loggingLevel": "OFF", "dataTraceEnabled": false, "throttlingBurstLimit": 5000,
        "throttlingRateLimit": 10000.0, "cachingEnabled": false, "cacheTtlInSeconds": 300, "cacheDataEncrypted": false,
        "requireAuthorizationForCacheControl": true,
        "unauthorizedCacheControlHeaderStrategy": "SUCCEED_WITH_RESPONSE_HEADER",
    }))
}

fn delete(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    let (id, name) = (call.label("restapi_id"), call.label("stage_name"));
    found(call, call.rest_api(place)?)?;
    if let Some(plan) = place.usage_plan_of(id, Some(name)) {
        return Err(AwsError::bad_request(format!(
            "Cannot delete stage '{name}': it is associated with usage plan '{plan}'"
        )));
    }
    call.rest_api(place)?.stages.remove(name);
    Ok(Reply::Empty)
}
