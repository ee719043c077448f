//! What API Gateway has beside paths and schemas.

use serde_json::{Value, json};

use crate::place::{Definition, Entity, text};
use crate::rest;

/// Adds it to the document.
pub(super) fn extensions(definition: &Definition, document: &mut Entity) {
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
