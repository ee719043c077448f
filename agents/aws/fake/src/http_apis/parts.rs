//! Routes, integrations and authorizers, one by one.

use axum::http::Method;
use serde_json::{Value, json};

use super::{changed, members};
use crate::control::{AwsError, Call, Operation, Page, Reply, page, required, v2};
use crate::place::{Entities, Entity, HttpDefinition, Place, entity, new_id, text};

const ROUTES: &str = "/v2/apis/{apiId}/routes";
const ROUTE: &str = "/v2/apis/{apiId}/routes/{routeId}";
const INTEGRATIONS: &str = "/v2/apis/{apiId}/integrations";
const INTEGRATION: &str = "/v2/apis/{apiId}/integrations/{integrationId}";
const AUTHORIZERS: &str = "/v2/apis/{apiId}/authorizers";
const AUTHORIZER: &str = "/v2/apis/{apiId}/authorizers/{authorizerId}";

pub(super) const OPERATIONS: &[Operation] = &[
    v2(Method::POST, ROUTES, 201, "CreateRoute", create_route),
    v2(Method::GET, ROUTES, 200, "GetRoutes", |call, place| {
        ALL_ROUTES.list(call, place)
    }),
    v2(Method::GET, ROUTE, 200, "GetRoute", |call, place| {
        ALL_ROUTES.read(call, place)
    }),
    v2(Method::PATCH, ROUTE, 200, "UpdateRoute", update_route),
    v2(Method::DELETE, ROUTE, 204, "DeleteRoute", |call, place| {
        ALL_ROUTES.delete(call, place)
    }),
    v2(
        Method::POST,
        INTEGRATIONS,
        201,
        "CreateIntegration",
        create_integration,
    ),
    v2(
        Method::GET,
        INTEGRATIONS,
        200,
        "GetIntegrations",
        |call, place| ALL_INTEGRATIONS.list(call, place),
    ),
    v2(Method::GET, INTEGRATION, 200, "GetIntegration", |call, place| {
        ALL_INTEGRATIONS.read(call, place)
    }),
    v2(
        Method::PATCH,
        INTEGRATION,
        200,
        "UpdateIntegration",
        |call, place| ALL_INTEGRATIONS.update(call, place),
    ),
    v2(
        Method::DELETE,
        INTEGRATION,
        204,
        "DeleteIntegration",
        delete_integration,
    ),
    v2(
        Method::POST,
        AUTHORIZERS,
        201,
        "CreateAuthorizer",
        create_authorizer,
    ),
    v2(Method::GET, AUTHORIZERS, 200, "GetAuthorizers", |call, place| {
        ALL_AUTHORIZERS.list(call, place)
    }),
    v2(Method::GET, AUTHORIZER, 200, "GetAuthorizer", |call, place| {
        ALL_AUTHORIZERS.read(call, place)
    }),
    v2(
        Method::PATCH,
        AUTHORIZER,
        200,
        "UpdateAuthorizer",
        |call, place| ALL_AUTHORIZERS.update(call, place),
    ),
    v2(
        Method::DELETE,
        AUTHORIZER,
        204,
        "DeleteAuthorizer",
        |call, place| ALL_AUTHORIZERS.delete(call, place),
    ),
];

/// A collection of an HTTP API.
struct Collection {
    of: fn(&mut HttpDefinition) -> &mut Entities,
    id: &'static str,
    missing: &'static str,
    given: &'static [&'static str],
}

const ALL_ROUTES: Collection = Collection {
    of: |definition| &mut definition.routes,
    id: "routeId",
    missing: "Unable to find Route by key",
    given: &[
        "routeKey",
        "target",
        "apiKeyRequired",
        "authorizationType",
        "authorizerId",
        "authorizationScopes",
        "operationName",
        "requestParameters",
        "requestModels",
        "modelSelectionExpression",
        "routeResponseSelectionExpression",
    ],
};

const ALL_INTEGRATIONS: Collection = Collection {
    of: |definition| &mut definition.integrations,
    id: "integrationId",
    missing: "Unable to find Integration",
    given: &[
        "integrationType",
        "integrationMethod",
        "integrationUri",
        "integrationSubtype",
        "connectionType",
        "connectionId",
        "contentHandlingStrategy",
        "credentialsArn",
        "description",
        "passthroughBehavior",
        "payloadFormatVersion",
        "requestParameters",
        "requestTemplates",
        "responseParameters",
        "templateSelectionExpression",
        "timeoutInMillis",
        "tlsConfig",
    ],
};

const ALL_AUTHORIZERS: Collection = Collection {
    of: |definition| &mut definition.authorizers,
    id: "authorizerId",
    missing: "Unable to find Authorizer",
    given: &[
        "name",
        "authorizerType",
        "authorizerUri",
        "authorizerCredentialsArn",
        "authorizerPayloadFormatVersion",
        "authorizerResultTtlInSeconds",
        "enableSimpleResponses",
        "identitySource",
        "identityValidationExpression",
        "jwtConfiguration",
    ],
};

impl Collection {
    fn list(&self, call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
        let all = (self.of)(&mut call.http_api(place)?.definition);
        page(call, Page::HTTP, all, Clone::clone)
    }

    fn found<'p>(&self, call: &Call<'_>, place: &'p mut Place) -> Result<&'p mut Entity, AwsError> {
        let all = (self.of)(&mut call.http_api(place)?.definition);
        let id = call.label(self.id);
        let missing = || AwsError::not_found(format!("{} {id}", self.missing));
        all.get_mut(id).ok_or_else(missing)
    }

    fn read(&self, call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
        Ok(Reply::of(self.found(call, place)?.clone()))
    }

