//! A stage's snapshot as a document, OpenAPI 3.0 or Swagger 2, with the extensions that are asked for.

use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::models;
use crate::control::partition;
use crate::place::{Definition, Entity, change_object, entity, object, text};
use crate::rest;

/// What is exported, and how.
#[derive(Debug)]
pub(crate) struct Export<'a> {
    pub(crate) definition: &'a Definition,
    pub(crate) stage: &'a str,
    pub(crate) region: &'a str,
    /// Swagger 2, or else OpenAPI 3.0.
    pub(crate) swagger: bool,
    pub(crate) integrations: bool,
    pub(crate) authorizers: bool,
    /// All that is API Gateway's own.
    pub(crate) all: bool,
}

/// The document.
pub(crate) fn export(asked: &Export<'_>) -> Value {
    let mut document = head(asked);
    let mut paths = Map::new();
    for resource in asked.definition.resources.values() {
        let methods = object(resource, "resourceMethods").into_iter().flatten();
        for (name, method) in methods.filter_map(|(name, method)| Some((name, method.as_object()?))) {
            let word = match name.as_str() {
                "ANY" => "x-amazon-apigateway-any-method".to_owned(),
                name => name.to_lowercase(),
            };
            let operation = operation(asked, method);
            change_object(&mut paths, text(resource, "path"), |item| {
                item.insert(word, Value::Object(operation));
            });
        }
    }
    document.insert("paths".to_owned(), Value::Object(paths));
    components(asked, &mut document);
    if asked.all {
        extensions(asked.definition, &mut document);
    }
    Value::Object(document)
}

fn head(asked: &Export<'_>) -> Entity {
    let Export {
        definition,
        stage,
        region,
        ..
    } = asked;
    let api = &definition.api;
    let mut info = entity(json!({ "title": text(api, "name"), "version": version(definition) }));
    if let Some(description) = api.get("description") {
        info.insert("description".to_owned(), description.clone());
    }
    let suffix = if partition(region) == "aws-cn" {
        "amazonaws.com.cn"
    } else {
        "amazonaws.com"
    };
    let host = format!("{}.execute-api.{region}.{suffix}", text(api, "id"));
    if asked.swagger {
        return entity(json!({
            "swagger": "2.0", "info": info, "host": host, "basePath": format!("/{stage}"), "schemes": ["https"],
        }));
    }
    entity(json!({
        "openapi": "3.0.1", "info": info,
        "servers": [{
            "url": format!("https://{host}/{{basePath}}"), "variables": {"basePath": {"default": stage}},
        }],
    }))
}

/// The version of an API; one without is as old as it is.
pub(crate) fn version(definition: &Definition) -> String {
    let said = text(&definition.api, "version");
    if !said.is_empty() {
        return said.to_owned();
    }
    let made = definition.api.get("createdDate").and_then(Value::as_i64);
    let made = made.and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
    made.and_then(|time| time.format(&Rfc3339).ok())
        .unwrap_or_default()
}

fn operation(asked: &Export<'_>, method: &Entity) -> Entity {
    let mut operation = Entity::new();
    if let Some(name) = method.get("operationName") {
        operation.insert("operationId".to_owned(), name.clone());
    }
    let parameters = parameters(asked, method);
    if !parameters.is_empty() {
        operation.insert("parameters".to_owned(), Value::Array(parameters));
    }
    if let Some(models) = object(method, "requestModels").filter(|_| !asked.swagger) {
        let content = json!({ "content": contents(models), "required": true });
        operation.insert("requestBody".to_owned(), content);
    }
    operation.insert("responses".to_owned(), responses(asked, method));
    security(asked, method, &mut operation);
    if asked.all {
        let validators = &asked.definition.request_validators;
        if let Some(validator) = validators.get(text(method, "requestValidatorId")) {
            operation.insert(
                "x-amazon-apigateway-request-validator".to_owned(),
                validator["name"].clone(),
            );
        }
    }
    if let Some(integration) = object(method, "methodIntegration").filter(|_| asked.integrations) {
        operation.insert(
            "x-amazon-apigateway-integration".to_owned(),
            exported(integration),
        );
    }
    operation
}

