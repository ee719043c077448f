//! What holds for the API and its stage as a whole.

use expect_test::{Expect, expect};
use serde_json::{Map, Value, json};

use super::aws::{http, over, proxied, rest, told};
use crate::read::{Mapping, Snapshot, read};

fn check(snapshot: &Snapshot, expected: Expect) {
    expected.assert_eq(&told(snapshot));
}

fn fields(value: Value) -> Map<String, Value> {
    serde_json::from_value(value).unwrap()
}

fn one() -> Snapshot {
    rest(json!({"/a": {"get": proxied("https://orders.internal/a")}}))
}

/// An OPTIONS method as the console makes it.
fn preflight(origin: &str, methods: &str, more: Value) -> Value {
    let headers = json!({
        "method.response.header.Access-Control-Allow-Origin": format!("'{origin}'"),
        "method.response.header.Access-Control-Allow-Methods": format!("'{methods}'"),
        "method.response.header.Access-Control-Allow-Headers": "'Content-Type,Authorization'",
    });
    json!({
        "responses": {"200": {"description": "200 response"}},
        "x-amazon-apigateway-integration": {
            "type": "mock", "passthroughBehavior": "when_no_match",
            "requestTemplates": {"application/json": "{\"statusCode\": 200}"},
            "responses": {"default": {"statusCode": "200", "responseParameters": over(headers, more)}},
        },
    })
}

