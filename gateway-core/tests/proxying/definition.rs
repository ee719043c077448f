//! Requests that are held against the API's definition.

use gatehouse_gateway_core::ApiConfig;
use gatehouse_schemas::{canonical::Fingerprint, openapi, revision};
use serde_json::{Value, json};

use crate::support::{api, document, echo, gateway, get, raw, status};

/// An API of a definition, as a control plane makes it.
async fn of_definition(document: Value, fields: Value) -> ApiConfig {
    let mut config = api("a", echo().await, json!({}));
    let definition = openapi::read(&document).expect("OpenAPI");
    let fingerprint = Fingerprint::of_value(&definition.canonical);
    let mut spec = serde_json::to_value(revision::to_spec(&config.content)).expect("a spec");
    spec["definition"] = json!({"openapi": {"fingerprint": fingerprint}});
    for (field, value) in fields.as_object().expect("fields") {
        spec[field] = value.clone();
    }
    let spec = serde_json::from_value(spec).expect("a spec");
    let name = "a".parse().expect("a name");
    config.content = revision::build(&name, &spec, Some((&fingerprint, &definition))).expect("a revision");
    config
}

fn orders() -> Value {
    json!({
        "openapi": "3.0.3", "info": {"title": "Orders", "version": "1"},
        "paths": {
            "/orders": {
                "get": {"parameters": [{"name": "limit", "in": "query", "schema": {"type": "integer", "maximum": 100}}]},
                "post": {"requestBody": {"required": true, "content": {
                    "application/json": {"schema": {"$ref": "#/components/schemas/Order"}},
                    "text/csv": {"schema": {"type": "string"}},
                }}},
            },
            "/orders/{id}": {"get": {"parameters": [{"name": "id", "in": "path", "required": true, "schema": {"type": "integer"}}]}},
        },
        "components": {"schemas": {"Order": {"type": "object", "required": ["items"], "properties": {
            "items": {"type": "array", "items": {"type": "object", "properties": {"id": {"type": "integer"}}}}}}}},
    })
}

fn validate() -> Value {
    json!({"policies": [{"type": "request.validate", "with": {"definition": ["parameters", "body"]}}]})
}

