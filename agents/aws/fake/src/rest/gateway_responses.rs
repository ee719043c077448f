//! Gateway responses: what API Gateway itself answers, and how an API would rather have it.

use axum::http::Method;
use serde_json::{Value, json};

use super::patch::{Patch, patches, unescaped};
use crate::control::{AwsError, Call, Operation, Reply, v1};
use crate::place::{Definition, Entity, Place, change_object, entity};

const LIST: &str = "/restapis/{restapi_id}/gatewayresponses";
const ONE: &str = "/restapis/{restapi_id}/gatewayresponses/{response_type}";

pub(super) const OPERATIONS: &[Operation] = &[
    v1(Method::GET, LIST, 200, "GetGatewayResponses", list),
    v1(Method::GET, ONE, 200, "GetGatewayResponse", read),
    v1(Method::PUT, ONE, 201, "PutGatewayResponse", put),
    v1(Method::PATCH, ONE, 200, "UpdateGatewayResponse", update),
    v1(Method::DELETE, ONE, 202, "DeleteGatewayResponse", delete),
];

/// All types, with the status that each has unless an API says otherwise.
const TYPES: [(&str, Option<&str>); 21] = [
    ("ACCESS_DENIED", Some("403")),
    ("API_CONFIGURATION_ERROR", Some("500")),
    ("AUTHORIZER_CONFIGURATION_ERROR", Some("500")),
    ("AUTHORIZER_FAILURE", Some("500")),
    ("BAD_REQUEST_BODY", Some("400")),
    ("BAD_REQUEST_PARAMETERS", Some("400")),
    ("DEFAULT_4XX", None),
    ("DEFAULT_5XX", None),
    ("EXPIRED_TOKEN", Some("403")),
    ("INTEGRATION_FAILURE", Some("504")),
    ("INTEGRATION_TIMEOUT", Some("504")),
    ("INVALID_API_KEY", Some("403")),
    ("INVALID_SIGNATURE", Some("403")),
    ("MISSING_AUTHENTICATION_TOKEN", Some("403")),
    ("QUOTA_EXCEEDED", Some("429")),
    ("REQUEST_TOO_LARGE", Some("413")),
    ("RESOURCE_NOT_FOUND", Some("404")),
    ("THROTTLED", Some("429")),
    ("UNAUTHORIZED", Some("401")),
    ("UNSUPPORTED_MEDIA_TYPE", Some("415")),
    ("WAF_FILTERED", Some("403")),
];

fn usual(kind: &str) -> Option<Entity> {
    let (kind, status) = TYPES.iter().find(|(known, _)| *known == kind)?;
    let mut usual = entity(json!({
        "responseType": kind, "responseParameters": {}, "defaultResponse": true,
        "responseTemplates": {"application/json": "{\"message\":$context.error.messageString}"},
    }));
    if let Some(status) = status {
        usual.insert("statusCode".to_owned(), Value::from(*status));
    }
    Some(usual)
}

fn response(definition: &Definition, kind: &str) -> Result<Entity, AwsError> {
    let own = definition.gateway_responses.get(kind).cloned();
    let invalid = || AwsError::bad_request(format!("Invalid Gateway Response type specified: {kind}"));
    own.or_else(|| usual(kind)).ok_or_else(invalid)
}

fn list(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    let definition = &call.rest_api(place)?.definition;
    let all = TYPES
        .iter()
        .map(|(kind, _)| response(definition, kind).map(Value::Object));
    let items: Vec<Value> = all.collect::<Result<_, _>>()?;
    Ok(Reply::Json(json!({ "item": items })))
}

fn read(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    let definition = &call.rest_api(place)?.definition;
    response(definition, call.label("response_type")).map(Reply::of)
}

fn put(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    let given = call.only(&["statusCode", "responseParameters", "responseTemplates"])?;
    let kind = call.label("response_type");
    let mut made =
        usual(kind).ok_or_else(|| AwsError::bad_request("Invalid Gateway Response type specified"))?;
    made.extend(given);
    keep(call, place, made)
}

fn keep(call: &Call<'_>, place: &mut Place, mut made: Entity) -> Result<Reply, AwsError> {
    made.insert("defaultResponse".to_owned(), Value::from(false));
    let all = &mut call.rest_api(place)?.definition.gateway_responses;
    all.insert(call.label("response_type").to_owned(), made.clone());
    Ok(Reply::of(made))
}

fn update(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    let patches = patches(call)?;
    let mut changed = response(&call.rest_api(place)?.definition, call.label("response_type"))?;
    for patch in &patches {
        apply(&mut changed, patch)?;
    }
    keep(call, place, changed)
}

fn apply(response: &mut Entity, patch: &Patch) -> Result<(), AwsError> {
    match patch.parts().as_slice() {
        ["statusCode"] => patch.set_text(response, "statusCode"),
        [map @ ("responseParameters" | "responseTemplates"), name] => {
            let name = unescaped(name);
            change_object(response, map, |members| patch.set_text(members, &name))
        }
        _ => Err(patch.invalid(&[
            "/statusCode",
            "/responseParameters/{name}",
            "/responseTemplates/{type}",
        ])),
    }
}

fn delete(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    let all = &mut call.rest_api(place)?.definition.gateway_responses;
    match all.remove(call.label("response_type")) {
        Some(_) => Ok(Reply::Empty),
        None => Err(AwsError::not_found("Gateway response type not defined on api")),
    }
}
