//! Integrations as upstreams and paths.

use expect_test::{Expect, expect};
use serde_json::{Value, json};

use super::aws::{http, over, proxied, proxied_with_id, rest, told};
use crate::read::{Kind, Snapshot};

fn check(snapshot: &Snapshot, expected: Expect) {
    expected.assert_eq(&told(snapshot));
}

fn with_integration(method: Value, fields: Value) -> Value {
    let mut method = method;
    let integration = method["x-amazon-apigateway-integration"].take();
    method["x-amazon-apigateway-integration"] = over(integration, fields);
    method
}

#[test]
fn one_root_is_one_upstream() {
    check(
        &rest(json!({
            "/orders": {"get": proxied("https://orders.internal/v1/orders")},
            "/orders/{id}": {"get": proxied_with_id("https://orders.internal/v1/orders/{id}")},
            "/": {"get": proxied("https://orders.internal/v1")},
        })),
        expect![[r#"
            /orders -> main=https://orders.internal/v1 (29000 ms)
            GET /
            GET /orders
            GET /orders/{id}"#]],
    );
}

#[test]
fn parameters_may_have_other_names_at_the_upstream() {
    let renamed = with_integration(
        proxied_with_id("https://orders.internal/orders/{order}"),
        json!({"requestParameters": {"integration.request.path.order": "method.request.path.id"}}),
    );
    check(
        &rest(json!({"/orders/{id}": {"get": renamed}})),
        expect![[r#"
        /orders -> main=https://orders.internal (29000 ms)
        GET /orders/{id}"#]],
    );
    let unfilled = proxied("https://orders.internal/orders/{id}");
    check(
        &rest(json!({"/orders/{id}": {"get": unfilled}})),
        expect![[r#"
            /orders -> main=https://upstream.invalid (29000 ms)
            GET /orders/{id}
              {"type":"native","with":{"config":{"operation":{"x-amazon-apigateway-integration":{"httpMethod":"ANY","passthroughBehavior":"when_no_match","responses":{"default":{"statusCode":"200"}},"type":"http_proxy","uri":"https://orders.internal/orders/{id}"}}},"gatewayType":"aws"}}
            note: GET /orders/{id}: its integration is kept as a `native` policy: `{id}` of its URL is not filled from the path of the request"#]],
    );
}

#[test]
fn greedy_paths_and_methods_for_all_methods_are_read() {
    let mut any = proxied("https://orders.internal/base/{proxy}");
    any["x-amazon-apigateway-integration"]["httpMethod"] = json!("ANY");
    any["x-amazon-apigateway-integration"]["requestParameters"] =
        json!({"integration.request.path.proxy": "method.request.path.proxy"});
    check(
        &rest(json!({"/{proxy+}": {"x-amazon-apigateway-any-method": any}})),
        expect![[r#"
        /orders -> main=https://orders.internal/base (29000 ms)
        * /{proxy...}
        no definition"#]],
    );
}

#[test]
fn another_path_or_another_host_is_said() {
    check(
        &rest(json!({
            "/orders": {"get": proxied("https://orders.internal/v1/orders")},
            "/lines": {"get": proxied("https://orders.internal/v1/lines")},
            "/old": {"get": proxied("https://orders.internal/v1/archive/all?kind=old")},
            "/bills": {"get": proxied("http://billing.internal:8080/bills")},
            "/status": {"get": proxied("https://status.internal/health")},
        })),
        expect![[r#"
            /orders -> billing-internal-8080=http://billing.internal:8080 (29000 ms), main=https://orders.internal/v1 (29000 ms), status-internal=https://status.internal (29000 ms)
            GET /bills -> billing-internal-8080
            GET /lines
            GET /old
              {"type":"rewrite","with":{"path":"/archive/all","query":{"set":{"kind":"old"}}}}
            GET /orders
            GET /status -> status-internal
              {"type":"rewrite","with":{"path":"/health"}}"#]],
    );
}

#[test]
fn times_are_those_of_the_upstream_or_of_the_operation() {
    let within = |milliseconds: u32, path: &str| {
        with_integration(
            proxied(&format!("https://orders.internal{path}")),
            json!({"timeoutInMillis": milliseconds}),
        )
    };
    check(
        &rest(json!({"/a": {"get": within(10_000, "/a")}, "/b": {"get": within(3_000, "/b")}})),
        expect![[r#"
            /orders -> main=https://orders.internal (10000 ms)
            GET /a
            GET /b
              {"type":"timeout","with":{"responseMs":3000}}"#]],
    );
}

#[test]
fn stage_variables_are_put_into_urls() {
    let mut snapshot = rest(json!({"/a": {"get": proxied("http://${stageVariables.host}/a")}}));
    snapshot
        .stage
        .variables
        .insert("host".to_owned(), "orders.internal".to_owned());
    snapshot
        .stage
        .variables
        .insert("gatehouseRecord0".to_owned(), "AAAA".to_owned());
    check(
        &snapshot,
        expect![[r#"
            /orders -> main=http://orders.internal (29000 ms)
            {"type":"native","with":{"config":{"stageSettings":{"variables":{"host":"orders.internal"}}},"gatewayType":"aws"}}
            GET /a
            note: `variables` of the stage: kept as a `native` policy"#]],
    );
    snapshot.stage.variables.clear();
    check(
        &snapshot,
        expect![[r#"
            /orders -> main=https://upstream.invalid (29000 ms)
            GET /a
              {"type":"native","with":{"config":{"operation":{"x-amazon-apigateway-integration":{"httpMethod":"ANY","passthroughBehavior":"when_no_match","responses":{"default":{"statusCode":"200"}},"type":"http_proxy","uri":"http://${stageVariables.host}/a"}}},"gatewayType":"aws"}}
            note: GET /a: its integration is kept as a `native` policy: its URL needs stage variable `host`, which is not there or not to be read"#]],
    );
}

#[test]
fn what_aws_answers_itself_goes_nowhere_else() {
    let function = json!({"x-amazon-apigateway-integration": {
        "type": "aws_proxy", "httpMethod": "POST", "contentHandling": "CONVERT_TO_TEXT",
        "uri": "arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/arn:aws:lambda:eu-west-1:123456789012:function:f/invocations",
    }});
    check(
        &rest(json!({"/a": {"get": proxied("https://orders.internal/a")}, "/f": {"post": function}})),
        expect![[r#"
            /orders -> aws=https://upstream.invalid (29000 ms), main=https://orders.internal (29000 ms)
            GET /a
            POST /f -> aws
              {"type":"native","with":{"config":{"operation":{"x-amazon-apigateway-integration":{"contentHandling":"CONVERT_TO_TEXT","httpMethod":"POST","type":"aws_proxy","uri":"arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/arn:aws:lambda:eu-west-1:123456789012:function:f/invocations"}}},"gatewayType":"aws"}}
            note: POST /f: its integration is kept as a `native` policy: a function or service of AWS answers"#]],
    );
    check(
        &rest(json!({"/f": {"post": function}})),
        expect![[r#"
            /orders -> main=https://upstream.invalid (29000 ms)
            POST /f
              {"type":"native","with":{"config":{"operation":{"x-amazon-apigateway-integration":{"contentHandling":"CONVERT_TO_TEXT","httpMethod":"POST","type":"aws_proxy","uri":"arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/arn:aws:lambda:eu-west-1:123456789012:function:f/invocations"}}},"gatewayType":"aws"}}
            note: POST /f: its integration is kept as a `native` policy: a function or service of AWS answers"#]],
    );
}

#[test]
fn private_and_mapped_integrations_are_kept_with_their_upstream() {
    let private = with_integration(
        proxied("http://internal-nlb.elb.amazonaws.com/a"),
        json!({"connectionType": "VPC_LINK", "connectionId": "vl1", "tlsConfig": {"insecureSkipVerification": true}}),
    );
    check(
        &rest(json!({"/a": {"get": private}})),
        expect![[r#"
            /orders -> main=http://internal-nlb.elb.amazonaws.com (29000 ms)
            {"type":"native","with":{"config":{"operation":{"x-amazon-apigateway-integration":{"connectionId":"vl1","connectionType":"VPC_LINK","tlsConfig":{"insecureSkipVerification":true}}}},"gatewayType":"aws"}}
            GET /a
            note: GET /a: `connectionId`, `connectionType`, `tlsConfig` of its integration kept as a `native` policy"#]],
    );
    let mapped = with_integration(
        proxied("https://orders.internal/a"),
        json!({"type": "http", "requestTemplates": {"application/json": "$input.body"}}),
    );
    check(
        &rest(json!({"/a": {"get": mapped}})),
        expect![[r#"
            /orders -> main=https://orders.internal (29000 ms)
            GET /a
              {"type":"native","with":{"config":{"operation":{"x-amazon-apigateway-integration":{"httpMethod":"ANY","passthroughBehavior":"when_no_match","requestTemplates":{"application/json":"$input.body"},"responses":{"default":{"statusCode":"200"}},"type":"http","uri":"https://orders.internal/a"}}},"gatewayType":"aws"}}
            note: GET /a: its integration is kept as a `native` policy: it maps requests, statuses and bodies; elsewhere than on AWS, they pass through"#]],
    );
}

#[test]
fn fixed_answers_are_read() {
    let mock = |template: &str, response: Value| {
        json!({"x-amazon-apigateway-integration": {
            "type": "mock",
            "requestTemplates": {"application/json": template},
            "responses": {"default": response},
        }})
    };
    let fixed = json!({
        "statusCode": "410",
        "responseParameters": {"method.response.header.Sunset": "'Sat, 31 Dec 2026 23:59:59 GMT'"},
        "responseTemplates": {"application/json": "{\"message\": \"gone\"}"},
    });
    check(
        &rest(json!({"/old": {"get": mock("{\"statusCode\": 410}", fixed)}})),
        expect![[r#"
        /orders -> main=https://upstream.invalid (29000 ms)
        {"type":"respond","with":{"body":"{\"message\": \"gone\"}","headers":{"content-type":"application/json","sunset":"Sat, 31 Dec 2026 23:59:59 GMT"},"status":410}}
        GET /old"#]],
    );
    let made = json!({"statusCode": "200", "responseTemplates": {"application/json": "$context.requestId"}});
    check(
        &rest(json!({"/made": {"get": mock("{\"statusCode\": 200}", made)}})),
        expect![[r#"
            /orders -> main=https://upstream.invalid (29000 ms)
            GET /made
              {"type":"native","with":{"config":{"operation":{"x-amazon-apigateway-integration":{"requestTemplates":{"application/json":"{\"statusCode\": 200}"},"responses":{"default":{"responseTemplates":{"application/json":"$context.requestId"},"statusCode":"200"}},"type":"mock"}}},"gatewayType":"aws"}}
            note: GET /made: its integration is kept as a `native` policy: API Gateway answers itself, with what templates make"#]],
    );
}

#[test]
fn headers_and_query_that_are_always_sent_are_said() {
    let method = with_integration(
        proxied("https://orders.internal/a"),
        json!({"requestParameters": {
            "integration.request.header.X-Source": "'aws'",
            "integration.request.header.Accept": "method.request.header.Accept",
            "integration.request.querystring.q": "method.request.querystring.q",
            "integration.request.querystring.fixed": "'1'",
        }}),
    );
    check(
        &rest(json!({"/a": {"get": method}})),
        expect![[r#"
        /orders -> main=https://orders.internal (29000 ms)
        {"type":"headers","with":{"request":{"set":{"x-source":"aws"}}}}
        {"type":"rewrite","with":{"query":{"set":{"fixed":"1"}}}}
        GET /a"#]],
    );
    let context = with_integration(
        proxied("https://orders.internal/a"),
        json!({"requestParameters": {"integration.request.header.X-Caller": "context.identity.sourceIp"}}),
    );
    check(
        &rest(json!({"/a": {"get": context}})),
        expect![[r#"
            /orders -> main=https://orders.internal (29000 ms)
            {"type":"native","with":{"config":{"operation":{"x-amazon-apigateway-integration":{"requestParameters":{"integration.request.header.X-Caller":"context.identity.sourceIp"}}}},"gatewayType":"aws"}}
            GET /a
            note: GET /a: `requestParameters` of its integration kept as a `native` policy"#]],
    );
}

#[test]
fn credentials_stay_where_they_are() {
    let method = with_integration(
        proxied("https://orders.internal/a"),
        json!({"requestParameters": {"integration.request.header.Authorization": "'Basic c2VjcmV0'"}}),
    );
    let user = proxied("https://user:pass@orders.internal/b");
    let mut snapshot = rest(json!({"/a": {"get": method}, "/b": {"get": user}}));
    snapshot
        .stage
        .variables
        .insert("apiKey".to_owned(), "s3cr3t".to_owned());
    let told = told(&snapshot);
    assert!(
        !told.contains("c2VjcmV0") && !told.contains("pass@") && !told.contains("s3cr3t"),
        "{told}"
    );
    check(
        &snapshot,
        expect![[r#"
            /orders -> aws=https://upstream.invalid (29000 ms), main=https://orders.internal (29000 ms)
            {"type":"native","with":{"config":{"stageSettings":{"variables":{"apiKey":"{secret}"}}},"gatewayType":"aws"}}
            GET /a
              {"type":"native","with":{"config":{"operation":{"x-amazon-apigateway-integration":{"requestParameters":{"integration.request.header.Authorization":"{secret}"}}}},"gatewayType":"aws"}}
            GET /b -> aws
              {"type":"native","with":{"config":{"operation":{"x-amazon-apigateway-integration":{"httpMethod":"ANY","passthroughBehavior":"when_no_match","responses":{"default":{"statusCode":"200"}},"type":"http_proxy","uri":"{secret}"}}},"gatewayType":"aws"}}
            note: GET /a: `requestParameters.integration.request.header.Authorization` is a credential and is not taken along; put `{secret}` right before deploying it
            note: GET /a: `requestParameters` of its integration kept as a `native` policy
            note: GET /b: `uri` is a credential and is not taken along; put `{secret}` right before deploying it
            note: GET /b: its integration is kept as a `native` policy: its URL carries a credential
            note: `variables` of the stage: kept as a `native` policy
            note: stage variable `apiKey` sounds like a credential and is not taken along; put `{secret}` right before deploying it"#]],
    );
}

#[test]
fn routes_of_http_apis_are_read() {
    let route = |uri: &str, fields: Value| {
        let integration = json!({
            "payloadFormatVersion": "1.0", "type": "http_proxy", "httpMethod": "ANY", "uri": uri,
            "connectionType": "INTERNET", "timeoutInMillis": 30000,
        });
        json!({"responses": {"default": {"description": "Default response"}},
               "x-amazon-apigateway-integration": over(integration, fields)})
    };
    check(
        &http(json!({
            "/pets/{proxy+}": {"x-amazon-apigateway-any-method": route("https://pets.internal/api/pets/{proxy}", json!({}))},
            "/pets": {"get": route("https://pets.internal/api/pets", json!({"requestParameters": {
                "overwrite:header.x-source": "aws", "append:header.x-more": "1", "remove:header.x-less": "''",
                "overwrite:querystring.a": "b", "remove:querystring.c": "''",
            }}))},
        })),
        expect![[r#"
            /orders -> main=https://pets.internal/api (30000 ms)
            GET /pets
              {"type":"headers","with":{"request":{"add":{"x-more":"1"},"remove":["x-less"],"set":{"x-source":"aws"}}}}
              {"type":"rewrite","with":{"query":{"remove":["c"],"set":{"a":"b"}}}}
            * /pets/{proxy...}
            no definition"#]],
    );
    let follows = json!({"requestParameters": {"overwrite:path": "$request.path"}});
    let default = over(
        route("https://pets.internal", follows),
        json!({"isDefaultRoute": true}),
    );
    check(
        &http(json!({"/$default": {"x-amazon-apigateway-any-method": default}})),
        expect![[r#"
        /orders -> main=https://pets.internal (30000 ms)
        no definition"#]],
    );
    let fixed = route("https://pets.internal/all", json!({}));
    check(
        &http(json!({"/$default": {"x-amazon-apigateway-any-method": fixed}})),
        expect![[r#"
        /orders -> main=https://pets.internal (30000 ms)
        * /
          {"type":"rewrite","with":{"path":"/all"}}
        * /{proxy...}
          {"type":"rewrite","with":{"path":"/all"}}
        no definition"#]],
    );
}

#[test]
fn what_cannot_be_read_says_what_to_do() {
    check(
        &rest(json!({})),
        expect![
            "refused: stage `prod` of `orders` serves no method; deploy the API to the stage on AWS, or put it on the environment's ignore list"
        ],
    );
    let socket = Snapshot {
        kind: Kind::WebSocket,
        ..rest(json!({}))
    };
    check(
        &socket,
        expect![
            "refused: `orders` is a WebSocket API, of which AWS gives no description; leave it to AWS, and put it on the environment's ignore list"
        ],
    );
}
