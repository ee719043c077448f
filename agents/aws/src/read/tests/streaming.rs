//! Answers that are passed on as they come.

use expect_test::expect;
use serde_json::{Value, json};

use super::aws::{lines, proxied, rest};
use crate::read::read;

/// What an export says of it, whether the method says how long it may take or not.
fn streamed(milliseconds: u64) -> Value {
    let mut method = proxied("https://orders.internal/events");
    let integration = &mut method["x-amazon-apigateway-integration"];
    integration["responseTransferMode"] = json!("STREAM");
    integration["timeoutInMillis"] = json!(milliseconds);
    method
}

#[test]
fn they_are_kept_with_the_time_they_may_take() {
    let snapshot = rest(json!({
        "/events": {"get": streamed(600_000)}, "/a": {"get": proxied("https://orders.internal/a")},
    }));
    expect![[r#"
        /orders -> main=https://orders.internal (600000 ms)
        GET /a
        GET /events
          {"type":"native","with":{"config":{"operation":{"x-amazon-apigateway-integration":{"responseTransferMode":"STREAM"}}},"gatewayType":"aws"}}
        note: GET /events: `responseTransferMode` of its integration kept as a `native` policy"#]].assert_eq(&lines(&read(&snapshot, None).unwrap()));
}

/// What may take longer than AWS lets it is as it was applied.
#[test]
fn a_longer_time_than_aws_takes_is_as_it_was_applied() {
    let snapshot = rest(json!({"/events": {"get": streamed(900_000)}}));
    let mut applied = read(&snapshot, None).unwrap().content;
    let main = applied.upstreams.get_mut("main").unwrap();
    main.timeout_ms = 1_200_000;
    let now = read(&snapshot, Some(&applied)).unwrap().content;
    assert_eq!(now.upstreams, applied.upstreams);
}
