//! How faithfully policies are expressed, alone and beside others.

use gatehouse_connector_sdk::schemas::descriptor::Fidelity;
use serde_json::{Value, json};

use super::api;

/// One letter for each policy: exact, approximated, unsupported.
fn letters(policies: &Value) -> String {
    let report = crate::translate::fidelity(&api(policies, &[("GET", "/items/{id}", json!([]))]));
    let letter = |fidelity: &Fidelity| match fidelity {
        Fidelity::Exact => 'e',
        Fidelity::Approximated { .. } => 'a',
        Fidelity::Unsupported { .. } => 'u',
    };
    report.iter().map(|entry| letter(&entry.fidelity)).collect()
}

#[test]
fn what_kong_writes_otherwise_is_unsupported() {
    let set = |value: &str| json!([{"type": "headers", "with": {"request": {"set": {"x-a": value}}}}]);
    let query =
        |name: &str, value: &str| json!([{"type": "rewrite", "with": {"query": {"set": {name: value}}}}]);
    let path = |path: &str| json!([{"type": "rewrite", "with": {"path": path}}]);
    let table = [
        (set("b"), "e"),
        (set("b:c"), "e"),
        (set(""), "u"),
        (set(":80"), "u"),
        (set("$(headers.cookie)"), "u"),
        (query("a", "b"), "e"),
        (query("a:b", "c"), "u"),
        (query("a", "$(1)"), "u"),
        (path("/v2"), "e"),
        (path("/$(headers.cookie)"), "u"),
    ];
    for (policies, expected) in table {
        assert_eq!(letters(&policies), expected, "{policies}");
    }
}

#[test]
fn what_kong_cannot_count_trust_or_end_is_unsupported() {
    let policy = |kind: &str, with: Value| json!([{"type": kind, "with": with}]);
    let keys = |key: Value| policy("auth.apiKey", json!({"keys": [key]}));
    let tokens = |others: Value| {
        let with = json!({
            "issuer": "a", "audiences": ["a"], "jwksUri": "https://a.example/keys", "alsoTrusted": others,
        });
        policy("auth.jwt", with)
    };
    let other = json!({"issuer": "b", "audiences": ["b"], "jwksUri": "https://b.example/keys"});
    let rate = |key: Value| {
        let with = json!({"limits": [{"requests": 1, "per": "second"}], "key": key});
        policy("ratelimit", with)
    };
    let table = [
        (keys(json!({"consumer": "a", "secretRef": "a"})), "e"),
        (
            keys(json!({"consumer": "a", "secretRef": "a", "expiresAt": "2999-01-01T00:00:00Z"})),
            "u",
        ),
        (tokens(json!([])), "a"),
        (tokens(json!([other])), "u"),
        (rate(json!({"header": "x-tenant"})), "a"),
        (rate(json!({"claim": "tenant"})), "u"),
        (
            policy(
                "quota",
                json!({"requests": 1, "per": "day", "key": {"claim": "tenant"}}),
            ),
            "u",
        ),
    ];
    for (policies, expected) in table {
        assert_eq!(letters(&policies), expected, "{policies}");
    }
}

#[test]
fn one_place_has_one_kind_of_credential_and_one_key_of_limits() {
    let key = json!({"type": "auth.apiKey", "with": {"in": "header", "name": "k", "keys": [{"consumer": "a", "secretRef": "a"}]}});
    let basic =
        json!({"type": "auth.basic", "with": {"realm": "r", "users": [{"username": "a", "secretRef": "a"}]}});
    let rate = json!({"type": "ratelimit", "with": {"limits": [{"requests": 1, "per": "second"}]}});
    let quota = json!({"type": "quota", "with": {"requests": 1, "per": "day", "key": "consumer"}});
    assert_eq!(letters(&json!([key, basic])), "eu");
    assert_eq!(letters(&json!([rate, quota])), "au");
}

#[test]
fn what_kong_does_not_know_of_attempts_is_said_to_be_left_out() {
    for (with, expected) in [
        (
            json!({"attempts": 1, "on": ["timeout"], "perTryTimeoutMs": 500}),
            "not `perTryTimeoutMs`",
        ),
        (
            json!({"attempts": 1, "statuses": [500]}),
            "not after answers, whatever their `statuses`",
        ),
    ] {
        let policies = json!([{"type": "retry", "with": with}]);
        let report = crate::translate::fidelity(&api(&policies, &[("GET", "/items/{id}", json!([]))]));
        let told = format!("{:?}", report[0].fidelity);
        assert!(told.contains(expected), "{told}");
    }
}
