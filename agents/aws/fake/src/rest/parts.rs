//! Request validators, models and parts of the documentation, one by one.

use axum::http::Method;
use serde_json::json;

use super::collection::{Collection, Kind};
use crate::control::{AwsError, Call, Operation, Reply, required, v1};
use crate::place::{Place, entity, new_id};

const VALIDATORS: &str = "/restapis/{restapi_id}/requestvalidators";
const VALIDATOR: &str = "/restapis/{restapi_id}/requestvalidators/{requestvalidator_id}";
const MODELS: &str = "/restapis/{restapi_id}/models";
const MODEL: &str = "/restapis/{restapi_id}/models/{model_name}";
const PARTS: &str = "/restapis/{restapi_id}/documentation/parts";
const PART: &str = "/restapis/{restapi_id}/documentation/parts/{part_id}";

const ALL_VALIDATORS: Collection = Collection {
    of: |definition| &mut definition.request_validators,
    label: "requestvalidator_id",
    missing: "Invalid Request Validator identifier specified",
    changeable: &[
        ("name", Kind::Text),
        ("validateRequestBody", Kind::Truth),
        ("validateRequestParameters", Kind::Truth),
    ],
};

const ALL_MODELS: Collection = Collection {
    of: |definition| &mut definition.models,
    label: "model_name",
    missing: "Invalid model name specified",
    changeable: &[("description", Kind::Text), ("schema", Kind::Text)],
};

const ALL_PARTS: Collection = Collection {
    of: |definition| &mut definition.documentation_parts,
    label: "part_id",
    missing: "Invalid Documentation part identifier specified",
    changeable: &[("properties", Kind::Text)],
};

pub(super) const OPERATIONS: &[Operation] = &[
    v1(
        Method::POST,
        VALIDATORS,
        201,
        "CreateRequestValidator",
        create_validator,
    ),
    v1(
        Method::GET,
        VALIDATORS,
        200,
        "GetRequestValidators",
        |call, place| ALL_VALIDATORS.list(call, place),
    ),
    v1(
        Method::GET,
        VALIDATOR,
        200,
        "GetRequestValidator",
        |call, place| ALL_VALIDATORS.read(call, place),
    ),
    v1(
        Method::PATCH,
        VALIDATOR,
        200,
        "UpdateRequestValidator",
        |call, place| ALL_VALIDATORS.update(call, place),
    ),
    v1(
        Method::DELETE,
        VALIDATOR,
        202,
        "DeleteRequestValidator",
        |call, place| ALL_VALIDATORS.delete(call, place),
    ),
    v1(Method::POST, MODELS, 201, "CreateModel", create_model),
    v1(Method::GET, MODELS, 200, "GetModels", |call, place| {
        ALL_MODELS.list(call, place)
    }),
    v1(Method::GET, MODEL, 200, "GetModel", |call, place| {
        ALL_MODELS.read(call, place)
    }),
    v1(Method::PATCH, MODEL, 200, "UpdateModel", |call, place| {
        ALL_MODELS.update(call, place)
    }),
    v1(Method::DELETE, MODEL, 202, "DeleteModel", |call, place| {
        ALL_MODELS.delete(call, place)
    }),
    v1(Method::POST, PARTS, 201, "CreateDocumentationPart", create_part),
    v1(Method::GET, PARTS, 200, "GetDocumentationParts", |call, place| {
        ALL_PARTS.list(call, place)
    }),
    v1(Method::GET, PART, 200, "GetDocumentationPart", |call, place| {
        ALL_PARTS.read(call, place)
    }),
    v1(
        Method::DELETE,
        PART,
        202,
        "DeleteDocumentationPart",
        |call, place| ALL_PARTS.delete(call, place),
    ),
];

fn create_validator(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    let given = call.only(&["name", "validateRequestBody", "validateRequestParameters"])?;
    let id = new_id(6);
    let mut made = entity(json!({
        "id": id, "validateRequestBody": false, "validateRequestParameters": false,
    }));
    made.extend(given);
    ALL_VALIDATORS.put(call, place, &id, made)
}

fn create_model(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    let given = call.only(&["name", "description", "schema", "contentType"])?;
    let name = required(&given, "name")?.to_owned();
    if !name.chars().all(|sign| sign.is_ascii_alphanumeric()) {
        return Err(AwsError::bad_request(format!(
            "Model name must be alphanumeric: {name}"
        )));
    }
    if call.rest_api(place)?.definition.models.contains_key(&name) {
        return Err(AwsError::conflict(format!(
            "Model name already exists for this REST API: {name}"
        )));
    }
    let mut made = entity(json!({ "id": new_id(6) }));
    made.extend(given);
    ALL_MODELS.put(call, place, &name, made)
}

fn create_part(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    let given = call.only(&["location", "properties"])?;
    let id = new_id(6);
    let mut made = entity(json!({ "id": id }));
    made.extend(given);
    ALL_PARTS.put(call, place, &id, made)
}
