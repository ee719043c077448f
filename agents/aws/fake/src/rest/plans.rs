//! Usage plans: which keys may call which stages, how fast and how often.

use axum::http::Method;
use serde_json::{Value, json};

use super::patch::{Patch, patches, unescaped};
use super::tags::{self, checked as checked_tags};
use crate::control::{AwsError, Call, Operation, Page, Reply, page_of, v1};
use crate::place::{Entity, Place, UsagePlan, change_object, entity, new_id, text};

pub(super) const OPERATIONS: &[Operation] = &[
    v1(Method::POST, "/usageplans", 201, "CreateUsagePlan", create),
    v1(Method::GET, "/usageplans", 200, "GetUsagePlans", list),
    v1(
        Method::GET,
        "/usageplans/{usageplanId}",
        200,
        "GetUsagePlan",
        read,
    ),
    v1(
        Method::PATCH,
        "/usageplans/{usageplanId}",
        200,
        "UpdateUsagePlan",
        update,
    ),
    v1(
        Method::DELETE,
        "/usageplans/{usageplanId}",
        202,
        "DeleteUsagePlan",
        delete,
    ),
];

fn create(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    let given = call.members()?;
    if text(&given, "name").is_empty() {
        return Err(AwsError::bad_request("Usage Plan name must not be empty"));
    }
    let tags = checked_tags(&given)?;
    let id = new_id(6);
    let mut made = entity(json!({ "id": id, "apiStages": [] }));
    for name in ["name", "description", "apiStages", "throttle", "quota"] {
        if let Some(said) = given.get(name) {
            made.insert(name.to_owned(), said.clone());
        }
    }
    check(place, &made)?;
    tags::show(&mut made, &tags);
    let plan = UsagePlan {
        entity: made.clone(),
        keys: Vec::new(),
    };
    place.usage_plans.insert(id, plan);
    Ok(Reply::of(made))
}

/// The stages of a plan: API and stage.
pub(crate) fn stages(plan: &Entity) -> impl Iterator<Item = (&str, &str)> {
    let all = plan
        .get("apiStages")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    all.filter_map(|one| Some((one.get("apiId")?.as_str()?, one.get("stage")?.as_str()?)))
}

fn check(place: &Place, plan: &Entity) -> Result<(), AwsError> {
    for (api, stage) in stages(plan) {
        let known = place
            .rest_apis
            .get(api)
            .is_some_and(|api| api.stages.contains_key(stage));
        if !known {
            return Err(AwsError::not_found(format!("API Stage not found: {api}:{stage}")));
        }
    }
    let quota = plan.get("quota").and_then(Value::as_object);
    if let Some(quota) = quota {
        let limit = quota.get("limit").and_then(Value::as_i64).unwrap_or_default();
        if limit < 1 || !["DAY", "WEEK", "MONTH"].contains(&text(quota, "period")) {
            return Err(AwsError::bad_request(
                "Usage Plan quota limit must be greater than 0, and its period one of DAY, WEEK, MONTH",
            ));
        }
    }
    let throttle = plan.get("throttle").and_then(Value::as_object);
    let negative = |limit: &Value| limit.as_f64().is_some_and(|limit| limit < 0.0);
    if throttle.is_some_and(|throttle| throttle.values().any(negative)) {
        return Err(AwsError::bad_request(
            "Usage Plan throttle limits must not be negative",
        ));
    }
    Ok(())
}

fn list(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    let key = call.request.argument("keyId");
    let plans = place.usage_plans.iter();
    let fitting = plans.filter(|(_, plan)| key.is_none_or(|key| plan.keys.iter().any(|one| one == key)));
    page_of(
        call,
        Page::REST,
        fitting.map(|(id, plan)| (id.as_str(), plan.entity.clone())),
    )
}

/// The usage plan that the path names.
pub(super) fn found<'a>(call: &Call<'_>, place: &'a mut Place) -> Result<&'a mut UsagePlan, AwsError> {
    let found = place.usage_plans.get_mut(call.label("usageplanId"));
    found.ok_or_else(|| AwsError::not_found("Invalid Usage Plan ID specified"))
}

fn read(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    Ok(Reply::of(found(call, place)?.entity.clone()))
}

const PATHS: &[&str] = &[
    "/name",
    "/description",
    "/productCode",
    "/apiStages",
    "/apiStages/{apiId:stage}/throttle/{resourcePath}/{httpMethod}/rateLimit",
    "/throttle/rateLimit",
    "/throttle/burstLimit",
    "/quota/limit",
    "/quota/offset",
    "/quota/period",
];

