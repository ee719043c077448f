//! Documents that tests import.

use serde_json::{Map, Value, json};

/// A document with these operations.
pub(crate) fn document(title: &str, operations: &[(&str, &str, Value)]) -> Value {
    let mut paths = Map::new();
    for (path, method, operation) in operations {
        let item = paths.entry((*path).to_owned()).or_insert_with(|| json!({}));
        item[*method] = operation.clone();
    }
    json!({ "openapi": "3.0.1", "info": {"title": title, "version": "1.0"}, "paths": paths })
}

/// An operation that passes on to an upstream; the variables of its path are mapped.
pub(crate) fn proxied(method: &str, uri: &str, variables: &[&str]) -> Value {
    let parameters = variables
        .iter()
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": {"type": "string"} }));
    let mapped = variables.iter().map(|name| {
        (
            format!("integration.request.path.{name}"),
            Value::from(format!("method.request.path.{name}")),
        )
    });
    json!({
        "parameters": parameters.collect::<Vec<_>>(),
        "responses": {"200": {"description": "Fine"}},
        "x-amazon-apigateway-integration": {
            "type": "http_proxy", "httpMethod": method, "uri": uri, "passthroughBehavior": "when_no_match",
            "requestParameters": mapped.collect::<Map<_, _>>(),
        },
    })
}

/// A list of pets, and one of them.
pub(crate) fn pets(upstream: &str) -> Value {
    document(
        "Pets",
        &[
            ("/pets", "get", proxied("GET", &format!("{upstream}/pets"), &[])),
            (
                "/pets/{id}",
                "get",
                proxied("GET", &format!("{upstream}/pets/{{id}}"), &["id"]),
            ),
        ],
    )
}
