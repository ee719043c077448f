//! A method as an operation of the document.

use serde_json::{Map, Value, json};

use super::Export;
use crate::place::{Entity, change_object, entity, object, text};

/// The operation.
pub(super) fn operation(asked: &Export<'_>, method: &Entity) -> Entity {
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
