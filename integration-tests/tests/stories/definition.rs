//! An API held to its OpenAPI document: what the document says is refused at the gateway, and its examples are answered
//! before there is an upstream.

use gatehouse_integration_tests::{database::Database, stack::Stack, upstream::Upstream};
use serde_json::{Value, json};

super::on_both_databases! {
    callers_are_held_to_the_definition_that_was_applied
}

/// An API and its document; where it is a mock, there is nobody behind it.
fn files(stack: &Stack, upstream: &str, mocked: bool, schema: &str) {
    let definition = json!({
        "openapi": "3.1.0",
        "info": {"title": "Orders", "version": "1"},
        "paths": {
            "/orders": {"get": {
                "parameters": [{"name": "limit", "in": "query", "schema": {"$ref": format!("#/components/schemas/{schema}")}}],
                "responses": {"200": {"description": "All", "content": {"application/json": {"example": [{"id": 7}]}}}},
            }, "post": {
                "requestBody": {"required": true, "content": {"application/json": {"schema": {
                    "type": "object", "required": ["sku"], "properties": {"sku": {"type": "string"}},
                }}}},
                "responses": {"201": {"description": "Made", "content": {"application/json": {"example": {"id": 8}}}}},
            }},
        },
        "components": {"schemas": {"Limit": {"type": "integer", "maximum": 10}}},
    });
    stack.cli.write("orders.json", &definition.to_string());
    let mock = match mocked {
        true => "    - {type: respond, with: {example: {}}}\n",
        false => "",
    };
    stack.cli.write(
        "orders.yaml",
        &format!(
            "apiVersion: gatehouse.dev/v1\nkind: Api\nmetadata: {{name: orders}}\nspec:\n  basePath: /shop\n  \
             definition: {{openapi: {{file: orders.json}}}}\n  upstreams: {{main: {{url: \"{upstream}\"}}}}\n  policies:\n    \
             - {{type: request.validate, with: {{definition: [parameters, contentType, body]}}}}\n{mock}"
        ),
    );
}

async fn ask(stack: &Stack, query: &str) -> (u16, Value) {
    let answer = stack.gateway.call(&format!("/shop/orders{query}")).await;
    (answer.status().as_u16(), answer.json().await.unwrap())
}

async fn order(stack: &Stack, body: Value) -> (u16, Value) {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = stack.gateway.url("/shop/orders");
    let answer = http.post(url).json(&body).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

async fn callers_are_held_to_the_definition_that_was_applied(database: Database) {
    let stack = Stack::start(database).await;
    // Nobody listens there.
    files(&stack, "http://127.0.0.1:9", true, "Limit");
    stack.cli.ok("apply -f orders.yaml").await;
    stack.cli.ok("deploy orders --to local --wait").await;
    assert_eq!(ask(&stack, "?limit=10").await, (200, json!([{"id": 7}])));
    assert_eq!(order(&stack, json!({"sku": "a"})).await, (201, json!({"id": 8})));
    let (status, problem) = ask(&stack, "?limit=11").await;
    assert_eq!(
        (status, &problem["errors"][0]["location"]),
        (400, &json!("/query/limit"))
    );

    // A definition that refers to nothing is refused as a whole.
    files(&stack, "http://127.0.0.1:9", false, "Gone");
    let refused = stack.cli.run(["apply", "-f", "orders.yaml"]).await.expect_code(3);
    assert!(
        refused.stderr.contains("/components/schemas/Gone"),
        "{}",
        refused.stderr
    );
    assert_eq!(ask(&stack, "").await, (200, json!([{"id": 7}])));

    let upstream = Upstream::start("orders").await;
    files(&stack, &upstream.url(), false, "Limit");
    stack.cli.ok("apply -f orders.yaml").await;
    stack.cli.ok("deploy orders --to local --wait").await;
    let (status, told) = ask(&stack, "?limit=10").await;
    assert_eq!((status, &told["query"]), (200, &json!("limit=10")));
    let before = upstream.requests();
    let (status, problem) = order(&stack, json!({"sku": 1})).await;
    assert_eq!(
        (status, &problem["errors"][0]["location"]),
        (400, &json!("/body/sku"))
    );
    assert_eq!(upstream.requests(), before);
}
