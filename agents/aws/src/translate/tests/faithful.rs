//! How faithfully policies are expressed, alone and beside others.

use serde_json::{Value, json};

use super::{http, jwt_policy, key_policy, letters, rest, settings};

fn also_trusting(mut policy: Value) -> Value {
    let other = json!({"issuer": "b", "audiences": ["b"], "jwksUri": "https://b.example/keys"});
    policy["with"]["alsoTrusted"] = json!([other]);
    policy
}

/// Each with its letters for a REST API and for an HTTP API.
#[test]
fn each_kind_expresses_what_it_can() {
    let policy = |kind: &str, with: Value| json!({"type": kind, "with": with});
    let key = |with: Value| {
        let mut policy = key_policy();
        for (name, value) in with.as_object().expect("an object") {
            policy["with"][name] = value.clone();
        }
        policy
    };
    let table = [
        (key(json!({})), "e", "u"),
        (key(json!({"forward": true})), "e", "u"),
        (key(json!({"name": "X-API-Key", "forward": true})), "e", "u"),
        (key(json!({"name": "x-other"})), "u", "u"),
        (key(json!({"in": "query"})), "u", "u"),
        (
            key(json!({"keys": [
                {"consumer": "a", "secretRef": "a", "expiresAt": "2999-01-01T00:00:00Z"},
            ]})),
            "u",
            "u",
        ),
        (jwt_policy(), "u", "a"),
        (also_trusting(jwt_policy()), "u", "u"),
        (
            policy(
                "auth.basic",
                json!({"users": [{"username": "ann", "secretRef": "ann"}]}),
            ),
            "u",
            "u",
        ),
        (policy("ip.filter", json!({"deny": ["10.0.0.0/8"]})), "e", "u"),
        (
            policy("request.validate", json!({"requiredHeaders": ["x-a"]})),
            "a",
            "u",
        ),
        (
            policy("request.validate", json!({"definition": ["body"]})),
            "u",
            "u",
        ),
        (
            policy("request.validate", json!({"contentTypes": ["text/plain"]})),
            "u",
            "u",
        ),
        (
            policy("request.validate", json!({"bodySchema": {"const": 1}})),
            "u",
            "u",
        ),
        (
            policy(
                "request.validate",
                json!({"bodySchema": {"properties": {"a": {"type": ["string", "null"]}}}}),
            ),
            "u",
            "u",
        ),
        (
            policy("request.validate", json!({"bodySchema": {"type": "object"}})),
            "a",
            "u",
        ),
        (policy("request.size", json!({"maxBytes": 1000})), "u", "u"),
        (policy("request.size", json!({"maxBytes": 10_485_760})), "a", "a"),
        (
            policy("ratelimit", json!({"limits": [{"requests": 1, "per": "second"}]})),
            "a",
            "a",
        ),
        (policy("quota", json!({"requests": 1, "per": "day"})), "u", "u"),
        (
            policy(
                "cors",
                json!({"allowOrigins": ["*"], "allowMethods": ["GET"], "allowHeaders": ["x-a"]}),
            ),
            "a",
            "e",
        ),
        (policy("cors", json!({"allowOrigins": ["*"]})), "a", "a"),
        (
            policy(
                "cors",
                json!({"allowOrigins": ["https://*.example.com"], "allowMethods": ["GET"], "allowHeaders": ["x-a"]}),
            ),
            "a",
            "u",
        ),
        (
            policy("headers", json!({"request": {"set": {"x-a": "b"}}})),
            "e",
            "e",
        ),
        (
            policy("headers", json!({"request": {"set": {"x-a": "it's"}}})),
            "u",
            "e",
        ),
        (
            policy("headers", json!({"request": {"set": {"x-a": "$b"}}})),
            "e",
            "u",
        ),
        (
            policy("headers", json!({"request": {"set": {"x-a": ""}}})),
            "u",
            "u",
        ),
        (
            policy("headers", json!({"request": {"add": {"x-a": "b"}}})),
            "a",
            "e",
        ),
        (
            policy("headers", json!({"request": {"remove": ["x-a"]}})),
            "u",
            "e",
        ),
        (
            policy(
                "headers",
                json!({"request": {"remove": ["x-a"], "add": {"x-a": "b"}}}),
            ),
            "e",
            "e",
        ),
        (
            policy("headers", json!({"request": {"set": {"via": "b"}}})),
            "e",
            "u",
        ),
        (
            policy("headers", json!({"response": {"set": {"x-a": "b"}}})),
            "u",
            "a",
        ),
        (policy("rewrite", json!({"path": "/v2"})), "e", "e"),
        (policy("rewrite", json!({"path": "/$v2"})), "u", "u"),
        (policy("rewrite", json!({"query": {"set": {"a": "b"}}})), "e", "e"),
        (policy("rewrite", json!({"query": {"remove": ["a"]}})), "u", "e"),
        (policy("respond", json!({"status": 200, "body": "$5"})), "a", "u"),
        (
            policy("respond", json!({"status": 200, "body": "\\$5"})),
            "u",
            "u",
        ),
        (policy("timeout", json!({"responseMs": 60_000})), "a", "a"),
        (policy("retry", json!({"attempts": 1})), "u", "u"),
        (policy("cache", json!({"ttlSeconds": 5})), "u", "u"),
        (
            policy("cache", json!({"ttlSeconds": 5, "varyQuery": []})),
            "a",
            "u",
        ),
        (policy("log", json!({})), "u", "u"),
    ];
    for (policy, on_rest, on_http) in table {
        assert_eq!(letters(&json!([policy]), &rest()), on_rest, "REST API: {policy}");
        assert_eq!(letters(&json!([policy]), &http()), on_http, "HTTP API: {policy}");
    }
}

