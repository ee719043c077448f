//! Tags, of whatever has an ARN.

use axum::http::Method;
use serde_json::{Value, json};

use crate::control::{AwsError, Call, Operation, Reply, v1};
use crate::place::{Entity, Place};

pub(super) const OPERATIONS: &[Operation] = &[
    v1(Method::GET, "/tags/{resource_arn}", 200, "GetTags", read),
    v1(Method::PUT, "/tags/{resource_arn}", 204, "TagResource", put),
    v1(
        Method::DELETE,
        "/tags/{resource_arn}",
        204,
        "UntagResource",
        remove,
    ),
];

const MOST: usize = 50;
const LONGEST_KEY: usize = 128;
const LONGEST_VALUE: usize = 256;

/// The tags of a body, if they may be.
pub(crate) fn checked(members: &Entity) -> Result<Entity, AwsError> {
    let tags = members
        .get("tags")
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default();
    check(&tags)?;
    Ok(tags)
}

pub(crate) fn check(tags: &Entity) -> Result<(), AwsError> {
    if tags.len() > MOST {
        return Err(AwsError::bad_request(format!(
            "Resources can have at most {MOST} tags"
        )));
    }
    for (key, value) in tags {
        let value = value.as_str().unwrap_or_default();
        if key.starts_with("aws:") {
            return Err(AwsError::bad_request("Tag keys cannot start with 'aws:'"));
        }
        if key.is_empty() || key.chars().count() > LONGEST_KEY || value.chars().count() > LONGEST_VALUE {
            return Err(AwsError::bad_request(format!("Invalid tag '{key}'")));
        }
        let allowed = |sign: char| sign.is_alphanumeric() || " _.:/=+-@".contains(sign);
        if !key.chars().chain(value.chars()).all(allowed) {
            return Err(AwsError::bad_request(format!(
                "Invalid characters in tag '{key}'"
            )));
        }
    }
    Ok(())
}

/// Shows tags in an answer; those that are empty are not shown.
pub(crate) fn show(shown: &mut Entity, tags: &Entity) {
    if !tags.is_empty() {
        shown.insert("tags".to_owned(), Value::Object(tags.clone()));
    }
}

/// Reads or changes the tags of what an ARN names.
pub(crate) fn at<T>(
    call: &Call<'_>,
    place: &mut Place,
    arn: &str,
    change: impl FnOnce(&mut Entity) -> Result<T, AwsError>,
) -> Result<T, AwsError> {
    let path = arn.splitn(6, ':').nth(5).unwrap_or_default();
    // Some names of resources of version 2 say so, and some do not.
    let path = path.strip_prefix("/v2").unwrap_or(path);
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let missing = || AwsError::not_found(format!("Invalid resource ARN specified: {arn}"));
    match parts.as_slice() {
        ["restapis", id] => {
            let api = place.rest_apis.get_mut(*id);
            change(&mut api.ok_or_else(|| AwsError::no_api(call.account, id))?.tags)
        }
        ["restapis", id, "stages", stage] => {
            let stages = place.rest_apis.get_mut(*id).map(|api| &mut api.stages);
            in_entity(
                stages
                    .and_then(|stages| stages.get_mut(*stage))
                    .ok_or_else(missing)?,
                change,
            )
        }
        ["apis", id] => {
            let api = place.http_apis.get_mut(*id);
            change(&mut api.ok_or_else(|| AwsError::no_api(call.account, id))?.tags)
        }
        ["apis", id, "stages", stage] => {
            let stages = place.http_apis.get_mut(*id).map(|api| &mut api.stages);
            in_entity(
                stages
                    .and_then(|stages| stages.get_mut(*stage))
                    .ok_or_else(missing)?,
                change,
            )
        }
        ["apikeys", id] => in_entity(place.api_keys.get_mut(*id).ok_or_else(missing)?, change),
        ["vpclinks", id] => in_entity(place.vpc_links.get_mut(*id).ok_or_else(missing)?, change),
        ["usageplans", id] => {
            let plan = place.usage_plans.get_mut(*id);
            in_entity(&mut plan.ok_or_else(missing)?.entity, change)
        }
        ["domainnames", name] => {
            let domain = place.domain_names.get_mut(*name);
            in_entity(&mut domain.ok_or_else(missing)?.entity, change)
        }
        _ => Err(missing()),
    }
}

/// Tags that are kept in what they belong to; those that are empty are not kept.
fn in_entity<T>(
    entity: &mut Entity,
    change: impl FnOnce(&mut Entity) -> Result<T, AwsError>,
) -> Result<T, AwsError> {
    let mut tags = match entity.get("tags") {
        Some(Value::Object(tags)) => tags.clone(),
        _ => Entity::new(),
    };
    let done = change(&mut tags)?;
    entity.remove("tags");
    show(entity, &tags);
    Ok(done)
}

fn read(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    let arn = call.label("resource_arn").to_owned();
    let tags = at(call, place, &arn, |tags| Ok(tags.clone()))?;
    Ok(Reply::Json(json!({ "tags": tags })))
}

/// Adds tags to those that are there, and replaces those of the same keys.
pub(crate) fn add(call: &Call<'_>, place: &mut Place, arn: &str) -> Result<(), AwsError> {
    let given = checked(&call.members()?)?;
    at(call, place, arn, |tags| {
        let mut all = tags.clone();
        all.extend(given);
        check(&all)?;
        *tags = all;
        Ok(())
    })
}

/// Removes tags; those that are not there are no error.
pub(crate) fn take(call: &Call<'_>, place: &mut Place, arn: &str) -> Result<(), AwsError> {
    let keys: Vec<&str> = call.request.arguments("tagKeys").collect();
    at(call, place, arn, |tags| {
        tags.retain(|key, _| !keys.contains(&key.as_str()));
        Ok(())
    })
}

fn put(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    let arn = call.label("resource_arn").to_owned();
    add(call, place, &arn)?;
    Ok(Reply::Empty)
}

fn remove(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    let arn = call.label("resource_arn").to_owned();
    take(call, place, &arn)?;
    Ok(Reply::Empty)
}