fn parameters(asked: &Export<'_>, method: &Entity) -> Vec<Value> {
    let all = object(method, "requestParameters").into_iter().flatten();
    let described = all.filter_map(|(name, required)| {
        let (place, name) = name.strip_prefix("method.request.")?.split_once('.')?;
        let place = if place == "querystring" { "query" } else { place };
        let mut parameter = entity(json!({ "name": name, "in": place }));
        if *required == true {
            parameter.insert("required".to_owned(), Value::from(true));
        }
        if asked.swagger {
            parameter.insert("type".to_owned(), Value::from("string"));
        } else {
            parameter.insert("schema".to_owned(), json!({ "type": "string" }));
        }
        Some(Value::Object(parameter))
    });
    let mut described: Vec<Value> = described.collect();
    let models = object(method, "requestModels").filter(|_| asked.swagger);
    if let Some(model) = models
        .and_then(|models| models.values().next())
        .and_then(Value::as_str)
    {
        let schema = json!({ "$ref": format!("#/definitions/{model}") });
        described.push(json!({ "in": "body", "name": model, "required": true, "schema": schema }));
    }
    described
}

fn contents(models: &Entity) -> Value {
    let each = models.iter().map(|(kind, model)| {
        let name = model.as_str().unwrap_or_default();
        let schema = json!({ "schema": {"$ref": format!("#/components/schemas/{name}")} });
        (kind.clone(), schema)
    });
    Value::Object(each.collect())
}

fn responses(asked: &Export<'_>, method: &Entity) -> Value {
    let mut all = Map::new();
    for (status, response) in object(method, "methodResponses").into_iter().flatten() {
        let mut said = entity(json!({ "description": format!("{status} response") }));
        let headers = response.get("responseParameters").and_then(Value::as_object);
        for name in headers.into_iter().flatten().map(|(name, _)| name) {
            let name = name.strip_prefix("method.response.header.").unwrap_or(name);
            let header = match asked.swagger {
                true => json!({ "type": "string" }),
                false => json!({ "schema": {"type": "string"} }),
            };
            change_object(&mut said, "headers", |headers| {
                headers.insert(name.to_owned(), header);
            });
        }
        let models = response.get("responseModels").and_then(Value::as_object);
        if let Some(models) = models.filter(|models| !models.is_empty()) {
            let first = models.values().next().and_then(Value::as_str).unwrap_or_default();
            let (name, value) = match asked.swagger {
                true => ("schema", json!({ "$ref": format!("#/definitions/{first}") })),
                false => ("content", contents(models)),
            };
            said.insert(name.to_owned(), value);
        }
        all.insert(status.clone(), Value::Object(said));
    }
    Value::Object(all)
}

fn security(asked: &Export<'_>, method: &Entity, operation: &mut Entity) {
    let mut requirements = Vec::new();
    if let Some(authorizer) = asked.definition.authorizers.get(text(method, "authorizerId")) {
        let scopes = method
            .get("authorizationScopes")
            .cloned()
            .unwrap_or_else(|| json!([]));
        requirements.push(json!({ text(authorizer, "name"): scopes }));
    }
    if text(method, "authorizationType") == "AWS_IAM" {
        requirements.push(json!({ "sigv4": [] }));
    }
    if method.get("apiKeyRequired") == Some(&Value::Bool(true)) {
        requirements.push(json!({ "api_key": [] }));
    }
    if !requirements.is_empty() {
        operation.insert("security".to_owned(), Value::Array(requirements));
    }
}

/// An integration as in a document: its words are in lower case, its responses by their patterns.
fn exported(integration: &Entity) -> Value {
    let mut said = integration.clone();
    for name in ["type", "passthroughBehavior"] {
        let lower = text(integration, name).to_lowercase();
        said.insert(name.to_owned(), Value::from(lower));
    }
    said.remove("cacheNamespace");
    if integration
        .get("cacheKeyParameters")
        .and_then(Value::as_array)
        .is_some_and(Vec::is_empty)
    {
        said.remove("cacheKeyParameters");
    }
    if integration.get("timeoutInMillis").and_then(Value::as_i64) == Some(29_000) {
        said.remove("timeoutInMillis");
    }
    if let Some(Value::Object(responses)) = said.remove("integrationResponses") {
        let each = responses.into_iter().map(|(_, response)| {
            let mut response = entity(response);
            let pattern = response.remove("selectionPattern");
            let pattern = pattern.as_ref().and_then(Value::as_str).unwrap_or("default");
            (pattern.to_owned(), Value::Object(response))
        });
        said.insert("responses".to_owned(), Value::Object(each.collect()));
    }
    Value::Object(said)
}

