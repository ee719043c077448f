//! Resources, methods and integrations, written one by one.

use axum::http::Method;
use serde_json::{Value, json};

use super::patch::{Patch, patches, unescaped};
use super::resources::found;
use crate::control::{AwsError, Call, Operation, Reply, required, v1};
use crate::openapi::is_path_part;
use crate::place::{Entity, Place, change_object, entity, new_id, object, text};

const PARENT: &str = "/restapis/{restapi_id}/resources/{parent_id}";
const RESOURCE: &str = "/restapis/{restapi_id}/resources/{resource_id}";
const METHOD: &str = "/restapis/{restapi_id}/resources/{resource_id}/methods/{http_method}";
const INTEGRATION: &str = "/restapis/{restapi_id}/resources/{resource_id}/methods/{http_method}/integration";
const RESPONSE: &str =
    "/restapis/{restapi_id}/resources/{resource_id}/methods/{http_method}/responses/{status_code}";
const INTEGRATION_RESPONSE: &str = "/restapis/{restapi_id}/resources/{resource_id}/methods/{http_method}/integration/responses/{status_code}";

pub(super) const OPERATIONS: &[Operation] = &[
    v1(Method::POST, PARENT, 201, "CreateResource", create_resource),
    v1(Method::DELETE, RESOURCE, 202, "DeleteResource", delete_resource),
    v1(Method::PUT, METHOD, 201, "PutMethod", put_method),
    v1(Method::PATCH, METHOD, 200, "UpdateMethod", update_method),
    v1(Method::DELETE, METHOD, 204, "DeleteMethod", delete_method),
    v1(Method::PUT, INTEGRATION, 201, "PutIntegration", put_integration),
    v1(
        Method::PATCH,
        INTEGRATION,
        200,
        "UpdateIntegration",
        update_integration,
    ),
    v1(
        Method::DELETE,
        INTEGRATION,
        204,
        "DeleteIntegration",
        delete_integration,
    ),
    v1(Method::PUT, RESPONSE, 201, "PutMethodResponse", put_response),
    v1(
        Method::PUT,
        INTEGRATION_RESPONSE,
        201,
        "PutIntegrationResponse",
        put_integration_response,
    ),
];

fn create_resource(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    let given = call.members()?;
    let part = required(&given, "pathPart")?;
    let most = call.resources_per_rest_api;
    let resources = &mut call.rest_api(place)?.definition.resources;
    let parent = resources.get(call.label("parent_id"));
    let parent = parent.ok_or_else(|| AwsError::not_found("Invalid Resource identifier specified"))?;
    let parent_id = text(parent, "id").to_owned();
    let path = format!("{}/{part}", text(parent, "path").trim_end_matches('/'));
    if !is_path_part(part) {
        return Err(AwsError::bad_request(
            "Resource's path part only allow a-zA-Z0-9._-: or a valid greedy path variable and curly braces at the \
             beginning and the end.",
        ));
    }
    if resources.values().any(|one| text(one, "path") == path) {
        return Err(AwsError::conflict(format!(
            "Another resource with the same parent already has this name: {part}"
        )));
    }
    if resources.len() >= most {
        return Err(AwsError::limit_exceeded(
            "Maximum number of Resources for this API has been reached.  Please contact AWS if you need additional \
             Resources.",
        ));
    }
    let id = new_id(6);
    let made = entity(json!({ "id": id, "parentId": parent_id, "pathPart": part, "path": path }));
    resources.insert(id, made.clone());
    Ok(Reply::of(made))
}

/// A resource goes with everything beneath it.
fn delete_resource(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    let api = call.rest_api(place)?;
    let path = text(found(call, api)?, "path").to_owned();
    if path == "/" {
        return Err(AwsError::bad_request("Root resource cannot be deleted"));
    }
    let beneath = format!("{path}/");
    let resources = &mut api.definition.resources;
    resources.retain(|_, one| text(one, "path") != path && !text(one, "path").starts_with(&beneath));
    Ok(Reply::Empty)
}

const GIVEN: &[&str] = &[
    "authorizationType",
    "authorizerId",
    "apiKeyRequired",
    "operationName",
    "requestParameters",
    "requestModels",
    "requestValidatorId",
    "authorizationScopes",
];

fn put_method(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    let given = call.only(GIVEN)?;
    required(&given, "authorizationType")?;
    let name = call.label("http_method").to_owned();
    let resource = found(call, call.rest_api(place)?)?;
    if object(resource, "resourceMethods").is_some_and(|all| all.contains_key(&name)) {
        return Err(AwsError::conflict("Method already exists for this resource"));
    }
    let mut made = entity(json!({ "httpMethod": name, "apiKeyRequired": false }));
    made.extend(given);
    change_object(resource, "resourceMethods", |all| {
        all.insert(name, Value::Object(made.clone()));
    });
    Ok(Reply::of(made))
}

/// Changes the method that the path names.
fn change_method<T>(
    call: &Call<'_>,
    place: &mut Place,
    change: impl FnOnce(&mut Entity) -> Result<T, AwsError>,
) -> Result<T, AwsError> {
    let resource = found(call, call.rest_api(place)?)?;
    let name = call.label("http_method");
    let methods = resource.get_mut("resourceMethods").and_then(Value::as_object_mut);
    let method = methods
        .and_then(|all| all.get_mut(name))
        .and_then(Value::as_object_mut);
    change(method.ok_or_else(|| AwsError::not_found("Invalid Method identifier specified"))?)
}