fn post(path: &str, kind: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

#[tokio::test]
async fn each_operation_takes_what_the_definition_says_of_it() {
    let gateway = gateway().await;
    let config = of_definition(orders(), validate()).await;
    gateway.put_api(config).await.expect("applied");
    assert_eq!(status(&get(&gateway, "/a/orders?limit=100").await), 200);
    assert_eq!(status(&get(&gateway, "/a/orders/17").await), 200);
    let refused = get(&gateway, "/a/orders?limit=1000").await;
    assert_eq!(status(&refused), 400);
    let problem = document(&refused);
    assert_eq!(
        problem["type"],
        "https://gatehouse.dev/problems/gateway/bad-request"
    );
    assert_eq!(
        problem["errors"],
        json!([{"location": "/query/limit", "detail": "it is greater than the maximum of 100"}])
    );
    let refused = document(&get(&gateway, "/a/orders/x").await);
    assert_eq!(refused["errors"][0]["location"], "/path/id");
}

#[tokio::test]
async fn bodies_are_looked_into_by_their_type() {
    let gateway = gateway().await;
    let mut fields = validate();
    fields["operations"] = json!([{"match": {"method": "POST", "path": "/orders"},
        "policies": [{"type": "request.size", "with": {"maxBytes": 1000}}]}]);
    let config = of_definition(orders(), fields).await;
    gateway.put_api(config).await.expect("applied");
    let order = async |kind: &str, body: &str| raw(&gateway, &post("/a/orders", kind, body)).await;
    let taken = order("application/json", r#"{"items": [{"id": 1}]}"#).await;
    assert_eq!(document(&taken)["body"], r#"{"items": [{"id": 1}]}"#);
    assert_eq!(status(&order("text/csv", "1;2").await), 200);
    assert_eq!(status(&order("text/xml", "<a/>").await), 415);
    let refused = order("application/json", r#"{"items": [{"id": 1}, {"id": "98765"}]}"#).await;
    assert_eq!(status(&refused), 400);
    assert!(!refused.contains("98765"), "{refused}");
    assert_eq!(
        document(&refused)["errors"],
        json!([{"location": "/body/items/1/id", "pointer": "#/items/1/id", "detail": "it is not of type \"integer\""}])
    );
    let large = format!(r#"{{"items": [{}1]}}"#, "1,".repeat(2_000));
    assert_eq!(status(&order("application/json", &large).await), 413);
    let missing = raw(
        &gateway,
        "POST /a/orders HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
    );
    assert_eq!(document(&missing.await)["errors"][0]["location"], "/body");
}

#[tokio::test]
async fn the_policy_of_one_operation_leaves_the_others_alone() {
    let gateway = gateway().await;
    let operations = json!({"operations": [{"match": {"method": "GET", "path": "/orders/{number}"},
        "policies": validate()["policies"]}]});
    let config = of_definition(orders(), operations).await;
    gateway.put_api(config).await.expect("applied");
    assert_eq!(status(&get(&gateway, "/a/orders?limit=1000").await), 200);
    assert_eq!(status(&get(&gateway, "/a/orders/x").await), 400);
}

#[tokio::test]
async fn an_api_whose_definition_was_not_expanded_is_not_served() {
    let gateway = gateway().await;
    let mut config = of_definition(orders(), validate()).await;
    config.content.policies = config
        .content
        .policies
        .iter()
        .map(gatehouse_schemas::policy::Policy::as_written)
        .collect();
    let refused = gateway.put_api(config).await.expect_err("it is not enforced");
    assert!(refused.to_string().contains("apply the API again"), "{refused}");
    assert_eq!(status(&get(&gateway, "/a/orders").await), 404);
}

/// Validators go as deep as the body and the schema together, on the stack of the worker that carries everybody's requests.
#[tokio::test]
async fn the_deepest_body_against_the_longest_schema_does_no_harm() {
    let gateway = gateway().await;
    let mut schemas = serde_json::Map::new();
    for number in 0..15 {
        let next = json!({"$ref": format!("#/components/schemas/S{}", number + 1)});
        schemas.insert(format!("S{number}"), json!({"anyOf": [next]}));
    }
    schemas.insert(
        "S15".to_owned(),
        json!({"type": "object", "properties": {"a": {"$ref": "#/components/schemas/S0"}}}),
    );
    let definition = json!({
        "openapi": "3.0.3", "info": {"title": "T", "version": "1"},
        "paths": {"/a": {"post": {"requestBody": {"content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/S0"}}}}}}},
        "components": {"schemas": schemas},
    });
    gateway
        .put_api(of_definition(definition, validate()).await)
        .await
        .expect("applied");
    for (inner, expected) in [("{}", 200), ("1", 400)] {
        let body = format!("{}{inner}{}", "{\"a\": ".repeat(125), "}".repeat(125));
        let answer = raw(&gateway, &post("/a/a", "application/json", &body)).await;
        assert_eq!(status(&answer), expected, "{answer}");
    }
}

/// A large description from those that people really use, if it is there.
#[tokio::test]
async fn a_description_of_a_thousand_operations_is_served() {
    let folder = std::env::var_os("GATEHOUSE_SHARED").map_or_else(
        || std::path::PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared")),
        std::path::PathBuf::from,
    );
    let path = folder.join("data/openapi/netbox.dev.json");
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("SKIPPED: {} is not there", path.display());
        return;
    };
    let gateway = gateway().await;
    let config = of_definition(openapi::parse(&text).expect("JSON"), validate()).await;
    let operations = config.content.operations.len();
    let began = std::time::Instant::now();
    gateway.put_api(config).await.expect("applied");
    println!("{operations} operations were compiled in {:?}", began.elapsed());
    assert_eq!(status(&get(&gateway, "/a/dcim/sites/?limit=10").await), 200);
    let refused = get(&gateway, "/a/dcim/sites/?limit=ten").await;
    assert_eq!(document(&refused)["errors"][0]["location"], "/query/limit");
}

#[tokio::test]
async fn callers_get_the_examples_of_the_definition() {
    let gateway = gateway().await;
    let document = json!({
        "openapi": "3.1.0", "info": {"title": "Orders", "version": "1"},
        "paths": {
            "/orders/{id}": {"get": {"responses": {
                "200": {"content": {"application/json": {"examples": {"small": {"value": {"id": 1}}, "large": {"value": {"id": 2}}}}}},
                "404": {"content": {"application/problem+json": {"example": {"title": "Gone"}}}},
            }}},
            "/orders": {"post": {"responses": {"204": {"description": "Done."}}}},
        },
    });
    let fields =
        json!({"policies": [{"type": "respond", "with": {"example": {}, "headers": {"X-Mock": "yes"}}}]});
    gateway
        .put_api(of_definition(document, fields).await)
        .await
        .expect("applied");
    let usual = get(&gateway, "/a/orders/7").await;
    assert_eq!(status(&usual), 200);
    assert!(
        usual.contains("x-mock: yes") && usual.contains("vary: accept, prefer"),
        "{usual}"
    );
    // The first one by name.
    assert_eq!(self::document(&usual), json!({"id": 2}));
    let prefer = async |prefer: &str| {
        let request =
            format!("GET /a/orders/7 HTTP/1.1\r\nHost: a\r\nConnection: close\r\nPrefer: {prefer}\r\n\r\n");
        raw(&gateway, &request).await
    };
    assert_eq!(self::document(&prefer("example=small").await), json!({"id": 1}));
    let gone = prefer("code=404").await;
    assert_eq!(status(&gone), 404);
    assert!(gone.contains("content-type: application/problem+json"), "{gone}");
    assert_eq!(status(&prefer("code=418").await), 400);
    let posted = raw(
        &gateway,
        "POST /a/orders HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
    );
    assert_eq!(status(&posted.await), 204);
}
