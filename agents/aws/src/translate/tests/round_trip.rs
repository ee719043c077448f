//! What is written is read again: a document of ours, as AWS gives it back, says the operations and policies of the API.

use gatehouse_connector_sdk::schemas::policy::Policy;
use serde_json::{Value, json};

use super::{api, form, http, rest};
use crate::{
    config::AwsSettings,
    read::{Kind, Snapshot, Stage, read},
};

/// What is read of what is written of an API, knowing what was applied.
fn check(policies: &Value, operations: &[(&str, &str, Value)], settings: &AwsSettings) {
    let desired = api(policies, operations);
    let form = form(&desired, settings);
    let is_rest = form.kind == crate::translate::Kind::Rest;
    let snapshot = Snapshot {
        kind: if is_rest { Kind::Rest } else { Kind::Http },
        id: "a1b2c3".to_owned(),
        name: "Shop".to_owned(),
        stage: Stage {
            name: "live".to_owned(),
            ..Stage::default()
        },
        export: form.document,
        ..Snapshot::default()
    };
    let read = read(&snapshot, Some(&desired.content)).expect("an API").content;
    let places = |content: &gatehouse_connector_sdk::schemas::revision::RevisionContent| -> Vec<String> {
        let operations = content.operations.iter();
        operations
            .map(|it| format!("{} {}", it.r#match.method, it.r#match.path))
            .collect()
    };
    let mut wanted = desired.content.clone();
    wanted
        .operations
        .sort_by(|one, other| one.order().cmp(&other.order()));
    assert_eq!(places(&read), places(&wanted));
    assert_eq!(read.upstreams, wanted.upstreams);
    let ours = |policies: &[Policy]| -> Vec<Policy> {
        let canonical = policies.iter().map(Policy::canonical);
        canonical
            .filter(|policy| !matches!(policy, Policy::Native(_)))
            .collect()
    };
    assert_eq!(ours(&read.policies), ours(&wanted.policies));
    for (own, wanted) in read.operations.iter().zip(&wanted.operations) {
        assert_eq!(
            ours(&own.policies),
            ours(&wanted.policies),
            "{}",
            wanted.r#match.path
        );
    }
}

#[test]
fn operations_and_upstreams_come_back() {
    let operations = [
        ("GET", "/items", json!([])),
        ("POST", "/items", json!([])),
        ("*", "/items/{id}", json!([])),
    ];
    check(&json!([]), &operations, &rest());
    check(&json!([]), &operations, &http());
    check(&json!([]), &[], &rest());
    check(&json!([]), &[], &http());
}

#[test]
fn policies_that_the_document_holds_come_back() {
    let filter = json!([{"type": "ip.filter", "with": {"allow": ["10.0.0.0/8"], "deny": ["10.1.0.0/16"]}}]);
    check(&filter, &[("GET", "/items", json!([]))], &rest());
    let headers = json!([{"type": "headers", "with": {"request": {"set": {"x-from": "aws"}}}}]);
    check(&headers, &[("GET", "/items", json!([]))], &rest());
    check(&headers, &[("GET", "/items", json!([]))], &http());
    let validate = json!([{"type": "request.validate", "with": {"requiredHeaders": ["x-a"], "bodySchema": {"type": "object"}}}]);
    check(&json!([]), &[("POST", "/items", validate)], &rest());
}
