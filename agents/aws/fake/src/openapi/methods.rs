//! An operation of a document becomes a method of a resource.

use serde_json::{Value, json};

use super::import::Import;
use super::{authorizers, integration, models};
use crate::place::{Entity, change_object, entity, text};

/// The method that an operation becomes; none if it cannot become one, and the import says why.
pub(super) fn method(
    import: &mut Import<'_>,
    path: &str,
    item: &Value,
    name: &str,
    operation: &Value,
) -> Option<Entity> {
    let at = format!("'{name}' for resource at path '{path}'");
    let mut method = entity(json!({
        "httpMethod": name, "authorizationType": "NONE", "apiKeyRequired": false,
    }));
    if let Some(id) = operation.get("operationId").filter(|id| id.is_string()) {
        method.insert("operationName".to_owned(), id.clone());
    }
    parameters(import, item, operation, &mut method);
    request_models(import, operation, &mut method);
    responses(import, operation, &mut method);
    validator(import, &at, operation, &mut method);
    authorizers::secure(import, &at, operation, &mut method);
    if let Some(said) = operation.get("x-amazon-apigateway-integration") {
        let said = import.document.resolved(said).clone();
        match integration::integration(&said, &method) {
            Ok(made) => {
                method.insert("methodIntegration".to_owned(), Value::Object(made));
            }
            Err(why) => {
                import
                    .errors
                    .push(format!("Unable to put integration on {at}: {why}"));
                return None;
            }
        }
    }
    Some(method)
}

fn parameters(import: &Import<'_>, item: &Value, operation: &Value, method: &mut Entity) {
    let of = |value: &Value| value.get("parameters").and_then(Value::as_array).cloned();
    let all = [of(item), of(operation)].into_iter().flatten().flatten();
    let mut named = Entity::new();
    for parameter in all {
        let parameter = import.document.resolved(&parameter);
        let place = match parameter["in"].as_str() {
            Some("path") => "path",
            Some("query") => "querystring",
            Some("header") => "header",
            _ => continue,
        };
        let Some(name) = parameter["name"].as_str() else {
            continue;
        };
        let required = place == "path" || parameter["required"] == true;
        named.insert(format!("method.request.{place}.{name}"), Value::from(required));
    }
    if !named.is_empty() {
        method.insert("requestParameters".to_owned(), Value::Object(named));
    }
}

fn request_models(import: &mut Import<'_>, operation: &Value, method: &mut Entity) {
    let Some(body) = operation.get("requestBody") else {
        return;
    };
    let body = import.document.resolved(body).clone();
    if let Some(named) = named_models(import, body.get("content")) {
        method.insert("requestModels".to_owned(), named);
    }
}

/// The models of contents: `{"application/json": "Pet"}`.
fn named_models(import: &mut Import<'_>, content: Option<&Value>) -> Option<Value> {
    let content = content?.as_object()?;
    let mut named = Entity::new();
    for (kind, said) in content {
        if let Some(schema) = said.get("schema") {
            let name = models::name_of(import, schema);
            named.insert(kind.clone(), Value::from(name));
        }
    }
    (!named.is_empty()).then_some(Value::Object(named))
}

/// The responses with a status; one for all others is nothing that a method can have.
fn responses(import: &mut Import<'_>, operation: &Value, method: &mut Entity) {
    let Some(all) = operation.get("responses").and_then(Value::as_object) else {
        return;
    };
    for (status, said) in all {
        if status.parse::<u16>().is_err() {
            continue;
        }
        let said = import.document.resolved(said).clone();
        let mut response = entity(json!({ "statusCode": status }));
        if let Some(named) = named_models(import, said.get("content")) {
            response.insert("responseModels".to_owned(), named);
        }
        for name in said
            .get("headers")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .map(|(name, _)| name)
        {
            change_object(&mut response, "responseParameters", |all| {
                all.insert(format!("method.response.header.{name}"), Value::from(false));
            });
        }
        change_object(method, "methodResponses", |all| {
            all.insert(status.clone(), Value::Object(response));
        });
    }
}

fn validator(import: &mut Import<'_>, at: &str, operation: &Value, method: &mut Entity) {
    const NAME: &str = "x-amazon-apigateway-request-validator";
    let said = operation.get(NAME).or_else(|| import.document.get(NAME));
    let Some(name) = said.and_then(Value::as_str) else {
        return;
    };
    let mut all = import.definition.request_validators.values();
    match all.find(|one| text(one, "name") == name) {
        Some(found) => {
            method.insert("requestValidatorId".to_owned(), found["id"].clone());
        }
        None => import.errors.push(format!(
            "Unable to put method {at}: Invalid Request Validator identifier specified: {name}"
        )),
    }
}
