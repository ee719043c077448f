//! Whole documents.

use expect_test::{Expect, expect};
use serde_json::{Value, json};

use super::{api, form, http, jwt_policy, key_policy, rest, settings};

fn check(value: &impl serde::Serialize, expected: Expect) {
    expected.assert_eq(&serde_json::to_string_pretty(value).expect("JSON"));
}

#[test]
fn a_plain_api_is_proxied_method_by_method() {
    let desired = api(
        &json!([]),
        &[
            ("GET", "/", json!([])),
            ("POST", "/items", json!([])),
            ("GET", "/items/{id}", json!([])),
        ],
    );
    check(&form(&desired, &rest()), expect![[""]]);
}

#[test]
fn an_api_without_operations_takes_everything() {
    check(
        &form(&api(&json!([]), &[]), &rest()).document["paths"],
        expect![[""]],
    );
    check(
        &form(&api(&json!([]), &[]), &http()).document["paths"],
        expect![[""]],
    );
}

#[test]
fn keys_limits_and_quotas_are_a_usage_plan() {
    let policies = json!([
        key_policy(),
        {"type": "ratelimit", "with": {"limits": [{"requests": 10, "per": "minute"}], "key": "consumer"}},
        {"type": "quota", "with": {"requests": 1000, "per": "month"}},
    ]);
    let burst = json!([{"type": "ratelimit", "with": {"limits": [{"requests": 1, "per": "second"}], "key": "consumer"}}]);
    let desired = api(
        &policies,
        &[("GET", "/items", json!([])), ("POST", "/items", burst)],
    );
    let form = form(&desired, &rest());
    check(&json!([form.usage_plan, form.keys, form.stage]), expect![[""]]);
    check(&form.document["paths"]["/items"]["get"], expect![[""]]);
    check(
        &form.document["x-amazon-apigateway-gateway-responses"],
        expect![[""]],
    );
}

#[test]
fn tokens_are_checked_by_an_http_api() {
    let cors = json!({"type": "cors", "with": {"allowOrigins": ["https://shop.example.com"], "allowMethods": ["GET"], "allowHeaders": ["authorization"], "maxAgeSeconds": 600}});
    let headers = json!({"type": "headers", "with": {"request": {"set": {"x-from": "aws"}, "add": {"x-tag": "a"}, "remove": ["cookie"]}}});
    let desired = api(
        &json!([jwt_policy(), cors, headers]),
        &[("GET", "/items/{id}", json!([]))],
    );
    check(&form(&desired, &settings(json!({}))), expect![[""]]);
}

#[test]
fn lambda_functions_and_user_pools_check_tokens_for_rest_apis() {
    let oauth2 = json!([{"type": "auth.oauth2", "with": {"introspectionUrl": "https://login.example.com/introspect", "clientId": "gateway", "clientSecretRef": "gateway-secret", "cacheSeconds": 60}}]);
    let pool = json!([{"type": "auth.jwt", "with": {
        "issuer": "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_a1", "audiences": ["shop"], "requiredScopes": ["shop/read"],
        "jwksUri": "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_a1/.well-known/jwks.json",
    }}]);
    let desired = api(&json!([]), &[("GET", "/a", oauth2), ("GET", "/b", pool)]);
    let settings = settings(json!({
        "kind": "rest",
        "cognitoUserPoolArns": ["arn:aws:cognito-idp:eu-central-1:111122223333:userpool/eu-central-1_a1"],
        "oauth2Authorizer": {"functionArn": "arn:aws:lambda:eu-central-1:111122223333:function:ask", "ttlSeconds": 300},
    }));
    let form = form(&desired, &settings);
    let asked = |path: &str| form.document["paths"][path]["get"]["security"].clone();
    check(
        &json!([form.document["components"], asked("/a"), asked("/b")]),
        expect![[""]],
    );
    check(&crate::translate::permissions_needed(&form), expect![[""]]);
}