fn update(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    let patches = patches(call)?;
    let plan = found(call, place)?;
    let (mut changed, keys) = (plan.entity.clone(), plan.keys.clone());
    for patch in &patches {
        apply(&mut changed, patch)?;
    }
    check(place, &changed)?;
    refuse_second_plans(place, call.label("usageplanId"), &changed, &keys)?;
    found(call, place)?.entity = changed.clone();
    Ok(Reply::of(changed))
}

/// A key belongs to one plan at most for each stage.
pub(super) fn refuse_second_plans(
    place: &Place,
    id: &str,
    plan: &Entity,
    keys: &[String],
) -> Result<(), AwsError> {
    for (other, held) in place.usage_plans.iter().filter(|(other, _)| *other != id) {
        let key = keys.iter().find(|key| held.keys.contains(key));
        let shared = stages(plan).find(|stage| stages(&held.entity).any(|one| one == *stage));
        if let (Some(key), Some((api, stage))) = (key, shared) {
            return Err(AwsError::conflict(format!(
                "API Key {key} is already associated with usage plan {other} for API Stage {api}:{stage}"
            )));
        }
    }
    Ok(())
}

fn apply(plan: &mut Entity, patch: &Patch) -> Result<(), AwsError> {
    match patch.parts().as_slice() {
        [name @ ("name" | "description" | "productCode")] => patch.set_text(plan, name),
        [name @ ("throttle" | "quota")] if patch.removes() => {
            plan.remove(*name);
            Ok(())
        }
        ["throttle", "rateLimit"] => change_object(plan, "throttle", |it| patch.set_number(it, "rateLimit")),
        ["throttle", "burstLimit"] => {
            change_object(plan, "throttle", |it| patch.set_integer(it, "burstLimit"))
        }
        ["quota", "period"] => change_object(plan, "quota", |it| patch.set_text(it, "period")),
        ["quota", name @ ("limit" | "offset")] => {
            change_object(plan, "quota", |it| patch.set_integer(it, name))
        }
        ["apiStages"] => change_stages(plan, patch),
        ["apiStages", stage, "throttle", rest @ ..] => throttle_method(plan, &unescaped(stage), rest, patch),
        _ => Err(patch.invalid(PATHS)),
    }
}

/// Adds or removes a stage, named `api:stage`.
fn change_stages(plan: &mut Entity, patch: &Patch) -> Result<(), AwsError> {
    let text = patch.text()?;
    let Some((api, stage)) = text.split_once(':') else {
        return Err(AwsError::bad_request(format!(
            "Invalid API stage specified: {text}"
        )));
    };
    let mut all = stage_list(plan);
    all.retain(|one| one["apiId"] != api || one["stage"] != stage);
    if !patch.removes() {
        all.push(json!({ "apiId": api, "stage": stage }));
    }
    plan.insert("apiStages".to_owned(), Value::Array(all));
    Ok(())
}

fn stage_list(plan: &Entity) -> Vec<Value> {
    plan.get("apiStages")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default()
}

/// Limits of one method: the parts of the path between are the method's, the last one is the limit's name.
fn throttle_method(plan: &mut Entity, stage: &str, parts: &[&str], patch: &Patch) -> Result<(), AwsError> {
    let mut all = stage_list(plan);
    let named = |one: &&mut Value| {
        format!(
            "{}:{}",
            one["apiId"].as_str().unwrap_or_default(),
            one["stage"].as_str().unwrap_or_default()
        ) == stage
    };
    let Some(Value::Object(one)) = all.iter_mut().find(named) else {
        return Err(AwsError::not_found(format!("API Stage not found: {stage}")));
    };
    change_object(one, "throttle", |throttle| match parts {
        [] if patch.removes() => {
            throttle.clear();
            Ok(())
        }
        [method @ .., "rateLimit"] if !method.is_empty() => {
            change_object(throttle, &method_key(method), |it| {
                patch.set_number(it, "rateLimit")
            })
        }
        [method @ .., "burstLimit"] if !method.is_empty() => {
            change_object(throttle, &method_key(method), |it| {
                patch.set_integer(it, "burstLimit")
            })
        }
        method if patch.removes() => {
            throttle.remove(&method_key(method));
            Ok(())
        }
        _ => Err(patch.invalid(PATHS)),
    })?;
    plan.insert("apiStages".to_owned(), Value::Array(all));
    Ok(())
}

/// `/pets/GET`, from `~1pets` and `GET`.
fn method_key(parts: &[&str]) -> String {
    let joined: Vec<String> = parts.iter().map(|part| unescaped(part)).collect();
    format!("/{}", joined.join("/").trim_start_matches('/'))
}

fn delete(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    let plan = found(call, place)?;
    if stages(&plan.entity).next().is_some() {
        return Err(AwsError::bad_request(
            "Cannot delete usage plan that has API stages associated with it: remove them first",
        ));
    }
    place.usage_plans.remove(call.label("usageplanId"));
    Ok(Reply::Empty)
}
