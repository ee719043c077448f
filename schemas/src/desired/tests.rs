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

fn sizes(layers: &[Layer<'_>]) -> Vec<u64> {
    let policies = layers.iter().flat_map(|layer| layer.policies);
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
fn attached_policies_are_merged_and_secrets_of_operations_are_pinned() {
    let sets = [set("limits", json!([{"project": "payments"}]), 1)];
    let versions = BTreeMap::from([
        (name("key-a"), ResourceVersion(7)),
        (name("unused"), ResourceVersion(1)),
    ]);
    let desired = compose(
        mark(),
        &content(),
        &attached(&orders(), &name("local"), &sets),
        &name("native"),
        &versions,
    );
    assert_eq!(sizes(&[Layer::of(&desired.content.policies)]), [1]);
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
    let first = compose(mark(), &content(), &[], &name("native"), &at(1));
    let second = compose(mark(), &content(), &[], &name("native"), &at(2));
    assert_ne!(first.fingerprint, second.fingerprint);
    let marked = Mark {
        revision: RevisionNumber(2),
        ..mark()
    };
    assert_eq!(
        first.fingerprint,
        compose(marked, &content(), &[], &name("native"), &at(1)).fingerprint
    );
}

#[test]
fn locks_and_gateway_types_decide_what_operations_keep() {
    let spec = json!({"targets": [{"project": "payments"}], "lock": ["cors", "respond"],
        "policies": [{"type": "cors", "with": {"allowOrigins": ["https://a.example"]}}]});
    let sets = [(
        name("base"),
        serde_json::from_value(spec).expect("a set of policies"),
    )];
    let mut content = content();
    content.operations[0].policies = serde_json::from_value(json!([
        {"type": "cors", "with": {"allowOrigins": ["*"]}},
        {"type": "native", "with": {"gatewayType": "kong", "config": {"a": 1}}},
        {"type": "ip.filter", "with": {"deny": ["10.0.0.1"]}},
        {"type": "request.size", "with": {"maxBytes": 99}},
    ]))
    .expect("policies");
    let composed = |gateway_type: &str| {
        let attached = attached(&orders(), &name("local"), &sets);
        compose(mark(), &content, &attached, &name(gateway_type), &BTreeMap::new()).content
    };
    let kinds = |policies: &[Policy]| policies.iter().map(Policy::type_name).collect::<Vec<_>>();
    let native = composed("native");
    assert_eq!(kinds(&native.policies), ["cors", "request.size"]);
    assert_eq!(
        kinds(&native.operations[0].policies),
        ["ip.filter", "request.size"]
    );
    assert_eq!(
        kinds(&composed("kong").operations[0].policies),
        ["native", "ip.filter", "request.size"]
    );
}

#[test]
fn what_is_composed_puts_in_force_what_all_layers_together_do() {
    let sets = [
        set("limits", json!([{"project": "payments"}]), 5),
        set("place", json!([{"environment": "local"}]), 3),
    ];
    let (api, content) = (orders(), content());
    let local = name("local");
    let native = name("native");
    let layers = layers(&api, Some(&local), &sets, &content, Some(0));
    let places: Vec<String> = layers
        .iter()
        .map(|layer| format!("{} {}", layer.origin.object, layer.origin.list))
        .collect();
    assert_eq!(
        places,
        [
            "policy/limits /policies",
            "policy/place /policies",
            "api/orders /policies",
            "api/orders /operations/0/policies"
        ]
    );
    let desired = compose(
        mark(),
        &content,
        &attached(&api, &local, &sets),
        &native,
        &BTreeMap::new(),
    );
    let composed = [
        Layer::of(&desired.content.policies),
        Layer::of(&desired.content.operations[0].policies),
    ];
    let canonical = |policies: Vec<&Policy>| policies.into_iter().map(Policy::canonical).collect::<Vec<_>>();
    assert_eq!(
        canonical(merge(&composed, Some(&native))),
        canonical(merge(&layers, Some(&native)))
    );
    assert_eq!(super::layers(&api, None, &sets, &content, None).len(), 2);
}