#[test]
fn a_rest_api_answers_preflight_requests_itself() {
    let cors = |with: Value| json!([{"type": "cors", "with": with}]);
    let one = cors(
        json!({"allowOrigins": ["https://a.example.com"], "allowCredentials": true, "maxAgeSeconds": 60}),
    );
    let several = cors(
        json!({"allowOrigins": ["https://a.example.com", "https://*.b.example.com"], "allowHeaders": ["x-a", "x-b"]}),
    );
    let operations = [
        ("GET", "/items/{id}", json!([])),
        ("PUT", "/items/{id}", json!([])),
    ];
    let first = form(&api(&one, &operations), &rest()).document;
    check(&first["paths"]["/items/{id}"]["options"], expect![[""]]);
    check(
        &first["x-amazon-apigateway-gateway-responses"]["DEFAULT_4XX"],
        expect![[""]],
    );
    let second = form(&api(&several, &operations), &rest()).document;
    let integration = &second["paths"]["/items/{id}"]["options"]["x-amazon-apigateway-integration"];
    expect![[""]].assert_eq(
        integration["responses"]["default"]["responseTemplates"]["application/json"]
            .as_str()
            .expect("a template"),
    );
    check(&second["x-amazon-apigateway-gateway-responses"], expect![[""]]);
}

#[test]
fn addresses_are_a_resource_policy() {
    let policies = json!([
        {"type": "ip.filter", "with": {"allow": ["10.0.0.0/8"], "deny": ["10.1.0.0/16"]}},
        {"type": "ip.filter", "with": {"deny": ["10.2.0.0/16"]}},
    ]);
    let desired = api(&policies, &[]);
    check(
        &form(&desired, &rest()).document["x-amazon-apigateway-policy"],
        expect![[""]],
    );
    let private = settings(json!({"kind": "rest", "endpointType": "private", "vpcEndpointIds": ["vpce-1"]}));
    let form = form(&api(&json!([]), &[]), &private);
    check(
        &json!([form.document["x-amazon-apigateway-policy"], form.endpoint]),
        expect![[""]],
    );
}

#[test]
fn requests_are_checked_answered_and_kept() {
    let validate = json!([{"type": "request.validate", "with": {
        "requiredHeaders": ["x-tenant"], "requiredQuery": ["page"],
        "bodySchema": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}},
    }}]);
    let respond = json!([{"type": "respond", "with": {"status": 503, "headers": {"content-type": "text/plain; charset=utf-8", "retry-after": "60"}, "body": "Costs $5 at #1"}}]);
    let cache = json!([key_policy(), {"type": "cache", "with": {"ttlSeconds": 30, "varyQuery": ["page"], "varyHeaders": ["accept"]}}]);
    let desired = api(
        &json!([]),
        &[
            ("POST", "/checked", validate),
            ("GET", "/closed", respond),
            ("GET", "/kept/{id}", cache),
        ],
    );
    let form = form(&desired, &rest());
    check(&form.document["paths"], expect![[""]]);
    check(
        &form.document["x-amazon-apigateway-request-validators"],
        expect![[""]],
    );
    check(&form.stage, expect![[""]]);
}

#[test]
fn targets_headers_and_times_are_mapped() {
    let policies = json!([
        {"type": "rewrite", "with": {"path": "/v2/{rest}/of/{shop}", "query": {"set": {"from": "aws"}}}},
        {"type": "headers", "with": {"request": {"set": {"x-from": "aws"}}}},
        {"type": "timeout", "with": {"responseMs": 500}},
    ]);
    let desired = api(&json!([]), &[("*", "/{shop}/files/{rest...}", policies)]);
    check(&form(&desired, &rest()).document["paths"], expect![[""]]);
    let http = form(&desired, &http()).document;
    check(&http["paths"]["/{shop}/files/{rest+}"], expect![[""]]);
}

#[test]
fn fragments_are_put_over_what_we_write() {
    let native = |config: Value| json!({"type": "native", "with": {"gatewayType": "aws", "config": config}});
    let whole = native(
        json!({"document": {"x-amazon-apigateway-minimum-compression-size": 1024}, "stage": {"tracingEnabled": true, "loggingLevel": "ERROR"}}),
    );
    let lambda = json!([native(json!({"operation": {"x-amazon-apigateway-integration": {
        "type": "aws_proxy", "httpMethod": "POST",
        "uri": "arn:aws:apigateway:eu-central-1:lambda:path/2015-03-31/functions/arn:aws:lambda:eu-central-1:111122223333:function:list/invocations",
    }}}))]);
    let tls = json!([native(
        json!({"operation": {"x-amazon-apigateway-integration": {"tlsConfig": {"insecureSkipVerification": false}}}})
    )]);
    let desired = api(&json!([whole]), &[("GET", "/a", lambda), ("GET", "/b", tls)]);
    let form = form(&desired, &rest());
    check(&form.document, expect![[""]]);
    check(&form.stage, expect![[""]]);
    check(&crate::translate::permissions_needed(&form), expect![[""]]);
}
