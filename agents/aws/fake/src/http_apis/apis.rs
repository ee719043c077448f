//! HTTP and WebSocket APIs themselves: create, list, read, change, delete.

use axum::http::Method;
use serde_json::{Value, json};

use super::{changed, members};
use crate::control::{AwsError, Call, Operation, Page, Reply, page_of, required, suffix, v2};
use crate::place::{Entity, HttpApi, Place, entity, new_id, object, text};
use crate::rest::tags::checked as checked_tags;

pub(super) const OPERATIONS: &[Operation] = &[
    v2(Method::POST, "/v2/apis", 201, "CreateApi", create),
    v2(Method::GET, "/v2/apis", 200, "GetApis", list),
    v2(Method::GET, "/v2/apis/{apiId}", 200, "GetApi", read),
    v2(Method::PATCH, "/v2/apis/{apiId}", 200, "UpdateApi", update),
    v2(Method::DELETE, "/v2/apis/{apiId}", 204, "DeleteApi", delete),
    v2(
        Method::DELETE,
        "/v2/apis/{apiId}/cors",
        204,
        "DeleteCorsConfiguration",
        delete_cors,
    ),
];

const CHANGEABLE: &[&str] = &[
    "name",
    "description",
    "version",
    "corsConfiguration",
    "disableExecuteApiEndpoint",
    "disableSchemaValidation",
    "routeSelectionExpression",
    "apiKeySelectionExpression",
    "ipAddressType",
];

/// An API without anything.
pub(super) fn empty(call: &Call<'_>, name: &str, protocol: &str) -> HttpApi {
    let id = new_id(10);
    let suffix = suffix(call.region);
    let (scheme, selection) = match protocol {
        "WEBSOCKET" => ("wss", "$request.body.action"),
        _ => ("https", "$request.method $request.path"),
    };
    let api = json!({
        "apiId": id, "name": name, "protocolType": protocol, "createdDate": call.iso(),
        "apiEndpoint": format!("{scheme}://{id}.execute-api.{}.{suffix}", call.region),
        "apiKeySelectionExpression": "$request.header.x-api-key", "routeSelectionExpression": selection,
        "disableExecuteApiEndpoint": false, "ipAddressType": "ipv4",
    });
    let mut made = HttpApi::default();
    made.definition.api = entity(api);
    made
}

fn create(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    let given = call.members()?;
    let (name, protocol) = (required(&given, "name")?, required(&given, "protocolType")?);
    if !["HTTP", "WEBSOCKET"].contains(&protocol) {
        return Err(AwsError::bad_request(
            "Invalid protocol specified. Must be one of [HTTP, WEBSOCKET]",
        ));
    }
    if !text(&given, "target").is_empty() {
        return Err(AwsError::bad_request(
            "The fake of API Gateway makes no API out of a target",
        ));
    }
    check_cors(&given)?;
    let mut made = empty(call, name, protocol);
    made.tags = checked_tags(&given)?;
    members::merge(call, &mut made.definition.api, CHANGEABLE)?;
    let answer = shown(&made);
    place
        .http_apis
        .insert(text(&made.definition.api, "apiId").to_owned(), made);
    Ok(Reply::of(answer))
}

/// Credentials may not be allowed to everybody.
pub(super) fn check_cors(members: &Entity) -> Result<(), AwsError> {
    let Some(cors) = object(members, "corsConfiguration") else {
        return Ok(());
    };
    let all = |name: &str| {
        let list = cors.get(name).and_then(Value::as_array);
        list.is_some_and(|list| list.iter().any(|one| one == "*"))
    };
    if cors.get("allowCredentials") == Some(&Value::Bool(true)) && all("allowOrigins") {
        return Err(AwsError::bad_request(
            "When allowCredentials is true, allowOrigins must not contain a wildcard",
        ));
    }
    Ok(())
}

/// An API as it is answered.
pub(super) fn shown(api: &HttpApi) -> Entity {
    let mut shown = api.definition.api.clone();
    shown.insert("tags".to_owned(), Value::Object(api.tags.clone()));
    shown
}

fn list(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    let all = place.http_apis.iter();
    page_of(call, Page::HTTP, all.map(|(id, api)| (id.as_str(), shown(api))))
}

fn read(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    Ok(Reply::of(shown(call.http_api(place)?)))
}

fn update(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    check_cors(&call.members()?)?;
    let api = call.http_api(place)?;
    members::merge(call, &mut api.definition.api, CHANGEABLE)?;
    changed(call, api);
    Ok(Reply::of(shown(api)))
}

fn delete(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    call.http_api(place)?;
    let id = call.label("apiId");
    let mapped = place.domain_names.values().any(|domain| {
        let mut mappings = domain.mappings.values();
        mappings.any(|mapping| text(mapping, "restApiId") == id)
    });
    if mapped {
        return Err(AwsError::bad_request(
            "Unable to delete API with existing API mappings. Please remove all API mappings first",
        ));
    }
    place.http_apis.remove(id);
    Ok(Reply::Empty)
}

fn delete_cors(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    let api = call.http_api(place)?;
    api.definition.api.remove("corsConfiguration");
    changed(call, api);
    Ok(Reply::Empty)
}
