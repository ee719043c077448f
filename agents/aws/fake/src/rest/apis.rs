//! REST APIs themselves: create, list, read, change, delete.

use axum::http::Method;
use serde_json::{Value, json};

use super::patch::{Patch, patches};
use super::policy;
use super::tags::{self, checked as checked_tags};
use crate::control::{AwsError, Call, Operation, Page, Reply, page_of, v1};
use crate::place::{Entity, Place, RestApi, change_object, entity, new_id, text};

pub(super) const OPERATIONS: &[Operation] = &[
    v1(Method::POST, "/restapis", 201, "CreateRestApi", create),
    v1(Method::GET, "/restapis", 200, "GetRestApis", list),
    v1(Method::GET, "/restapis/{restapi_id}", 200, "GetRestApi", read),
    v1(
        Method::PATCH,
        "/restapis/{restapi_id}",
        200,
        "UpdateRestApi",
        update,
    ),
    v1(
        Method::DELETE,
        "/restapis/{restapi_id}",
        202,
        "DeleteRestApi",
        delete,
    ),
];

const GIVEN: &[&str] = &[
    "name",
    "description",
    "version",
    "binaryMediaTypes",
    "minimumCompressionSize",
    "apiKeySource",
    "endpointConfiguration",
    "policy",
    "disableExecuteApiEndpoint",
    "securityPolicy",
    "endpointAccessMode",
];

/// A REST API without anything but its root.
pub(super) fn empty(call: &Call<'_>, name: &str) -> RestApi {
    let (id, root) = (new_id(10), new_id(10));
    let api = json!({
        "id": id, "name": name, "createdDate": call.seconds(), "apiKeySource": "HEADER",
        "endpointConfiguration": {"types": ["EDGE"], "ipAddressType": "ipv4"},
        "disableExecuteApiEndpoint": false, "rootResourceId": root,
    });
    let mut made = RestApi::default();
    made.definition.api = entity(api);
    let resource = entity(json!({ "id": root, "path": "/" }));
    made.definition.resources.insert(root, resource);
    made
}

fn create(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    let given = call.only(GIVEN)?;
    if text(&given, "name").trim().is_empty() {
        return Err(AwsError::bad_request("Invalid REST API name"));
    }
    let tags = checked_tags(&call.members()?)?;
    let mut made = empty(call, text(&given, "name"));
    for (name, value) in given {
        set(call, &mut made.definition.api, &name, value)?;
    }
    let endpoint = &made.definition.api["endpointConfiguration"];
    if endpoint.get("vpcEndpointIds").is_some() && endpoint["types"] != json!(["PRIVATE"]) {
        return Err(AwsError::bad_request(
            "VPCEndpoints can only be specified with PRIVATE apis.",
        ));
    }
    made.tags = tags;
    let shown = shown_when_made(&made);
    place
        .rest_apis
        .insert(text(&made.definition.api, "id").to_owned(), made);
    Ok(Reply::of(shown))
}

fn set(call: &Call<'_>, api: &mut Entity, name: &str, value: Value) -> Result<(), AwsError> {
    match name {
        "policy" => {
            let id = text(api, "id").to_owned();
            set_policy(call, api, &value, &id)?;
        }
        "endpointConfiguration" => {
            let types = value.get("types").cloned().unwrap_or_else(|| json!(["EDGE"]));
            refuse_unknown_types(&types)?;
            change_object(api, "endpointConfiguration", |configuration| {
                configuration.extend(entity(value));
                configuration.insert("types".to_owned(), types);
            });
        }
        _ => {
            api.insert(name.to_owned(), value);
        }
    }
    Ok(())
}

fn refuse_unknown_types(types: &Value) -> Result<(), AwsError> {
    let known = |kind: &Value| matches!(kind.as_str(), Some("EDGE" | "REGIONAL" | "PRIVATE"));
    match types.as_array().is_some_and(|types| types.iter().all(known)) {
        true => Ok(()),
        false => Err(AwsError::bad_request(
            "Invalid endpoint configuration type, it must be one of EDGE, REGIONAL, PRIVATE",
        )),
    }
}

fn set_policy(call: &Call<'_>, api: &mut Entity, policy: &Value, id: &str) -> Result<(), AwsError> {
    let stored = policy::expanded(policy, call.region, call.account, id);
    let is_policy = policy::document(&stored).is_some_and(|document| document.get("Statement").is_some());
    if !is_policy {
        return Err(AwsError::bad_request(
            "Invalid policy document. Please check the policy syntax and ensure that Principals are valid.",
        ));
    }
    api.insert("policy".to_owned(), Value::from(stored));
    Ok(())
}

/// A REST API as it is answered; one without tags has empty ones.
pub(super) fn shown(api: &RestApi) -> Entity {
    let mut shown = shown_when_made(api);
    shown.insert("tags".to_owned(), Value::Object(api.tags.clone()));
    shown
}