#[test]
fn tokens_that_are_checked_less_than_asked_stay_out() {
    let with = |name: &str, value: Value| {
        let mut policy = jwt_policy();
        policy["with"][name] = value;
        json!([policy])
    };
    let table = [
        (with("requiredScopes", json!([])), "a"),
        (with("requiredScopes", json!(["read", "write"])), "u"),
        (with("algorithms", json!(["ES256"])), "u"),
        (with("algorithms", json!(["ES256", "RS256"])), "a"),
        (with("jwksUri", json!("https://elsewhere.example.com/keys")), "u"),
        (with("issuer", json!("login")), "u"),
        (json!([jwt_policy(), jwt_policy()]), "au"),
    ];
    for (policies, expected) in table {
        assert_eq!(letters(&policies, &http()), expected, "{policies}");
    }
    let function = json!({"functionArn": "arn:aws:lambda:eu-central-1:111122223333:function:check"});
    let of_kind = |kind: &str| settings(json!({"kind": kind, "jwtAuthorizer": function}));
    assert_eq!(letters(&json!([jwt_policy()]), &of_kind("rest")), "a");
    let several = with("requiredScopes", json!(["read", "write"]));
    assert_eq!(
        letters(&several, &of_kind("http")),
        "u",
        "an HTTP API gives a function the whole request only"
    );
}

#[test]
fn what_needs_keys_asks_for_them_at_the_api() {
    let quota = |per: &str| json!({"type": "quota", "with": {"requests": 5, "per": per}});
    let table = [
        (json!([key_policy(), quota("day")]), "ea"),
        (json!([quota("day"), key_policy()]), "ae"),
        (json!([key_policy(), quota("hour")]), "eu"),
        (json!([key_policy(), quota("day"), quota("month")]), "eau"),
        (json!([key_policy(), key_policy()]), "eu"),
    ];
    for (policies, expected) in table {
        assert_eq!(letters(&policies, &rest()), expected, "{policies}");
    }
}

#[test]
fn a_log_needs_a_place_to_write_to() {
    let arn =
        json!({"kind": "rest", "accessLogArn": "arn:aws:logs:eu-central-1:111122223333:log-group:shop"});
    let log = |with: Value| json!([{"type": "log", "with": with}]);
    assert_eq!(letters(&log(json!({})), &settings(arn.clone())), "e");
    assert_eq!(letters(&log(json!({"percent": 5})), &settings(arn.clone())), "a");
    assert_eq!(letters(&log(json!({"percent": 0})), &settings(arn)), "u");
    let stage =
        json!({"accessLogSettings": {"destinationArn": "arn:aws:logs:x", "format": "$context.requestId"}});
    let native = json!({"type": "native", "with": {"gatewayType": "aws", "config": {"stage": stage}}});
    assert_eq!(
        letters(&json!([{"type": "log", "with": {}}, native]), &rest()),
        "ee"
    );
}

#[test]
fn fragments_are_understood_or_refused_with_their_place() {
    let reason = |config: Value| {
        let native = json!([{"type": "native", "with": {"gatewayType": "aws", "config": config}}]);
        let desired = super::api(&native, &[]);
        format!("{:?}", crate::translate::fidelity(&desired, &rest())[0].fidelity)
    };
    let table = [
        (json!({"stage": {"tracingEnabled": true}}), "Exact"),
        (
            json!({"stage": {"tracingEnabled": "yes"}}),
            "`/config/stage/tracingEnabled` has a value",
        ),
        (
            json!({"stage": {"canarySettings": {}}}),
            "`/config/stage/canarySettings` is not known",
        ),
        (
            json!({"operation": {"x-amazon-apigateway-integration": {"tlsConfig": {}}}}),
            "Exact",
        ),
        (
            json!({"operation": {"x-amazon-apigateway-integration": {"other": 1}}}),
            "`/config/operation/x-amazon-apigateway-integration/other` is not known",
        ),
        (
            json!({"operation": {"x-amazon-apigateway-auth": {"type": "NONE"}}}),
            "`/config/operation/x-amazon-apigateway-auth` can only be",
        ),
        (
            json!({"extensions": {"x-amazon-apigateway-policy": {}}}),
            "is no extension",
        ),
        (
            json!({"operation": {"x-amazon-apigateway-authtype": "none"}}),
            "is no extension",
        ),
        (json!({"plugins": []}), "`/config/plugins` is not known"),
    ];
    for (config, expected) in table {
        let reason = reason(config.clone());
        assert!(reason.contains(expected), "{config}: {reason}");
    }
}

#[test]
fn the_descriptor_promises_no_less_than_a_report_says() {
    use gatehouse_connector_sdk::schemas::descriptor::Fidelity;
    let unsupported: Vec<String> = crate::translate::support()
        .into_iter()
        .filter(|entry| matches!(entry.fidelity, Fidelity::Unsupported { .. }))
        .map(|entry| entry.policy)
        .collect();
    assert_eq!(
        unsupported,
        [
            "auth.basic",
            "auth.conditions",
            "ext.authz",
            "ext.wasm",
            "transform",
            "retry"
        ]
    );
}
