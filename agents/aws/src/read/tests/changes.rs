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