/// A REST API as it is answered to whoever makes it: without tags it has none.
pub(super) fn shown_when_made(api: &RestApi) -> Entity {
    let mut shown = api.definition.api.clone();
    if let Some(stored) = api.definition.api.get("policy").and_then(Value::as_str) {
        shown.insert("policy".to_owned(), Value::from(policy::quoted(stored)));
    }
    tags::show(&mut shown, &api.tags);
    shown
}

fn list(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    let all = place.rest_apis.iter().map(|(id, api)| (id.as_str(), shown(api)));
    page_of(call, Page::REST, all)
}

fn read(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    Ok(Reply::of(shown(call.rest_api(place)?)))
}

const PATHS: &[&str] = &[
    "/name",
    "/description",
    "/policy",
    "/apiKeySource",
    "/minimumCompressionSize",
    "/disableExecuteApiEndpoint",
    "/securityPolicy",
    "/endpointAccessMode",
    "/binaryMediaTypes/{type}",
    "/endpointConfiguration/types/{type}",
    "/endpointConfiguration/ipAddressType",
    "/endpointConfiguration/vpcEndpointIds",
];

fn update(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    let patches = patches(call)?;
    let api = call.rest_api(place)?;
    let mut changed = api.definition.api.clone();
    for patch in &patches {
        apply(call, &mut changed, patch)?;
    }
    api.definition.api = changed;
    Ok(Reply::of(shown(api)))
}

fn apply(call: &Call<'_>, api: &mut Entity, patch: &Patch) -> Result<(), AwsError> {
    match patch.parts().as_slice() {
        [name @ ("name" | "apiKeySource" | "securityPolicy" | "endpointAccessMode")] if !patch.removes() => {
            patch.set_text(api, name)
        }
        ["description"] => patch.set_text(api, "description"),
        ["minimumCompressionSize"] => patch.set_integer(api, "minimumCompressionSize"),
        ["disableExecuteApiEndpoint"] if !patch.removes() => patch.set_bool(api, "disableExecuteApiEndpoint"),
        ["policy"] if patch.removes() || patch.value.as_deref() == Some("") => {
            api.remove("policy");
            Ok(())
        }
        ["policy"] => {
            let id = text(api, "id").to_owned();
            set_policy(call, api, &Value::from(patch.text()?), &id)
        }
        ["binaryMediaTypes", kind] => {
            change_list(api, "binaryMediaTypes", &super::patch::unescaped(kind), patch);
            Ok(())
        }
        ["endpointConfiguration", rest @ ..] => {
            let rest = rest.to_vec();
            change_object(api, "endpointConfiguration", |it| endpoint(it, &rest, patch))
        }
        _ => Err(patch.invalid(PATHS)),
    }
}

fn endpoint(configuration: &mut Entity, parts: &[&str], patch: &Patch) -> Result<(), AwsError> {
    match parts {
        ["types", _] if patch.op == "replace" => {
            configuration.insert("types".to_owned(), json!([patch.text()?]));
            Ok(())
        }
        ["ipAddressType"] if !patch.removes() => patch.set_text(configuration, "ipAddressType"),
        ["vpcEndpointIds"] => {
            let id = patch.text()?.to_owned();
            change_list(configuration, "vpcEndpointIds", &id, patch);
            Ok(())
        }
        _ => Err(patch.invalid(PATHS)),
    }
}

/// Adds an item to a list or removes it; an empty list is none.
fn change_list(members: &mut Entity, name: &str, item: &str, patch: &Patch) {
    let mut list = match members.remove(name) {
        Some(Value::Array(items)) => items,
        _ => Vec::new(),
    };
    list.retain(|one| one != item);
    if !patch.removes() {
        let new = if patch.op == "replace" {
            patch.value.as_deref()
        } else {
            None
        };
        list.push(Value::from(new.unwrap_or(item)));
    }
    if !list.is_empty() {
        members.insert(name.to_owned(), Value::Array(list));
    }
}

fn delete(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    let id = call.label("restapi_id").to_owned();
    call.rest_api(place)?;
    let mapped = place.domain_names.values().any(|domain| {
        domain
            .mappings
            .values()
            .any(|mapping| text(mapping, "restApiId") == id)
    });
    if mapped {
        return Err(AwsError::bad_request(
            "Please remove all base path mappings related to the API in your domains before deleting this API",
        ));
    }
    if let Some(plan) = place.usage_plan_of(&id, None) {
        return Err(AwsError::bad_request(format!(
            "Cannot delete API '{id}': its stages are associated with usage plan '{plan}'"
        )));
    }
    place.rest_apis.remove(&id);
    Ok(Reply::Empty)
}
