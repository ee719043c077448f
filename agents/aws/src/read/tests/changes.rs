//! What was applied, with what was changed since.

use gatehouse_connector_sdk::schemas::revision::RevisionContent;
use serde_json::{Value, json};

use super::aws::{over, proxied, rest};
use crate::read::{MethodSettings, Snapshot, changed, read};

fn snapshot() -> Snapshot {
    rest(json!({
        "/a": {"get": proxied("https://orders.internal/a")},
        "/b": {"get": proxied("https://orders.internal/b")},
    }))
}

/// What was applied says more than AWS does.
fn applied() -> RevisionContent {
    let content = read(&snapshot(), None).unwrap().content;
    let mut value = serde_json::to_value(content).unwrap();
    value["basePath"] = json!("/orders/v1");
    value["definition"] = Value::Null;
    value["upstreams"]["main"]["timeoutMs"] = json!(60_000);
    value["policies"] = json!([{"type": "request.size", "with": {"maxBytes": 1000}}]);
    value["operations"][0]["id"] = json!("listA");
    value["operations"][1]["policies"] = json!([{"type": "retry", "with": {"attempts": 1}}]);
    serde_json::from_value(value).unwrap()
}

fn now(snapshot: &Snapshot) -> RevisionContent {
    let applied = applied();
    let expected = read(&self::snapshot(), Some(&applied)).unwrap().content;
    let current = read(snapshot, Some(&applied)).unwrap().content;
    changed(&applied, &expected, current)
}

#[test]
fn what_nobody_touched_is_as_it_was_applied() {
    assert_eq!(now(&snapshot()), applied());
}

#[test]
fn what_was_changed_is_told_and_nothing_else() {
    let mut throttled = snapshot();
    let settings = MethodSettings {
        throttling_rate_limit: Some(5.0),
        throttling_burst_limit: Some(5),
        ..MethodSettings::default()
    };
    throttled.stage.method_settings.insert("*/*".to_owned(), settings);
    let mut expected = serde_json::to_value(applied()).unwrap();
    let limit =
        json!({"type": "ratelimit", "with": {"key": "api", "limits": [{"per": "second", "requests": 5}]}});
    expected["policies"].as_array_mut().unwrap().push(limit);
    assert_eq!(serde_json::to_value(now(&throttled)).unwrap(), expected);
}

/// Keys, limits and timeouts read back otherwise than they were written: one change tells of one policy.
#[test]
fn a_policy_that_was_changed_tells_nothing_of_the_others() {
    let with = |policies: &Value| {
        let mut content = serde_json::to_value(applied()).unwrap();
        content["policies"] = policies.clone();
        serde_json::from_value::<RevisionContent>(content).unwrap()
    };
    let keys = |forward: bool| {
        json!({"type": "auth.apiKey", "with": {"forward": forward, "in": "header", "name": "x-api-key",
            "keys": [{"consumer": "shop", "secretRef": "shop-key"}]}})
    };
    let limit = |key: &str, requests: u32| json!({"type": "ratelimit", "with": {"key": key, "limits": [{"per": "second", "requests": requests}]}});
    let timeout = json!({"type": "timeout", "with": {"responseMs": 29_000}});
    let applied = with(&json!([keys(false), limit("address", 100)]));
    let expected = with(&json!([keys(true), timeout, limit("consumer", 100)]));
    let table = [
        (
            json!([keys(true), limit("api", 5), timeout, limit("consumer", 100)]),
            json!([keys(false), limit("address", 100), limit("api", 5)]),
        ),
        (
            json!([keys(true), timeout, limit("consumer", 7)]),
            json!([keys(false), limit("consumer", 7)]),
        ),
        (
            json!([timeout, limit("consumer", 100)]),
            json!([limit("address", 100)]),
        ),
    ];
    for (current, told) in table {
        let changed = changed(&applied, &expected, with(&current));
        assert_eq!(serde_json::to_value(changed.policies).unwrap(), told);
    }
}

#[test]
fn operations_that_came_or_went_are_told() {
    let mut other = snapshot();
    let paths = json!({"/c": {"get": proxied("https://orders.internal/c")}, "/b": null});
    let paths = over(other.export["paths"].take(), paths);
    other.export["paths"] = paths;
    let now = now(&other);
    let paths: Vec<&str> = now.operations.iter().map(|it| it.r#match.path.as_str()).collect();
    assert_eq!(paths, ["/a", "/c"]);
    assert_eq!(now.operations[0].id.as_deref(), Some("listA"));
    assert_eq!(now.policies, applied().policies);
}

/// Answers of API Gateway itself in another form go along with what was asked for, and are not told with what was changed.
#[test]
fn what_aws_needs_beside_is_not_told_with_what_was_changed() {
    let beside = |snapshot: Snapshot| {
        let responses = json!({"MISSING_AUTHENTICATION_TOKEN": {"statusCode": "404"}});
        let extension = json!({"x-amazon-apigateway-gateway-responses": responses});
        Snapshot {
            export: over(snapshot.export, extension),
            ..snapshot
        }
    };
    let applied = applied();
    let expected = read(&beside(snapshot()), Some(&applied)).unwrap().content;
    let mut logged = beside(snapshot());
    let log = json!({"destinationArn": "arn:aws:logs:eu-west-1:123456789012:log-group:x", "format": "$context.requestId"});
    logged.stage.settings.insert("accessLogSettings".to_owned(), log);
    let current = read(&logged, Some(&applied)).unwrap().content;
    let now = changed(&applied, &expected, current);
    let types: Vec<&str> = now.policies.iter().map(|policy| policy.type_name()).collect();
    assert_eq!(types, ["request.size", "log", "native"]);
    let said = serde_json::to_string(&now.policies).unwrap();
    assert!(!said.contains("MISSING_AUTHENTICATION_TOKEN"), "{said}");
}
