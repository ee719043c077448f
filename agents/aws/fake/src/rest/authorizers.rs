//! Authorizers, one by one.

use axum::http::Method;
use serde_json::{Value, json};

use super::collection::{Collection, Kind};
use crate::control::{AwsError, Call, Operation, Reply, required, v1};
use crate::place::{Place, entity, new_id, object, text};

const LIST: &str = "/restapis/{restapi_id}/authorizers";
const ONE: &str = "/restapis/{restapi_id}/authorizers/{authorizer_id}";

const ALL: Collection = Collection {
    of: |definition| &mut definition.authorizers,
    label: "authorizer_id",
    missing: "Invalid Authorizer identifier specified",
    changeable: &[
        ("name", Kind::Text),
        ("authorizerUri", Kind::Text),
        ("authorizerCredentials", Kind::Text),
        ("identitySource", Kind::Text),
        ("identityValidationExpression", Kind::Text),
        ("authorizerResultTtlInSeconds", Kind::Integer),
    ],
};

pub(super) const OPERATIONS: &[Operation] = &[
    v1(Method::POST, LIST, 201, "CreateAuthorizer", create),
    v1(Method::GET, LIST, 200, "GetAuthorizers", |call, place| {
        ALL.list(call, place)
    }),
    v1(Method::GET, ONE, 200, "GetAuthorizer", |call, place| {
        ALL.read(call, place)
    }),
    v1(Method::PATCH, ONE, 200, "UpdateAuthorizer", |call, place| {
        ALL.update(call, place)
    }),
    v1(Method::DELETE, ONE, 202, "DeleteAuthorizer", delete),
];

const GIVEN: &[&str] = &[
    "name",
    "type",
    "providerARNs",
    "authType",
    "authorizerUri",
    "authorizerCredentials",
    "identitySource",
    "identityValidationExpression",
    "authorizerResultTtlInSeconds",
];

fn create(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    let given = call.only(GIVEN)?;
    let name = required(&given, "name")?;
    let kind = required(&given, "type")?;
    if !["TOKEN", "REQUEST", "COGNITO_USER_POOLS"].contains(&kind) {
        return Err(AwsError::bad_request("Invalid authorizer type specified"));
    }
    let mut known = call.rest_api(place)?.definition.authorizers.values();
    if known.any(|one| text(one, "name") == name) {
        return Err(AwsError::bad_request("Authorizer name must be unique"));
    }
    let id = new_id(6);
    let authtype = if kind == "COGNITO_USER_POOLS" {
        "cognito_user_pools"
    } else {
        "custom"
    };
    let mut made = entity(json!({ "id": id, "authType": authtype }));
    if kind != "COGNITO_USER_POOLS" {
        made.insert("authorizerResultTtlInSeconds".to_owned(), Value::from(300));
    }
    made.extend(given);
    ALL.put(call, place, &id, made)
}

/// One that a method uses stays.
fn delete(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    ALL.found(call, place)?;
    let id = call.label("authorizer_id");
    let resources = call.rest_api(place)?.definition.resources.values();
    let mut methods =
        resources.flat_map(|resource| object(resource, "resourceMethods").into_iter().flatten());
    if methods.any(|(_, method)| method["authorizerId"] == id) {
        return Err(AwsError::conflict(format!(
            "Cannot delete authorizer '{id}', is referenced in method"
        )));
    }
    ALL.delete(call, place)
}
