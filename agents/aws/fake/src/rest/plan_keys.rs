//! The keys of usage plans, and how often they were used.

use axum::http::Method;
use serde_json::json;

use super::plans::{found, refuse_second_plans};
use crate::control::{AwsError, Call, Operation, Page, Reply, page_of, required, v1};
use crate::place::{Entity, Place, entity, text};

pub(super) const OPERATIONS: &[Operation] = &[
    v1(
        Method::POST,
        "/usageplans/{usageplanId}/keys",
        201,
        "CreateUsagePlanKey",
        create,
    ),
    v1(
        Method::GET,
        "/usageplans/{usageplanId}/keys",
        200,
        "GetUsagePlanKeys",
        list,
    ),
    v1(
        Method::GET,
        "/usageplans/{usageplanId}/keys/{keyId}",
        200,
        "GetUsagePlanKey",
        read,
    ),
    v1(
        Method::DELETE,
        "/usageplans/{usageplanId}/keys/{keyId}",
        202,
        "DeleteUsagePlanKey",
        delete,
    ),
];

fn shown(key: &Entity) -> Entity {
    let mut shown = entity(json!({ "id": key["id"], "type": "API_KEY" }));
    if let Some(name) = key.get("name") {
        shown.insert("name".to_owned(), name.clone());
    }
    shown
}

fn no_key() -> AwsError {
    AwsError::not_found("Invalid API Key identifier specified")
}

fn create(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    let given = call.members()?;
    let id = required(&given, "keyId")?.to_owned();
    if required(&given, "keyType")? != "API_KEY" {
        return Err(AwsError::bad_request("Invalid key type specified"));
    }
    let plan = found(call, place)?;
    let (held, stages) = (plan.keys.contains(&id), plan.entity.clone());
    let key = place.api_keys.get(&id).cloned().ok_or_else(no_key)?;
    if held {
        return Err(AwsError::conflict(format!(
            "API Key {id} is already associated with this usage plan"
        )));
    }
    refuse_second_plans(
        place,
        call.label("usageplanId"),
        &stages,
        std::slice::from_ref(&id),
    )?;
    found(call, place)?.keys.push(id);
    let mut made = shown(&key);
    made.insert("value".to_owned(), key["value"].clone());
    Ok(Reply::of(made))
}

fn list(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    let mut keys = found(call, place)?.keys.clone();
    keys.sort();
    let name = call.request.argument("name");
    let known = keys
        .iter()
        .filter_map(|id| Some((id.as_str(), place.api_keys.get(id)?)));
    let fitting = known.filter(|(_, key)| name.is_none_or(|name| text(key, "name").starts_with(name)));
    page_of(call, Page::REST, fitting.map(|(id, key)| (id, shown(key))))
}

/// The id of the key that the path names, if the plan has it.
fn held(call: &Call<'_>, place: &mut Place) -> Result<String, AwsError> {
    let id = call.label("keyId").to_owned();
    if found(call, place)?.keys.contains(&id) {
        Ok(id)
    } else {
        Err(AwsError::not_found("Invalid Usage Plan Key identifier specified"))
    }
}

fn read(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    let id = held(call, place)?;
    let key = place.api_keys.get(&id).ok_or_else(no_key)?;
    Ok(Reply::of(shown(key)))
}

fn delete(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    let id = held(call, place)?;
    found(call, place)?.keys.retain(|key| *key != id);
    Ok(Reply::Empty)
}
