//! API keys. Their values are shown to whoever makes them, and to whoever asks for them by `includeValue`.

use axum::http::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::patch::{Patch, patches};
use super::tags::{self, checked as checked_tags};
use crate::control::{AwsError, Call, Operation, Page, Reply, page_of, v1};
use crate::place::{Entity, Place, entity, new_id, text};

pub(super) const OPERATIONS: &[Operation] = &[
    v1(Method::POST, "/apikeys", 201, "CreateApiKey", create),
    v1(Method::GET, "/apikeys", 200, "GetApiKeys", list),
    v1(Method::GET, "/apikeys/{api_Key}", 200, "GetApiKey", read),
    v1(Method::PATCH, "/apikeys/{api_Key}", 200, "UpdateApiKey", update),
    v1(Method::DELETE, "/apikeys/{api_Key}", 202, "DeleteApiKey", delete),
];

const SHORTEST: usize = 20;
const LONGEST: usize = 128;

fn create(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    let given = call.members()?;
    let value = match text(&given, "value") {
        "" => Uuid::new_v4().simple().to_string() + &new_id(8),
        value => value.to_owned(),
    };
    check_value(place, &value)?;
    let tags = checked_tags(&given)?;
    let id = new_id(10);
    let mut made = entity(json!({
        "id": id, "value": value, "enabled": given.get("enabled") == Some(&Value::Bool(true)),
        "createdDate": call.seconds(), "lastUpdatedDate": call.seconds(), "stageKeys": [],
    }));
    for name in ["name", "description", "customerId"] {
        if let Some(said) = given.get(name) {
            made.insert(name.to_owned(), said.clone());
        }
    }
    tags::show(&mut made, &tags);
    place.api_keys.insert(id, made.clone());
    Ok(Reply::of(made))
}

fn check_value(place: &Place, value: &str) -> Result<(), AwsError> {
    let length = value.chars().count();
    if length < SHORTEST {
        return Err(AwsError::bad_request(format!(
            "API Key value should be at least {SHORTEST} characters"
        )));
    }
    if length > LONGEST {
        return Err(AwsError::bad_request(format!(
            "API Key value should be at most {LONGEST} characters"
        )));
    }
    if place.api_keys.values().any(|key| text(key, "value") == value) {
        return Err(AwsError::conflict("API Key already exists"));
    }
    Ok(())
}

/// A key without its value.
fn shown(key: &Entity) -> Entity {
    let mut shown = key.clone();
    shown.remove("value");
    shown
}

fn list(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    let with_values = call.request.argument("includeValues") == Some("true");
    let name = call
        .request
        .argument("name")
        .or_else(|| call.request.argument("nameQuery"));
    let customer = call.request.argument("customerId");
    let fits = |key: &&Entity| {
        name.is_none_or(|name| text(key, "name").starts_with(name))
            && customer.is_none_or(|customer| text(key, "customerId") == customer)
    };
    let fitting = place.api_keys.iter().filter(|(_, key)| fits(key));
    let all = fitting.map(|(id, key)| match with_values {
        true => (id.as_str(), key.clone()),
        false => (id.as_str(), shown(key)),
    });
    page_of(call, Page::REST, all)
}

fn found<'a>(call: &Call<'_>, place: &'a mut Place) -> Result<&'a mut Entity, AwsError> {
    let found = place.api_keys.get_mut(call.label("api_Key"));
    found.ok_or_else(|| AwsError::not_found("Invalid API Key identifier specified"))
}

fn read(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    let with_value = call.request.argument("includeValue") == Some("true");
    let key = found(call, place)?;
    Ok(Reply::of(if with_value { key.clone() } else { shown(key) }))
}

fn update(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    let patches = patches(call)?;
    let key = found(call, place)?;
    let mut changed = key.clone();
    for patch in &patches {
        apply(&mut changed, patch)?;
    }
    changed.insert("lastUpdatedDate".to_owned(), call.seconds());
    *key = changed;
    Ok(Reply::of(shown(key)))
}

fn apply(key: &mut Entity, patch: &Patch) -> Result<(), AwsError> {
    match patch.parts().as_slice() {
        [name @ ("name" | "description" | "customerId")] => patch.set_text(key, name),
        ["enabled"] if !patch.removes() => patch.set_bool(key, "enabled"),
        _ => Err(patch.invalid(&["/name", "/description", "/customerId", "/enabled"])),
    }
}

fn delete(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    found(call, place)?;
    let id = call.label("api_Key");
    place.api_keys.remove(id);
    for plan in place.usage_plans.values_mut() {
        plan.keys.retain(|key| key != id);
    }
    Ok(Reply::Empty)
}
