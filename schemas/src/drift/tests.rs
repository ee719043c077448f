use expect_test::{Expect, expect};
use proptest::prelude::*;
use serde_json::json;
use uuid::Uuid;

use super::*;
use crate::{
    canonical::Fingerprint,
    desired::Mark,
    identity::{ApiId, EnvironmentId, ExternalRef, RevisionNumber},
};

fn content(changes: &Value) -> RevisionContent {
    let mut value = json!({
        "displayName": "Orders", "version": "v1", "type": "rest", "direction": "ingress", "basePath": "/orders",
        "hostnames": [], "upstreams": {"main": {"url": "http://a"}},
        "policies": [{"type": "ratelimit", "with": {"limits": [{"requests": 5, "per": "minute"}]}}],
        "operations": [
            {"match": {"method": "GET", "path": "/"}, "summary": "List"},
            {"match": {"method": "GET", "path": "/{id}"}, "summary": "Show"},
            {"match": {"method": "POST", "path": "/{id}"}, "summary": "Change"},
        ],
    });
    for (pointer, new) in changes.as_object().expect("changes") {
        let (parent, key) = pointer::split_last(pointer).expect("a place");
        match value.pointer_mut(parent).expect("a parent") {
            Value::Array(list) if key == "-" => list.push(new.clone()),
            Value::Array(list) if new.is_null() => drop(list.remove(key.parse().expect("an index"))),
            parent => parent[&key] = new.clone(),
        }
    }
    serde_json::from_value(value).expect("content")
}

fn desired(content: RevisionContent) -> DesiredApi {
    DesiredApi {
        mark: Mark {
            environment_id: EnvironmentId(Uuid::nil()),
            api_id: ApiId(Uuid::nil()),
            api_name: "orders".parse().expect("a name"),
            revision: RevisionNumber(1),
        },
        fingerprint: Fingerprint::of(&content).expect("a fingerprint"),
        content,
        secrets: Vec::new(),
    }
}

fn observed(content: RevisionContent) -> Observation {
    Observation::Present(Box::new(ObservedApi {
        external_ref: ExternalRef("svc-1".to_owned()),
        name: "orders".to_owned(),
        version: None,
        tags: Vec::new(),
        mark: None,
        endpoint_urls: Vec::new(),
        fingerprint: Fingerprint::of(&content).expect("a fingerprint"),
        definition: None,
        content,
    }))
}

fn told(drift: &Drift) -> String {
    let shown = |value: &Option<Value>| value.as_ref().map_or("-".to_owned(), Value::to_string);
    let mut lines = vec![format!(
        "{:?}{}",
        drift.state,
        drift
            .reason
            .as_deref()
            .map(|reason| format!(": {reason}"))
            .unwrap_or_default()
    )];
    for field in &drift.fields {
        let conflict = if field.conflict { " CONFLICT" } else { "" };
        let values = [&field.applied, &field.desired, &field.observed].map(shown);
        lines.push(format!("{} {}{conflict}", field.path, values.join(" | ")));
    }
    lines.join("\n")
}

fn check(applied: Value, wanted: Value, found: Value, ignore: &[&str], expected: Expect) {
    let ignore: Vec<String> = ignore.iter().map(|&rule| rule.to_owned()).collect();
    let drift = drift(
        Some(&content(&applied)),
        &desired(content(&wanted)),
        Some(&observed(content(&found))),
        &ignore,
    );
    expected.assert_eq(&told(&drift));
}

