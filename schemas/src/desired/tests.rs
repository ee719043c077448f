use serde_json::json;
use uuid::Uuid;

use super::*;

fn name(text: &str) -> ResourceName {
    text.parse().expect("a name")
}

fn set(set: &str, targets: serde_json::Value, max_bytes: u64) -> (ResourceName, PolicySpec) {
    let spec =
        json!({"targets": targets, "policies": [{"type": "request.size", "with": {"maxBytes": max_bytes}}]});
    (
        name(set),
        serde_json::from_value(spec).expect("a set of policies"),
    )
}

fn sizes(attached: &[&[Policy]]) -> Vec<u64> {
    let policies = attached.iter().copied().flatten();
    policies
        .map(|policy| match policy {
            Policy::RequestSize(size) => size.max_bytes,
            other => panic!("{other:?}"),
        })
        .collect()
}

fn orders() -> Metadata {
    let mut metadata = Metadata::named(name("orders"));
    metadata.project = name("payments");
    metadata.labels = BTreeMap::from([
        ("tier".to_owned(), "public".to_owned()),
        ("x".to_owned(), "y".to_owned()),
    ]);
    metadata
}

#[test]
fn sets_are_ordered_by_reach_then_by_name_and_count_once() {
    let sets = [
        set("a-labels", json!([{"labels": {"tier": "public"}}]), 1),
        set("b-environment", json!([{"environment": "local"}]), 2),
        set("d-project", json!([{"project": "payments"}]), 3),
        set(
            "c-project",
            json!([{"labels": {"tier": "public"}}, {"project": "payments"}]),
            4,
        ),
        set(
            "other",
            json!([{"project": "other"}, {"environment": "other"}, {"labels": {"tier": "internal"}}, {"labels": {"tier": "public", "z": "z"}}]),
            5,
        ),
    ];
    assert_eq!(sizes(&attached(&orders(), &name("local"), &sets)), [4, 3, 2, 1]);
    assert_eq!(sizes(&attached(&orders(), &name("elsewhere"), &sets)), [4, 3, 1]);
}

fn content() -> RevisionContent {
    serde_json::from_value(json!({
        "displayName": "Orders", "version": "v1", "type": "rest", "direction": "ingress", "basePath": "/orders",
        "upstreams": {"main": {"url": "http://a"}},
        "policies": [{"type": "request.size", "with": {"maxBytes": 9}}],
        "operations": [{"match": {"method": "GET", "path": "/"}, "policies": [
            {"type": "auth.apiKey", "with": {"keys": [{"consumer": "b", "secretRef": "key-b"}, {"consumer": "a", "secretRef": "key-a"}]}}
        ]}],
    }))
    .expect("content")
}

fn mark() -> Mark {
    Mark {
        environment_id: EnvironmentId(Uuid::nil()),
        api_id: ApiId(Uuid::nil()),
        api_name: name("orders"),
        revision: RevisionNumber(1),
    }
}

#[test]
fn attached_policies_come_first_and_secrets_of_operations_are_pinned() {
    let sets = [set("limits", json!([{"project": "payments"}]), 1)];
    let versions = BTreeMap::from([
        (name("key-a"), ResourceVersion(7)),
        (name("unused"), ResourceVersion(1)),
    ]);
    let desired = compose(
        mark(),
        &content(),
        &attached(&orders(), &name("local"), &sets),
        &versions,
    );
    assert_eq!(sizes(&[&desired.content.policies]), [1, 9]);
    let pinned: Vec<(&str, u64)> = desired
        .secrets
        .iter()
        .map(|secret| (secret.name.as_str(), secret.version.0))
        .collect();
    assert_eq!(pinned, [("key-a", 7), ("key-b", 0)]);
}

#[test]
fn a_new_version_of_a_secret_is_another_desired_state_and_the_mark_is_not() {
    let at = |version| BTreeMap::from([(name("key-a"), ResourceVersion(version))]);
    let first = compose(mark(), &content(), &[], &at(1));
    let second = compose(mark(), &content(), &[], &at(2));
    assert_ne!(first.fingerprint, second.fingerprint);
    let marked = Mark {
        revision: RevisionNumber(2),
        ..mark()
    };
    assert_eq!(
        first.fingerprint,
        compose(marked, &content(), &[], &at(1)).fingerprint
    );
}