#[test]
fn methods_that_answer_preflights_are_a_policy() {
    let (a, b) = (
        proxied("https://orders.internal/a"),
        proxied("https://orders.internal/b"),
    );
    let site = "https://shop.example.com";
    check(
        &rest(json!({
            "/a": {"get": a, "options": preflight(site, "GET,OPTIONS", json!({}))},
            "/b": {"post": b, "options": preflight(site, "OPTIONS,POST", json!({}))},
        })),
        expect![[r#"
            /orders -> main=https://orders.internal (29000 ms)
            {"type":"cors","with":{"allowCredentials":false,"allowHeaders":["authorization","content-type"],"allowOrigins":["https://shop.example.com"]}}
            GET /a
            POST /b
            note: API Gateway answers preflights alone: what other answers say to scripts is up to the upstream"#]],
    );
    let age = json!({"method.response.header.Access-Control-Max-Age": "'600'"});
    check(
        &rest(json!({"/a": {"get": a, "options": preflight("*", "GET,PUT", age)}, "/b": {"post": b}})),
        expect![[r#"
            /orders -> main=https://orders.internal (29000 ms)
            GET /a
              {"type":"cors","with":{"allowCredentials":false,"allowHeaders":["authorization","content-type"],"allowMethods":["GET","PUT"],"allowOrigins":["*"],"maxAgeSeconds":600}}
            POST /b
            note: API Gateway answers preflights alone: what other answers say to scripts is up to the upstream"#]],
    );
    let credentials = json!({"method.response.header.Access-Control-Allow-Credentials": "'true'"});
    check(
        &rest(json!({"/a": {"get": a, "options": preflight("*", "GET", credentials)}})),
        expect![[r#"
        /orders -> main=https://orders.internal (29000 ms)
        GET /a
        OPTIONS /a
          {"type":"respond","with":{"headers":{"access-control-allow-credentials":"true","access-control-allow-headers":"Content-Type,Authorization","access-control-allow-methods":"GET","access-control-allow-origin":"*"},"status":200}}
        note: OPTIONS /a: its answer to preflights is no `cors` policy: it lets every site act for its visitors (credentials for every origin)"#]],
    );
}

#[test]
fn settings_for_other_origins_of_http_apis_are_a_policy() {
    let mut snapshot = http(json!({"/a": {"get": proxied("https://orders.internal/a")}}));
    snapshot.cors = Some(json!({
        "allowOrigins": ["https://shop.example.com"], "allowMethods": ["*"], "allowHeaders": ["x-tenant"],
        "exposeHeaders": ["etag"], "allowCredentials": true, "maxAge": 300,
    }));
    check(
        &snapshot,
        expect![[r#"
        /orders -> main=https://orders.internal (30000 ms)
        {"type":"cors","with":{"allowCredentials":true,"allowHeaders":["x-tenant"],"allowOrigins":["https://shop.example.com"],"exposeHeaders":["etag"],"maxAgeSeconds":300}}
        GET /a"#]],
    );
    snapshot.cors = Some(json!({"allowOrigins": ["null"]}));
    check(
        &snapshot,
        expect![[r#"
        /orders -> main=https://orders.internal (30000 ms)
        {"type":"native","with":{"config":{"cors":{"allowOrigins":["null"]}},"gatewayType":"aws"}}
        GET /a
        note: its settings for other origins are kept as a `native` policy: origin `null` is neither an exact one nor all of a domain"#]],
    );
}

#[test]
fn what_only_aws_has_is_kept() {
    let mut snapshot = one();
    snapshot.settings = fields(json!({"binaryMediaTypes": ["image/png"], "minimumCompressionSize": 1024}));
    snapshot.stage.settings = fields(json!({
        "canarySettings": {"percentTraffic": 10.0, "deploymentId": "d2"},
        "accessLogSettings": {"destinationArn": "arn:aws:logs:eu-west-1:123456789012:log-group:x", "format": "$context.requestId"},
        "tracingEnabled": true,
    }));
    let responses = json!({"DEFAULT_4XX": {"responseTemplates": {"application/json": "{}"}}});
    snapshot.export = over(
        snapshot.export,
        json!({"x-amazon-apigateway-gateway-responses": responses}),
    );
    snapshot.endpoint_types = vec!["PRIVATE".to_owned()];
    check(
        &snapshot,
        expect![[r#"
            /orders -> main=https://orders.internal (29000 ms)
            {"type":"log","with":{"percent":100}}
            {"type":"native","with":{"config":{"document":{"x-amazon-apigateway-binary-media-types":["image/png"],"x-amazon-apigateway-gateway-responses":{"DEFAULT_4XX":{"responseTemplates":{"application/json":"{}"}}},"x-amazon-apigateway-minimum-compression-size":1024}},"gatewayType":"aws"}}
            {"type":"native","with":{"config":{"stage":{"tracingEnabled":true}},"gatewayType":"aws"}}
            {"type":"native","with":{"config":{"stageSettings":{"accessLogSettings":{"destinationArn":"arn:aws:logs:eu-west-1:123456789012:log-group:x","format":"$context.requestId"},"canarySettings":{"deploymentId":"d2","percentTraffic":10}}},"gatewayType":"aws"}}
            GET /a
            note: `accessLogSettings`, `canarySettings`, `tracingEnabled` of the stage: kept as a `native` policy
            note: `binaryMediaTypes`, `minimumCompressionSize` of the API: kept as a `native` policy
            note: answers of API Gateway itself have another form than usual, kept as a `native` policy
            note: its endpoint is private: it is reached from networks with a VPC endpoint alone
            note: part of the requests go to another deployment of AWS (a canary), which is not read"#]],
    );
}

#[test]
fn it_is_reached_by_its_domain_names_and_at_its_own_place() {
    let urls = |snapshot: &Snapshot| read(snapshot, None).unwrap().endpoint_urls.join(" ");
    let mut snapshot = one();
    assert_eq!(
        urls(&snapshot),
        "https://abc123.execute-api.eu-west-1.amazonaws.com/prod"
    );
    let at = |domain: &str, base_path: &str| Mapping {
        domain: domain.to_owned(),
        base_path: base_path.to_owned(),
        truststore: None,
    };
    snapshot.mappings = vec![
        at("api.example.com", ""),
        at("api.example.org", ""),
        at("old.example.com", "v1"),
    ];
    assert_eq!(
        urls(&snapshot),
        "https://api.example.com https://api.example.org https://old.example.com/v1 \
         https://abc123.execute-api.eu-west-1.amazonaws.com/prod"
    );
    check(
        &snapshot,
        expect![[r#"
        api.example.com,api.example.org/ -> main=https://orders.internal (29000 ms)
        GET /a
        note: it is also reached at `old.example.com/v1`"#]],
    );
    snapshot.disable_execute_api_endpoint = true;
    assert_eq!(
        urls(&snapshot),
        "https://api.example.com https://api.example.org https://old.example.com/v1"
    );
}

#[test]
fn our_mark_is_no_tag() {
    let mut snapshot = one();
    for (name, value) in [("team", "shop"), ("public", ""), ("gatehouse:api", "1")] {
        snapshot.tags.insert(name.to_owned(), value.to_owned());
    }
    assert_eq!(read(&snapshot, None).unwrap().tags, ["public", "team=shop"]);
}