#[test]
fn what_is_not_known_is_unknown_and_what_is_not_there_is_missing() {
    let desired = desired(content(&json!({})));
    let unknown = Observation::Unknown {
        reason: "the gateway did not answer".to_owned(),
    };
    let told: Vec<String> = [None, Some(&unknown), Some(&Observation::Absent)]
        .map(|observation| told(&drift(None, &desired, observation, &[])))
        .into();
    expect![[r#"
        Unknown: nobody has looked at `orders` since it was deployed; `gatehouse drift` looks
        Unknown: the gateway did not answer
        Missing: the gateway answered, and `orders` is not there any more"#]]
    .assert_eq(&told.join("\n"));
}

#[test]
fn equal_fingerprints_are_in_sync_whatever_the_content() {
    let desired = desired(content(&json!({})));
    let Observation::Present(mut api) = observed(content(&json!({"/basePath": "/else"}))) else {
        unreachable!("it is present");
    };
    api.fingerprint = desired.fingerprint.clone();
    let drift = drift(None, &desired, Some(&Observation::Present(api)), &[]);
    assert_eq!((drift.state, drift.fields), (DriftState::InSync, Vec::new()));
}

#[test]
fn each_field_is_shown_three_ways() {
    check(
        json!({}),
        json!({"/displayName": "Orders 2", "/version": "v2"}),
        json!({"/displayName": "Changed there", "/upstreams/main/url": "http://b"}),
        &[],
        expect![[r#"
            Drifted
            /displayName "Orders" | "Orders 2" | "Changed there" CONFLICT
            /upstreams/main/url "http://a" | "http://a" | "http://b"
            /version "v1" | "v2" | "v1""#]],
    );
}

#[test]
fn operations_belong_together_by_what_they_match() {
    check(
        json!({}),
        json!({}),
        json!({"/operations/0": null, "/operations/-": {"match": {"method": "DELETE", "path": "/"}}}),
        &[],
        expect![[r#"
            Drifted
            /operations/0 {"deprecated":false,"match":{"method":"GET","path":"/"},"summary":"List"} | {"deprecated":false,"match":{"method":"GET","path":"/"},"summary":"List"} | -
            /operations/2 - | - | {"deprecated":false,"match":{"method":"DELETE","path":"/"}}"#]],
    );
}

#[test]
fn policies_belong_together_by_type() {
    check(
        json!({}),
        json!({"/policies/-": {"type": "request.size", "with": {"maxBytes": 5}}}),
        json!({"/policies": [
            {"type": "headers", "with": {}},
            {"type": "ratelimit", "with": {"limits": [{"requests": 50, "per": "minute"}]}},
        ]}),
        &[],
        expect![[r#"
            Drifted
            /policies/0/with/limits [{"per":"minute","requests":5}] | [{"per":"minute","requests":5}] | [{"per":"minute","requests":50}]
            /policies/1 - | {"type":"request.size","with":{"maxBytes":5}} | -
            /policies/0 - | - | {"type":"headers","with":{}}"#]],
    );
}

#[test]
fn another_order_of_policies_is_one_field() {
    let two = json!([{"type": "headers", "with": {}}, {"type": "request.size", "with": {"maxBytes": 5}}]);
    let turned = json!([two[1], two[0]]);
    check(
        json!({"/policies": two}),
        json!({"/policies": two}),
        json!({"/policies": turned}),
        &[],
        expect![[r#"
            Drifted
            /policies [{"type":"headers","with":{}},{"type":"request.size","with":{"maxBytes":5}}] | [{"type":"headers","with":{}},{"type":"request.size","with":{"maxBytes":5}}] | [{"type":"request.size","with":{"maxBytes":5}},{"type":"headers","with":{}}]"#]],
    );
}

#[test]
fn a_rule_covers_everything_below_it_and_a_star_stands_for_any_step() {
    let found = json!({"/displayName": "x", "/operations/1/summary": "y", "/upstreams/main/url": "http://b"});
    check(
        json!({}),
        json!({}),
        found.clone(),
        &["/displayName", "/operations/*/summary"],
        expect![[r#"
            Drifted
            /upstreams/main/url "http://a" | "http://a" | "http://b""#]],
    );
    check(
        json!({}),
        json!({}),
        found.clone(),
        &["/upstreams", "/*/*/summary", "/displayName/x"],
        expect![[r#"
            Drifted
            /displayName "Orders" | "Orders" | "x""#]],
    );
    check(
        json!({}),
        json!({}),
        found,
        &["/displayName", "/operations", "/upstreams/*"],
        expect![["InSync"]],
    );
}

#[test]
fn what_the_fingerprint_covers_beside_the_content_cannot_be_ignored() {
    let desired = desired(content(&json!({})));
    let Observation::Present(mut api) = observed(desired.content.clone()) else {
        unreachable!("it is present");
    };
    api.fingerprint = Fingerprint::of_bytes(b"other");
    let drift = drift(
        None,
        &desired,
        Some(&Observation::Present(api)),
        &["/*".to_owned(), String::new()],
    );
    assert_eq!(drift.state, DriftState::Drifted);
    assert_eq!(drift.fields.len(), 1);
}

#[test]
fn rules_are_checked() {
    for good in [
        "/displayName",
        "/operations/*/summary",
        "/*",
        "/upstreams/a~1b/url",
    ] {
        assert_eq!(check_rule(good), Ok(()), "{good}");
    }
    let refusals = [
        "",
        "displayName",
        "/",
        "/opertions",
        "/policies/~2",
        "/policies/a~",
    ]
    .map(|rule| check_rule(rule).expect_err("refused"));
    expect![[r#"
        `` is not a JSON Pointer; write it from `/`, like `/displayName` or `/operations/*/summary`
        `displayName` is not a JSON Pointer; write it from `/`, like `/displayName` or `/operations/*/summary`
        an API's content has no field ``; it has `displayName`, `version`, `type`, `direction`, `definition`, `hostnames`, `basePath`, `upstreams`, `policies`, `operations`
        an API's content has no field `opertions`; it has `displayName`, `version`, `type`, `direction`, `definition`, `hostnames`, `basePath`, `upstreams`, `policies`, `operations`
        `/policies/~2` has a `~` that is neither `~0` (for `~`) nor `~1` (for `/`)
        `/policies/a~` has a `~` that is neither `~0` (for `~`) nor `~1` (for `/`)"#]].assert_eq(&refusals.join("\n"));
}

fn any_content() -> impl Strategy<Value = RevisionContent> {
    let operations = prop::collection::btree_map((0_u8..4, 0_u8..3), 0_u8..3, 0..5);
    (operations, 0_u8..3, prop::bool::ANY, 0_u32..3).prop_map(|(operations, name, limited, size)| {
        let operations: Vec<Value> = operations
            .into_iter()
            .map(|((path, method), summary)| {
                let method = ["GET", "POST", "PUT"][usize::from(method)];
                json!({"match": {"method": method, "path": format!("/{path}")}, "summary": format!("s{summary}")})
            })
            .collect();
        let mut policies = vec![json!({"type": "request.size", "with": {"maxBytes": size + 1}})];
        if limited {
            policies.push(json!({"type": "ratelimit", "with": {"limits": [{"requests": 1, "per": "day"}]}}));
        }
        content(&json!({"/operations": operations, "/displayName": format!("n{name}"), "/policies": policies}))
    })
}

proptest! {
    #[test]
    fn only_what_differs_is_shown_and_all_of_it(
        applied in any_content(), wanted in any_content(), found in any_content()
    ) {
        let drift = drift(Some(&applied), &desired(wanted.clone()), Some(&observed(found.clone())), &[]);
        prop_assert_eq!(drift.state == DriftState::InSync, wanted == found);
        for field in &drift.fields {
            prop_assert_ne!(&field.desired, &field.observed);
            let expected = field.applied != field.desired && field.applied != field.observed;
            prop_assert_eq!(field.conflict, expected);
        }
    }

    #[test]
    fn without_our_own_change_there_is_no_conflict(applied in any_content(), found in any_content()) {
        let drift = drift(Some(&applied), &desired(applied.clone()), Some(&observed(found)), &[]);
        prop_assert!(drift.fields.iter().all(|field| !field.conflict));
    }

    #[test]
    fn what_is_ignored_makes_no_drift(wanted in any_content(), found in any_content()) {
        let all = FIELDS.map(|field| format!("/{field}"));
        let drift = drift(None, &desired(wanted), Some(&observed(found)), &all);
        prop_assert_eq!(drift.state, DriftState::InSync);
    }
}

/// What is overwritten where this was applied, this was seen, and this is deployed.
fn lost(applied: &Value, seen: &Value, deployed: &Value) -> Vec<String> {
    let lost = overwritten(
        Some(&content(applied)),
        &desired(content(deployed)),
        &observed(content(seen)),
    );
    lost.iter().map(ToString::to_string).collect()
}

#[test]
fn what_was_changed_by_hand_is_overwritten_and_nothing_else() {
    let renamed = json!({"/displayName": "Bestellungen"});
    let newer = json!({"/version": "v2"});
    assert_eq!(
        lost(&json!({}), &renamed, &newer),
        ["`/displayName` was \"Bestellungen\""],
        "the catalog alone changed the version"
    );
    assert!(lost(&json!({}), &renamed, &renamed).is_empty(), "it is adopted");
    assert!(lost(&json!({}), &json!({}), &newer).is_empty());
    assert_eq!(
        lost(&json!({}), &renamed, &json!({"/displayName": "Commandes"})),
        ["`/displayName` was \"Bestellungen\""],
        "both changed it"
    );
    let long = json!({"/displayName": "x".repeat(200)});
    let shown = lost(&json!({}), &long, &json!({})).remove(0);
    assert!(shown.ends_with('…') && shown.len() < 160, "{shown}");
}

#[test]
fn what_was_taken_off_is_put_there_again() {
    let told = |observation: &Observation| {
        let lost = overwritten(None, &desired(content(&json!({}))), observation);
        lost.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(told(&Observation::Absent), ["the API was not there"]);
    let unknown = Observation::Unknown {
        reason: "away".to_owned(),
    };
    assert!(told(&unknown).is_empty());
    let without = json!({"/operations/2": null});
    assert_eq!(
        lost(&json!({}), &without, &json!({})),
        ["`/operations/2` was not there"]
    );
}