    fn create(&self, call: &Call<'_>, place: &mut Place, usual: Value) -> Result<Reply, AwsError> {
        let id = new_id(7);
        let mut made = entity(usual);
        made.extend(call.only(self.given)?);
        made.insert(self.id.to_owned(), Value::from(id.as_str()));
        let api = call.http_api(place)?;
        (self.of)(&mut api.definition).insert(id, made.clone());
        changed(call, api);
        Ok(Reply::of(made))
    }

    fn update(&self, call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
        let found = self.found(call, place)?;
        members::merge(call, found, self.given)?;
        let now = found.clone();
        changed(call, call.http_api(place)?);
        Ok(Reply::of(now))
    }

    fn delete(&self, call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
        self.found(call, place)?;
        let api = call.http_api(place)?;
        (self.of)(&mut api.definition).remove(call.label(self.id));
        changed(call, api);
        Ok(Reply::Empty)
    }
}

fn create_route(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    let given = call.members()?;
    let key = required(&given, "routeKey")?;
    let api = call.http_api(place)?;
    let is_http = text(&api.definition.api, "protocolType") == "HTTP";
    refuse_route(&api.definition, key, is_http, None)?;
    refuse_dangling(&api.definition, &given)?;
    if api.definition.routes.len() >= call.routes_per_http_api {
        return Err(too_many_routes());
    }
    ALL_ROUTES.create(
        call,
        place,
        json!({ "apiKeyRequired": false, "authorizationType": "NONE" }),
    )
}

/// The refusal of a route that is one too many.
pub(super) fn too_many_routes() -> AwsError {
    AwsError::too_many(
        "Maximum number of Routes for this API has been reached.  Please contact AWS if you need additional Routes.",
    )
}

fn refuse_route(
    definition: &HttpDefinition,
    key: &str,
    is_http: bool,
    own: Option<&str>,
) -> Result<(), AwsError> {
    if is_http && !is_route_key(key) {
        return Err(AwsError::bad_request(format!(
            "The provided route key is not formatted properly for HTTP protocol. Format should be \"<HTTP METHOD> \
             /<RESOURCE PATH>\" or \"$default\": {key}"
        )));
    }
    let other = |route: &&Entity| text(route, "routeKey") == key && own != Some(text(route, "routeId"));
    match definition.routes.values().find(other) {
        Some(_) => Err(AwsError::conflict(format!(
            "Route with key {key} already exists for this API"
        ))),
        None => Ok(()),
    }
}

/// `GET /pets/{id}` or `$default`.
pub(super) fn is_route_key(key: &str) -> bool {
    const METHODS: [&str; 8] = ["ANY", "GET", "PUT", "POST", "DELETE", "OPTIONS", "HEAD", "PATCH"];
    let split = key.split_once(' ');
    key == "$default"
        || split.is_some_and(|(method, path)| METHODS.contains(&method) && path.starts_with('/'))
}

/// What a route refers to has to be there.
fn refuse_dangling(definition: &HttpDefinition, given: &Entity) -> Result<(), AwsError> {
    let integration = text(given, "target").strip_prefix("integrations/");
    if integration.is_some_and(|id| !definition.integrations.contains_key(id)) {
        return Err(AwsError::bad_request(
            "Invalid integration identifier specified in the target",
        ));
    }
    let authorizer = text(given, "authorizerId");
    if !authorizer.is_empty() && !definition.authorizers.contains_key(authorizer) {
        return Err(AwsError::bad_request("Invalid authorizer identifier specified"));
    }
    Ok(())
}

fn update_route(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    let given = call.members()?;
    ALL_ROUTES.found(call, place)?;
    let api = call.http_api(place)?;
    let is_http = text(&api.definition.api, "protocolType") == "HTTP";
    if let Some(key) = given.get("routeKey").and_then(Value::as_str) {
        refuse_route(&api.definition, key, is_http, Some(call.label("routeId")))?;
    }
    refuse_dangling(&api.definition, &given)?;
    ALL_ROUTES.update(call, place)
}

/// What an integration is unless it says otherwise.
pub(super) fn usual_integration() -> Value {
    json!({ "connectionType": "INTERNET", "payloadFormatVersion": "1.0", "timeoutInMillis": 30_000 })
}

fn create_integration(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    let given = call.members()?;
    let kind = required(&given, "integrationType")?;
    let is_http = text(&call.http_api(place)?.definition.api, "protocolType") == "HTTP";
    if is_http && !["HTTP_PROXY", "AWS_PROXY"].contains(&kind) {
        return Err(AwsError::bad_request(
            "Invalid integration type specified for HTTP protocol. Must be one of: [HTTP_PROXY, AWS_PROXY]",
        ));
    }
    ALL_INTEGRATIONS.create(call, place, usual_integration())
}

/// One that a route leads to stays.
fn delete_integration(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    ALL_INTEGRATIONS.found(call, place)?;
    let target = format!("integrations/{}", call.label("integrationId"));
    let mut routes = call.http_api(place)?.definition.routes.values();
    if let Some(route) = routes.find(|route| text(route, "target") == target) {
        return Err(AwsError::conflict(format!(
            "Cannot delete Integration '{}' as it is referenced by a Route with id '{}'",
            call.label("integrationId"),
            text(route, "routeId")
        )));
    }
    ALL_INTEGRATIONS.delete(call, place)
}

fn create_authorizer(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    let given = call.members()?;
    required(&given, "name")?;
    let kind = required(&given, "authorizerType")?;
    if kind == "JWT" && given.get("jwtConfiguration").is_none() {
        return Err(AwsError::bad_request(
            "JwtConfiguration is required for JWT authorizers",
        ));
    }
    ALL_AUTHORIZERS.create(call, place, json!({}))
}
