//! How much: usage plans, throttling, caches.

use std::collections::BTreeMap;

use expect_test::{Expect, expect};
use serde_json::json;

use super::aws::{a_plan, over, proxied, rest, told};
use crate::read::{MethodSettings, Quota, Snapshot, Throttle};

fn check(snapshot: &Snapshot, expected: Expect) {
    let told = told(snapshot);
    let (_, rest) = told.split_once('\n').unwrap_or((&told, ""));
    expected.assert_eq(rest);
}

fn with_key() -> Snapshot {
    let method = over(
        proxied("https://orders.internal/a"),
        json!({"security": [{"api_key": []}]}),
    );
    let mut snapshot = rest(json!({"/a": {"get": method}}));
    snapshot.export["components"]["securitySchemes"] =
        json!({"api_key": {"type": "apiKey", "name": "x-api-key", "in": "header"}});
    snapshot.usage_plans = vec![a_plan()];
    snapshot
}

fn throttled(rate_limit: f64, burst_limit: i64) -> Snapshot {
    let mut snapshot = with_key();
    snapshot.usage_plans[0].throttle = Some(Throttle {
        rate_limit,
        burst_limit,
    });
    snapshot
}

#[test]
fn rates_of_a_usage_plan_are_those_of_its_keys() {
    check(
        &throttled(100.0, 100),
        expect![[r#"
        {"type":"auth.apiKey","with":{"forward":true,"in":"header","keys":[{"consumer":"alice","secretRef":"orders-alice-key"},{"consumer":"bob","secretRef":"orders-bob-key"}],"name":"x-api-key"}}
        {"type":"ratelimit","with":{"key":"consumer","limits":[{"per":"second","requests":100}]}}
        GET /a"#]],
    );
    check(
        &throttled(1.6667, 100),
        expect![[r#"
        {"type":"auth.apiKey","with":{"forward":true,"in":"header","keys":[{"consumer":"alice","secretRef":"orders-alice-key"},{"consumer":"bob","secretRef":"orders-bob-key"}],"name":"x-api-key"}}
        {"type":"ratelimit","with":{"key":"consumer","limits":[{"per":"minute","requests":100}]}}
        GET /a"#]],
    );
    check(
        &throttled(50.0, 200),
        expect![[r#"
        {"type":"auth.apiKey","with":{"forward":true,"in":"header","keys":[{"consumer":"alice","secretRef":"orders-alice-key"},{"consumer":"bob","secretRef":"orders-bob-key"}],"name":"x-api-key"}}
        {"type":"ratelimit","with":{"key":"consumer","limits":[{"per":"second","requests":50}]}}
        GET /a
        note: usage plan `gold`: 50 requests in a second and 200 at once; elsewhere than on AWS, the rate alone counts"#]],
    );
    check(
        &throttled(0.5, 7),
        expect![[r#"
        {"type":"auth.apiKey","with":{"forward":true,"in":"header","keys":[{"consumer":"alice","secretRef":"orders-alice-key"},{"consumer":"bob","secretRef":"orders-bob-key"}],"name":"x-api-key"}}
        {"type":"ratelimit","with":{"key":"consumer","limits":[{"per":"minute","requests":30}]}}
        GET /a
        note: usage plan `gold`: 0.5 requests in a second and 7 at once; elsewhere than on AWS, the rate alone counts"#]],
    );
}

#[test]
fn quotas_are_of_calendar_periods() {
    let mut snapshot = with_key();
    let mut quota = |period: &str, offset| {
        snapshot.usage_plans[0].quota = Some(Quota {
            limit: 1_000,
            offset,
            period: period.to_owned(),
        });
        snapshot.clone()
    };
    check(
        &quota("MONTH", 0),
        expect![[r#"
        {"type":"auth.apiKey","with":{"forward":true,"in":"header","keys":[{"consumer":"alice","secretRef":"orders-alice-key"},{"consumer":"bob","secretRef":"orders-bob-key"}],"name":"x-api-key"}}
        {"type":"quota","with":{"key":"consumer","per":"month","requests":1000}}
        GET /a"#]],
    );
    check(
        &quota("WEEK", 1),
        expect![[r#"
            {"type":"auth.apiKey","with":{"forward":true,"in":"header","keys":[{"consumer":"alice","secretRef":"orders-alice-key"},{"consumer":"bob","secretRef":"orders-bob-key"}],"name":"x-api-key"}}
            {"type":"quota","with":{"key":"consumer","per":"week","requests":1000}}
            GET /a
            note: usage plan `gold`: the first period of a key has 1 requests less, on AWS alone
            note: usage plan `gold`: weeks begin on Sunday on AWS, and on Monday elsewhere"#]],
    );
    check(
        &quota("WEEK", 0),
        expect![[r#"
            {"type":"auth.apiKey","with":{"forward":true,"in":"header","keys":[{"consumer":"alice","secretRef":"orders-alice-key"},{"consumer":"bob","secretRef":"orders-bob-key"}],"name":"x-api-key"}}
            {"type":"quota","with":{"key":"consumer","per":"week","requests":1000}}
            GET /a
            note: usage plan `gold`: weeks begin on Sunday on AWS, and on Monday elsewhere"#]],
    );
}

#[test]
fn plans_that_differ_are_kept() {
    let mut snapshot = throttled(100.0, 100);
    let mut silver = a_plan();
    "silver".clone_into(&mut silver.name);
    silver.keys.truncate(1);
    snapshot.usage_plans.push(silver);
    check(
        &snapshot,
        expect![[r#"
        {"type":"auth.apiKey","with":{"forward":true,"in":"header","keys":[{"consumer":"alice","secretRef":"orders-alice-key"},{"consumer":"bob","secretRef":"orders-bob-key"}],"name":"x-api-key"}}
        {"type":"native","with":{"config":{"usagePlans":[{"keys":["alice","bob","carol"],"methods":{},"name":"gold","quota":null,"throttle":{"burstLimit":100,"rateLimit":100}},{"keys":["alice"],"methods":{},"name":"silver","quota":null,"throttle":null}]},"gatewayType":"aws"}}
        GET /a
        note: several usage plans cover the stage and limit their keys differently; they are kept as a `native` policy, and elsewhere than on AWS nobody is limited by them"#]],
    );
}

#[test]
fn a_plan_that_nobody_needs_limits_nobody() {
    let mut snapshot = rest(json!({"/a": {"get": proxied("https://orders.internal/a")}}));
    snapshot.usage_plans = throttled(100.0, 100).usage_plans;
    check(
        &snapshot,
        expect![[r#"
        GET /a
        note: usage plan `gold` covers the stage, and no method asks for a key, so it limits nobody"#]],
    );
}

#[test]
fn methods_have_limits_of_their_own() {
    let mut snapshot = rest(json!({
        "/a": {"get": proxied("https://orders.internal/a")},
        "/b/{id}": {"get": proxied("https://orders.internal/c")},
    }));
    let settings = |rate: f64, burst| MethodSettings {
        throttling_rate_limit: Some(rate),
        throttling_burst_limit: Some(burst),
        ..MethodSettings::default()
    };
    snapshot.stage.method_settings = BTreeMap::from([
        ("*/*".to_owned(), settings(500.0, 500)),
        ("~1b~1{id}/GET".to_owned(), settings(5.0, 5)),
    ]);
    check(
        &snapshot,
        expect![[r#"
        {"type":"ratelimit","with":{"key":"api","limits":[{"per":"second","requests":500}]}}
        GET /a
        GET /b/{id}
          {"type":"ratelimit","with":{"key":"api","limits":[{"per":"second","requests":5}]}}
          {"type":"rewrite","with":{"path":"/c"}}"#]],
    );
    snapshot.stage.method_settings = BTreeMap::from([("*/*".to_owned(), settings(10_000.0, 5_000))]);
    check(
        &snapshot,
        expect![[r#"
        GET /a
        GET /b/{id}
          {"type":"rewrite","with":{"path":"/c"}}"#]],
    );
}

#[test]
fn answers_are_kept_where_the_stage_has_a_cache() {
    let mut get = proxied("https://orders.internal/a");
    get["x-amazon-apigateway-integration"]["cacheKeyParameters"] =
        json!(["method.request.querystring.q", "method.request.header.Accept"]);
    let mut snapshot = rest(json!({"/a": {"get": get, "post": proxied("https://orders.internal/a")}}));
    let settings = MethodSettings {
        caching_enabled: Some(true),
        cache_ttl_in_seconds: Some(120),
        ..MethodSettings::default()
    };
    snapshot.stage.method_settings = BTreeMap::from([("*/*".to_owned(), settings)]);
    check(
        &snapshot,
        expect![[r#"
        GET /a
        POST /a"#]],
    );
    snapshot.stage.cache_cluster_enabled = true;
    check(
        &snapshot,
        expect![[r#"
        GET /a
          {"type":"cache","with":{"perConsumer":false,"ttlSeconds":120,"varyHeaders":["accept"],"varyQuery":["q"]}}
        POST /a
        note: answers are kept also where they say they must not be; elsewhere than on AWS, those are not"#]],
    );
}
