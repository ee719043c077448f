use expect_test::{Expect, expect};
use serde_json::json;

use super::spec;
use crate::{api::ApiSpec, environment::EnvironmentSpec};

fn check_api(value: serde_json::Value, expected: Expect) {
    expected.assert_eq(&shown(spec::<ApiSpec>(&value, "/spec").err()));
}

fn check_environment(value: serde_json::Value, expected: Expect) {
    expected.assert_eq(&shown(spec::<EnvironmentSpec>(&value, "/spec").err()));
}

fn shown(issues: Option<Vec<crate::issue::Issue>>) -> String {
    let lines = issues.unwrap_or_default();
    lines
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn an_unknown_field_names_the_nearest_known_one_and_reading_goes_on() {
    check_api(
        json!({"basePath": "/", "upstreams": {"main": {"url": "http://a", "timeoutMS": 5, "zzz": 1}}, "polices": []}),
        expect![[r#"
            /spec/polices: unknown field `polices`; did you mean `policies`?
            /spec/upstreams/main/timeoutMS: unknown field `timeoutMS`; did you mean `timeoutMs`?
            /spec/upstreams/main/zzz: unknown field `zzz`; known fields: `url`, `timeoutMs`, `connectTimeoutMs`, `protocol`, `tls`, `endpoints`, `loadBalancing`, `healthCheck`, `outlier`, `maxConnections`, `maxPending`, `idleTimeoutMs`"#]],
    );
}

#[test]
fn a_wrong_type_is_told_without_the_value() {
    check_api(
        json!({"basePath": "/", "upstreams": {"main": {"url": "http://a", "timeoutMs": "hunter2"}}}),
        expect!["/spec/upstreams/main/timeoutMs: expected a whole number from 0 to 4294967295, found a text"],
    );
    check_api(
        json!({"basePath": 7, "upstreams": {}}),
        expect!["/spec/basePath: expected a text, found a number"],
    );
    check_api(
        json!({"basePath": "/", "upstreams": []}),
        expect!["/spec/upstreams: expected an object, found a list"],
    );
    check_api(
        json!({"basePath": "/", "upstreams": {"main": {"url": "http://a", "timeoutMs": -1}}}),
        expect![
            "/spec/upstreams/main/timeoutMs: expected a whole number from 0 to 4294967295, found a number"
        ],
    );
    check_api(json!("text"), expect!["/spec: expected an object, found a text"]);
}

#[test]
fn a_missing_field_is_named_at_its_object() {
    check_api(
        json!({"basePath": "/", "upstreams": {"main": {}}}),
        expect!["/spec/upstreams/main: missing field `url`"],
    );
}

#[test]
fn an_unknown_policy_type_names_the_nearest() {
    check_api(
        json!({"basePath": "/", "upstreams": {}, "policies": [{"type": "auth.apikey", "with": {"keys": []}}]}),
        expect!["/spec/policies/0/type: unknown value `auth.apikey`; did you mean `auth.apiKey`?"],
    );
    check_api(
        json!({"basePath": "/", "upstreams": {}, "policies": [{"type": "frobnicate", "with": {}}]}),
        expect![
            "/spec/policies/0/type: unknown value `frobnicate`; known values: `auth.apiKey`, `auth.jwt`, `auth.basic`, `auth.oauth2`, `auth.mtls`, `auth.conditions`, `ext.authz`, `ext.wasm`, `ip.filter`, `request.validate`, `request.size`, `ratelimit`, `quota`, `cors`, `headers`, `rewrite`, `transform`, `respond`, `timeout`, `retry`, `cache`, `log`, `native`"
        ],
    );
}

#[test]
fn parameters_of_a_policy_are_as_strict() {
    check_api(
        json!({"basePath": "/", "upstreams": {}, "policies": [{"type": "request.size", "with": {"maxbyte": 5}}]}),
        expect!["/spec/policies/0/with/maxbyte: unknown field `maxbyte`; did you mean `maxBytes`?"],
    );
    check_api(
        json!({"basePath": "/", "upstreams": {}, "policies": [{"type": "ratelimit", "with": {"limits": [{"requests": 5, "per": "secnd"}]}}]}),
        expect!["/spec/policies/0/with/limits/0/per: unknown value `secnd`; did you mean `second`?"],
    );
    check_api(
        json!({"basePath": "/", "upstreams": {}, "policies": [{"type": "request.size", "limit": 5}]}),
        expect![[r#"
            /spec/policies/0/limit: unknown field `limit`; known fields: `type`, `with`
            /spec/policies/0: missing field `with`"#]],
    );
    check_api(
        json!({"basePath": "/", "upstreams": {}, "policies": [{"with": {}}]}),
        expect!["/spec/policies/0: missing field `type`"],
    );
}

#[test]
fn a_list_is_no_object() {
    check_api(
        json!({"basePath": "/", "upstreams": {"main": ["http://a"]}}),
        expect!["/spec/upstreams/main: expected an object, found a list"],
    );
    check_api(
        json!({"basePath": "/", "upstreams": {}, "policies": [["request.size", {"maxBytes": 1}]]}),
        expect!["/spec/policies/0: expected an object with the field `type`, found a list"],
    );
    check_api(
        json!({"basePath": "/", "upstreams": {}, "policies": [{"type": "request.size", "with": [1]}]}),
        expect!["/spec/policies/0/with: expected an object, found a list"],
    );
}

#[test]
fn a_choice_with_and_one_without_content_are_not_mixed_up() {
    let limited = |key: serde_json::Value| {
        json!({"basePath": "/", "upstreams": {}, "policies": [
            {"type": "ratelimit", "with": {"limits": [], "key": key}}
        ]})
    };
    check_api(limited(json!("consumer")), expect![[""]]);
    check_api(limited(json!({"header": "x"})), expect![[""]]);
    check_api(
        limited(json!("header")),
        expect!["/spec/policies/0/with/key: expected an object, found a text"],
    );
    check_api(
        limited(json!({"consumer": 1})),
        expect!["/spec/policies/0/with/key/consumer: expected a text, found an object"],
    );
    check_api(
        limited(json!(7)),
        expect!["/spec/policies/0/with/key: expected one of the known values, found a number"],
    );
    check_api(
        limited(json!({})),
        expect!["/spec/policies/0/with/key: expected an object with exactly one field"],
    );
}

#[test]
fn choices_are_named() {
    check_environment(
        json!({"gatewayType": "kong", "mode": "readwrite"}),
        expect!["/spec/mode: unknown value `readwrite`; did you mean `read-write`?"],
    );
    check_environment(
        json!({"gatewayType": "kong", "credentials": {"token": {"secretref": "x"}}}),
        expect!["/spec/credentials/token/secretref: unknown value `secretref`; did you mean `secretRef`?"],
    );
    check_environment(
        json!({"gatewayType": "kong", "credentials": {"token": {"env": "A", "file": "b"}}}),
        expect!["/spec/credentials/token: expected an object with exactly one field"],
    );
    check_environment(
        json!({"gatewayType": "Kong!"}),
        expect![
            "/spec/gatewayType: `Kong!` is not a valid name: use 1 to 63 lowercase letters, digits and `-`, starting and ending with a letter or digit"
        ],
    );
}
