//! Private endpoints.

use expect_test::{Expect, expect};
use serde_json::{Value, json};

use super::aws::{proxied, rest, told};
use crate::read::{Snapshot, read};

fn statement(effect: &str, condition: Value) -> Value {
    json!({
        "Effect": effect, "Principal": "*", "Action": "execute-api:Invoke",
        "Resource": "arn:aws:execute-api:eu-west-1:123456789012:abc123/*", "Condition": condition,
    })
}

fn private(statements: &Value) -> Snapshot {
    let mut snapshot = rest(json!({"/a": {"get": proxied("https://orders.internal/a")}}));
    snapshot.endpoint_types = vec!["PRIVATE".to_owned()];
    snapshot.vpc_endpoint_ids = vec!["vpce-1".to_owned(), "vpce-2".to_owned()];
    snapshot.private_urls = vec!["https://abc123-vpce-1.example/prod".to_owned()];
    snapshot.policy = Some(json!({"Version": "2012-10-17", "Statement": statements}).to_string());
    snapshot
}

fn check(statements: &Value, expected: Expect) {
    expected.assert_eq(&told(&private(statements)));
}

#[test]
fn its_own_endpoints_are_no_filter() {
    let own = || json!({"aws:SourceVpce": ["vpce-2", "vpce-1"]});
    let everybody = statement("Allow", json!({}));
    let far = statement(
        "Deny",
        json!({"NotIpAddress": {"aws:VpcSourceIp": ["10.0.0.0/8"]}}),
    );
    check(
        &json!([
            everybody,
            statement("Deny", json!({"StringNotEquals": own()})),
            far
        ]),
        expect![[r#"
            /orders -> main=https://orders.internal (29000 ms)
            {"type":"ip.filter","with":{"allow":["10.0.0.0/8"]}}
            GET /a
            note: its endpoint is private: it is reached from networks with a VPC endpoint alone"#]],
    );
    check(
        &json!([statement("Allow", json!({"StringEquals": own()}))]),
        expect![[r#"
            /orders -> main=https://orders.internal (29000 ms)
            GET /a
            note: its endpoint is private: it is reached from networks with a VPC endpoint alone"#]],
    );
}

#[test]
fn other_endpoints_are_kept_and_told() {
    let others = json!({"StringNotEquals": {"aws:SourceVpce": "vpce-1"}});
    let said = told(&private(&json!([
        statement("Allow", json!({})),
        statement("Deny", others)
    ])));
    assert!(said.contains(r#""resourcePolicy":{"Statement":["#), "{said}");
    assert!(
        said.contains("note: its resource policy is kept as a `native` policy"),
        "{said}"
    );
}

#[test]
fn it_is_reached_at_its_endpoints() {
    let urls = read(&private(&json!([])), None).unwrap().endpoint_urls;
    assert_eq!(urls, ["https://abc123-vpce-1.example/prod"]);
}
