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
        expect![[""]],
    );
}

#[test]
fn a_wrong_type_is_told_without_the_value() {
    check_api(
        json!({"basePath": "/", "upstreams": {"main": {"url": "http://a", "timeoutMs": "hunter2"}}}),
        expect![[""]],
    );
    check_api(json!({"basePath": 7, "upstreams": {}}), expect![[""]]);
    check_api(json!({"basePath": "/", "upstreams": []}), expect![[""]]);
    check_api(
        json!({"basePath": "/", "upstreams": {"main": {"url": "http://a", "timeoutMs": -1}}}),
        expect![[""]],
    );
    check_api(json!("text"), expect![[""]]);
}

#[test]
fn a_missing_field_is_named_at_its_object() {
    check_api(json!({"basePath": "/", "upstreams": {"main": {}}}), expect![[""]]);
}

#[test]
fn an_unknown_policy_type_names_the_nearest() {
    check_api(
        json!({"basePath": "/", "upstreams": {}, "policies": [{"type": "auth.apikey", "with": {"keys": []}}]}),
        expect![[""]],
    );
    check_api(
        json!({"basePath": "/", "upstreams": {}, "policies": [{"type": "frobnicate", "with": {}}]}),
        expect![[""]],
    );
}

#[test]
fn parameters_of_a_policy_are_as_strict() {
    check_api(
        json!({"basePath": "/", "upstreams": {}, "policies": [{"type": "request.size", "with": {"maxbyte": 5}}]}),
        expect![[""]],
    );
    check_api(
        json!({"basePath": "/", "upstreams": {}, "policies": [{"type": "ratelimit", "with": {"limits": [{"requests": 5, "per": "secnd"}]}}]}),
        expect![[""]],
    );
    check_api(
        json!({"basePath": "/", "upstreams": {}, "policies": [{"type": "request.size", "limit": 5}]}),
        expect![[""]],
    );
    check_api(
        json!({"basePath": "/", "upstreams": {}, "policies": [{"with": {}}]}),
        expect![[""]],
    );
}

#[test]
fn choices_are_named() {
    check_environment(json!({"gatewayType": "kong", "mode": "readwrite"}), expect![[""]]);
    check_environment(
        json!({"gatewayType": "kong", "credentials": {"token": {"secretref": "x"}}}),
        expect![[""]],
    );
    check_environment(
        json!({"gatewayType": "kong", "credentials": {"token": {"env": "A", "file": "b"}}}),
        expect![[""]],
    );
    check_environment(json!({"gatewayType": "Kong!"}), expect![[""]]);
}
