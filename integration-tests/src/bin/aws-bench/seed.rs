//! What the account has: REST APIs that others made.

use serde_json::{Map, Value, json};

/// A REST API with operations of four kinds, each with a parameter or a limit of the body's size.
pub(crate) fn document(api: usize, operations: usize) -> Value {
    let name = format!("api-{api:05}");
    let mut paths = Map::new();
    for number in 0..operations {
        let method = ["get", "post", "put", "delete"][number % 4];
        let path = format!("/things-{}/{{id}}", number / 4);
        let integration = json!({
            "type": "http_proxy", "httpMethod": method.to_uppercase(),
            "uri": format!("https://{name}.internal{path}"), "passthroughBehavior": "when_no_match",
            "requestParameters": {"integration.request.path.id": "method.request.path.id"},
        });
        paths.entry(path).or_insert_with(|| json!({}))[method] = json!({
            "parameters": [{"name": "id", "in": "path", "required": true, "schema": {"type": "string"}}],
            "responses": {"200": {"description": "It"}},
            "x-amazon-apigateway-integration": integration,
        });
    }
    json!({"openapi": "3.0.1", "info": {"title": name, "version": "1"}, "paths": paths})
}