fn components(asked: &Export<'_>, document: &mut Entity) {
    let place = if asked.swagger {
        "#/definitions/"
    } else {
        "#/components/schemas/"
    };
    let schemas = asked.definition.models.iter();
    let schemas: Entity = schemas
        .map(|(name, model)| (name.clone(), models::schema(text(model, "schema"), place)))
        .collect();
    let schemes = security_schemes(asked);
    if asked.swagger {
        for (name, value) in [("definitions", schemas), ("securityDefinitions", schemes)] {
            if !value.is_empty() {
                document.insert(name.to_owned(), Value::Object(value));
            }
        }
        return;
    }
    change_object(document, "components", |components| {
        for (name, value) in [("schemas", schemas), ("securitySchemes", schemes)] {
            if !value.is_empty() {
                components.insert(name.to_owned(), Value::Object(value));
            }
        }
    });
}

fn security_schemes(asked: &Export<'_>) -> Entity {
    let mut schemes = Entity::new();
    let methods = || {
        asked
            .definition
            .resources
            .values()
            .flat_map(|resource| object(resource, "resourceMethods").into_iter().flatten())
    };
    let key = |name: &str| entity(json!({ "type": "apiKey", "name": name, "in": "header" }));
    if methods().any(|(_, method)| method["apiKeyRequired"] == true) {
        schemes.insert("api_key".to_owned(), Value::Object(key("x-api-key")));
    }
    if methods().any(|(_, method)| method["authorizationType"] == "AWS_IAM") {
        let mut scheme = key("Authorization");
        scheme.insert("x-amazon-apigateway-authtype".to_owned(), Value::from("awsSigv4"));
        schemes.insert("sigv4".to_owned(), Value::Object(scheme));
    }
    for authorizer in asked.definition.authorizers.values() {
        let source = text(authorizer, "identitySource");
        let header = source
            .strip_prefix("method.request.header.")
            .filter(|name| !name.contains(','));
        let mut scheme = key(header.unwrap_or("Unused"));
        if asked.authorizers {
            scheme.insert(
                "x-amazon-apigateway-authtype".to_owned(),
                authorizer["authType"].clone(),
            );
            scheme.insert(
                "x-amazon-apigateway-authorizer".to_owned(),
                exported_authorizer(authorizer),
            );
        }
        schemes.insert(text(authorizer, "name").to_owned(), Value::Object(scheme));
    }
    schemes
}

fn exported_authorizer(authorizer: &Entity) -> Value {
    let mut said = authorizer.clone();
    for name in ["id", "name", "authType"] {
        said.remove(name);
    }
    if text(authorizer, "type") != "REQUEST" {
        said.remove("identitySource");
    }
    let lower = text(authorizer, "type").to_lowercase();
    said.insert("type".to_owned(), Value::from(lower));
    Value::Object(said)
}

/// What API Gateway has beside paths and schemas.
fn extensions(definition: &Definition, document: &mut Entity) {
    let api = &definition.api;
    let mut add = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            document.insert(format!("x-amazon-apigateway-{name}"), value);
        }
    };
    add(
        "policy",
        api.get("policy")
            .and_then(Value::as_str)
            .and_then(rest::policy_document),
    );
    add("binary-media-types", api.get("binaryMediaTypes").cloned());
    add(
        "minimum-compression-size",
        api.get("minimumCompressionSize").cloned(),
    );
    let source = text(api, "apiKeySource");
    add(
        "api-key-source",
        (source != "HEADER").then(|| Value::from(source)),
    );
    let responses = definition.gateway_responses.iter().map(|(kind, response)| {
        let mut response = response.clone();
        response.remove("responseType");
        response.remove("defaultResponse");
        (kind.clone(), Value::Object(response))
    });
    let responses: Entity = responses.collect();
    add(
        "gateway-responses",
        (!responses.is_empty()).then_some(Value::Object(responses)),
    );
    let validators = definition.request_validators.values().map(|one| {
        let flags = json!({
            "validateRequestParameters": one["validateRequestParameters"], "validateRequestBody": one["validateRequestBody"],
        });
        (text(one, "name").to_owned(), flags)
    });
    let validators: Entity = validators.collect();
    add(
        "request-validators",
        (!validators.is_empty()).then_some(Value::Object(validators)),
    );
}