fn update_method(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    let patches = patches(call)?;
    change_method(call, place, |method| {
        let mut changed = method.clone();
        for patch in &patches {
            patch_method(&mut changed, patch)?;
        }
        *method = changed;
        Ok(Reply::of(method.clone()))
    })
}

fn patch_method(method: &mut Entity, patch: &Patch) -> Result<(), AwsError> {
    match patch.parts().as_slice() {
        [name @ ("authorizationType" | "authorizerId" | "operationName" | "requestValidatorId")] => {
            patch.set_text(method, name)
        }
        ["apiKeyRequired"] if !patch.removes() => patch.set_bool(method, "apiKeyRequired"),
        ["requestParameters", name] => change_object(method, "requestParameters", |all| {
            patch.set_bool(all, &unescaped(name))
        }),
        ["requestModels", name] => change_object(method, "requestModels", |all| {
            patch.set_text(all, &unescaped(name))
        }),
        _ => Err(patch.invalid(&[
            "/authorizationType",
            "/authorizerId",
            "/apiKeyRequired",
            "/requestParameters/{name}",
        ])),
    }
}

fn delete_method(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    change_method(call, place, |_| Ok(()))?;
    let resource = found(call, call.rest_api(place)?)?;
    let empty = change_object(resource, "resourceMethods", |all| {
        all.remove(call.label("http_method"));
        all.is_empty()
    });
    if empty {
        resource.remove("resourceMethods");
    }
    Ok(Reply::Empty)
}

const GIVEN_OF_INTEGRATIONS: &[&str] = &[
    "type",
    "httpMethod",
    "uri",
    "connectionType",
    "connectionId",
    "credentials",
    "requestParameters",
    "requestTemplates",
    "passthroughBehavior",
    "contentHandling",
    "timeoutInMillis",
    "cacheNamespace",
    "cacheKeyParameters",
    "tlsConfig",
    "responseTransferMode",
    "integrationTarget",
];

fn put_integration(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    let given = call.members()?;
    required(&given, "type")?;
    let mut made = entity(json!({
        "passthroughBehavior": "WHEN_NO_MATCH", "timeoutInMillis": 29_000, "cacheNamespace": call.label("resource_id"),
        "cacheKeyParameters": [],
    }));
    made.extend(call.only(GIVEN_OF_INTEGRATIONS)?);
    change_method(call, place, |method| {
        method.insert("methodIntegration".to_owned(), Value::Object(made.clone()));
        Ok(())
    })?;
    Ok(Reply::of(made))
}

/// Changes the integration of the method that the path names.
fn change_integration<T>(
    call: &Call<'_>,
    place: &mut Place,
    change: impl FnOnce(&mut Entity) -> Result<T, AwsError>,
) -> Result<T, AwsError> {
    change_method(call, place, |method| {
        let integration = method.get_mut("methodIntegration").and_then(Value::as_object_mut);
        change(integration.ok_or_else(|| AwsError::not_found("Invalid Integration identifier specified"))?)
    })
}

fn update_integration(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    let patches = patches(call)?;
    change_integration(call, place, |integration| {
        let mut changed = integration.clone();
        for patch in &patches {
            patch_integration(&mut changed, patch)?;
        }
        *integration = changed;
        Ok(Reply::of(integration.clone()))
    })
}

fn patch_integration(integration: &mut Entity, patch: &Patch) -> Result<(), AwsError> {
    match patch.parts().as_slice() {
        ["timeoutInMillis"] if !patch.removes() => patch.set_integer(integration, "timeoutInMillis"),
        [
            name @ ("uri"
            | "httpMethod"
            | "connectionType"
            | "connectionId"
            | "credentials"
            | "passthroughBehavior"
            | "contentHandling"
            | "cacheNamespace"),
        ] => patch.set_text(integration, name),
        [map @ ("requestParameters" | "requestTemplates"), name] => {
            change_object(integration, map, |all| patch.set_text(all, &unescaped(name)))
        }
        ["tlsConfig", "insecureSkipVerification"] => change_object(integration, "tlsConfig", |it| {
            patch.set_bool(it, "insecureSkipVerification")
        }),
        _ => Err(patch.invalid(&[
            "/uri",
            "/httpMethod",
            "/timeoutInMillis",
            "/requestParameters/{name}",
        ])),
    }
}

fn delete_integration(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    change_integration(call, place, |_| Ok(()))?;
    change_method(call, place, |method| {
        method.remove("methodIntegration");
        Ok(Reply::Empty)
    })
}

fn put_response(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    let status = call.label("status_code");
    let mut made = entity(json!({ "statusCode": status }));
    made.extend(call.only(&["responseParameters", "responseModels"])?);
    change_method(call, place, |method| {
        change_object(method, "methodResponses", |all| {
            all.insert(status.to_owned(), Value::Object(made.clone()));
        });
        Ok(())
    })?;
    Ok(Reply::of(made))
}

fn put_integration_response(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    let status = call.label("status_code");
    let mut made = entity(json!({ "statusCode": status }));
    let names = [
        "selectionPattern",
        "responseParameters",
        "responseTemplates",
        "contentHandling",
    ];
    made.extend(call.only(&names)?);
    change_integration(call, place, |integration| {
        change_object(integration, "integrationResponses", |all| {
            all.insert(status.to_owned(), Value::Object(made.clone()));
        });
        Ok(())
    })?;
    Ok(Reply::of(made))
}
