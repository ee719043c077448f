//! Resources and their methods, to be read.

use axum::http::Method;
use serde_json::{Map, Value};

use crate::control::{AwsError, Call, Operation, Page, Reply, page, v1};
use crate::place::{Entity, Place, RestApi, object};

pub(super) const OPERATIONS: &[Operation] = &[
    v1(
        Method::GET,
        "/restapis/{restapi_id}/resources",
        200,
        "GetResources",
        list,
    ),
    v1(
        Method::GET,
        "/restapis/{restapi_id}/resources/{resource_id}",
        200,
        "GetResource",
        read,
    ),
    v1(
        Method::GET,
        "/restapis/{restapi_id}/resources/{resource_id}/methods/{http_method}",
        200,
        "GetMethod",
        method,
    ),
    v1(
        Method::GET,
        "/restapis/{restapi_id}/resources/{resource_id}/methods/{http_method}/integration",
        200,
        "GetIntegration",
        integration,
    ),
];

/// Without `embed=methods`, methods are named and not shown.
fn shown(call: &Call<'_>, resource: &Entity) -> Entity {
    let mut shown = resource.clone();
    let embedded = call.request.arguments("embed").any(|what| what == "methods");
    if let Some(Value::Object(methods)) = shown.get_mut("resourceMethods")
        && !embedded
    {
        for method in methods.values_mut() {
            *method = Value::Object(Map::new());
        }
    }
    shown
}

fn list(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    let resources = &call.rest_api(place)?.definition.resources;
    page(call, Page::REST, resources, |resource| shown(call, resource))
}

/// The resource that the path names.
pub(super) fn found<'a>(call: &Call<'_>, api: &'a mut RestApi) -> Result<&'a mut Entity, AwsError> {
    let found = api.definition.resources.get_mut(call.label("resource_id"));
    found.ok_or_else(|| AwsError::not_found("Invalid Resource identifier specified"))
}

fn read(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    let resource = found(call, call.rest_api(place)?)?;
    Ok(Reply::of(shown(call, resource)))
}

fn found_method<'a>(call: &Call<'_>, api: &'a mut RestApi) -> Result<&'a Entity, AwsError> {
    let resource = found(call, api)?;
    let methods = object(resource, "resourceMethods");
    let method = methods.and_then(|methods| methods.get(call.label("http_method")));
    let invalid = || AwsError::not_found("Invalid Method identifier specified");
    method.and_then(Value::as_object).ok_or_else(invalid)
}

fn method(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    Ok(Reply::of(found_method(call, call.rest_api(place)?)?.clone()))
}

fn integration(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    let method = found_method(call, call.rest_api(place)?)?;
    let integration = object(method, "methodIntegration");
    let invalid = || AwsError::not_found("Invalid Integration identifier specified");
    integration.cloned().map(Reply::of).ok_or_else(invalid)
}
