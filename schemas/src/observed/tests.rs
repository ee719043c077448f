use std::collections::BTreeSet;

use expect_test::expect;
use proptest::prelude::*;
use serde_json::json;
use uuid::Uuid;

use super::*;
use crate::identity::{ApiId, EnvironmentId, ResourceName, RevisionNumber};

fn content(base_path: &str) -> RevisionContent {
    serde_json::from_value(json!({
        "displayName": "Orders", "version": "v1", "type": "rest", "direction": "ingress", "basePath": base_path,
        "upstreams": {"main": {"url": "http://a"}},
    }))
    .expect("content")
}

fn entry(id: u128, name: &str, external_ref: Option<&str>, base_path: &str) -> CatalogEntry {
    let content = content(base_path);
    CatalogEntry {
        api_id: ApiId(Uuid::from_u128(id)),
        name: name.parse().expect("a name"),
        external_ref: external_ref.map(|reference| ExternalRef(reference.to_owned())),
        gateway_name: None,
        fingerprint: Fingerprint::of(&content).expect("a fingerprint"),
        content,
    }
}

fn item(external_ref: &str, name: &str, base_path: &str, marked: Option<u128>) -> DiscoveredItem {
    let content = content(base_path);
    DiscoveredItem::Api(Box::new(ObservedApi {
        version: None,
        tags: Vec::new(),
        definition: None,
        external_ref: ExternalRef(external_ref.to_owned()),
        name: name.to_owned(),
        mark: marked.map(|id| Mark {
            environment_id: EnvironmentId(Uuid::nil()),
            api_id: ApiId(Uuid::from_u128(id)),
            api_name: "orders".parse().expect("a name"),
            revision: RevisionNumber(1),
        }),
        endpoint_urls: Vec::new(),
        fingerprint: Fingerprint::of(&content).expect("a fingerprint"),
        content,
    }))
}

fn catalog() -> CatalogView {
    CatalogView::new(vec![
        entry(1, "orders", Some("svc-1"), "/orders"),
        entry(2, "users", None, "/users"),
    ])
}

#[test]
fn each_finding_has_its_class() {
    let unreadable = DiscoveredItem::Unreadable {
        external_ref: ExternalRef("svc-1".to_owned()),
        name: "orders".to_owned(),
        reason: "the definition is not JSON".to_owned(),
    };
    let findings = [
        item("svc-1", "renamed", "/orders", None),
        item("svc-1", "orders", "/moved", None),
        item("svc-9", "Invoices API", "/invoices", None),
        item("svc-9", "anything", "/users/", Some(2)),
        item("svc-9", "Users", "/elsewhere", None),
        item("svc-9", "people", "/users", None),
        item("svc-9", "people", "/people", Some(77)),
        unreadable,
    ];
    let classes: Vec<String> = findings
        .iter()
        .map(|finding| serde_json::to_string(&classify(finding, &catalog())).expect("JSON"))
        .collect();
    expect![[r#"
        {"class":"unchanged"}
        {"class":"changed","changes":[{"path":"/basePath","before":"/orders","after":"/moved"}],"changeClass":"breaking","consumers":[{"place":"the API","class":"breaking","message":"it is reached below `/moved`, not `/orders`"}]}
        {"class":"new","duplicates":[{"api":"users","evidence":["same upstream","same name"]}]}
        {"class":"changed","changes":[{"path":"/basePath","before":"/users","after":"/users/"}],"changeClass":"cosmetic"}
        {"class":"conflict","reason":"the name `users` belongs to another API of the catalog; rename one of the two; it may be that API on another gateway: same upstream, same name"}
        {"class":"conflict","reason":"`* /users` on host `*` belongs to API `users` of the catalog; it may be that API on another gateway: same upstream, same name"}
        {"class":"conflict","reason":"it carries the mark of API `orders` (00000000-0000-0000-0000-00000000004d), which is not in this catalog; another control plane may own it"}
        {"class":"error","reason":"the definition is not JSON"}"#]].assert_eq(&classes.join("\n"));
}

#[test]
fn only_a_complete_run_says_that_something_is_gone() {
    let catalog = catalog();
    let seen = BTreeSet::from([ExternalRef("svc-2".to_owned())]);
    assert!(gone(&catalog, &seen, false).is_empty());
    let names: Vec<&str> = gone(&catalog, &seen, true)
        .iter()
        .map(|entry| entry.name.as_str())
        .collect();
    assert_eq!(names, ["orders"]);
}

#[test]
fn names_of_gateways_become_resource_names() {
    for (name, expected) in [
        ("Orders API (v2)", Some("orders-api-v2")),
        ("--x--", Some("x")),
        ("übung", Some("bung")),
        ("日本", None),
        ("", None),
    ] {
        assert_eq!(
            resource_name(name).as_ref().map(ResourceName::as_str),
            expected,
            "{name}"
        );
    }
    assert_eq!(
        resource_name(&"ab ".repeat(40)).map(|name| name.as_str().len()),
        Some(62)
    );
}

fn listed(external_ref: &str, name: &str) -> DiscoveredItem {
    DiscoveredItem::Unchanged {
        external_ref: ExternalRef(external_ref.to_owned()),
        name: name.to_owned(),
    }
}

fn seen(external_ref: &str, name: &str, base_path: &str) -> InventoryEntry {
    InventoryEntry {
        external_ref: ExternalRef(external_ref.to_owned()),
        name: name.to_owned(),
        fingerprint: Fingerprint::of(&content(base_path)).ok(),
    }
}

fn shown(item: &DiscoveredItem, catalog: &CatalogView) -> String {
    serde_json::to_string(&classify(item, catalog)).expect("JSON")
}

#[test]
fn another_name_of_the_same_object_is_a_rename() {
    let mut named = entry(1, "orders", Some("svc-1"), "/orders");
    named.gateway_name = Some("orders".to_owned());
    let unnamed = entry(2, "users", Some("svc-2"), "/users");
    let catalog = CatalogView::new(vec![named, unnamed])
        .with_inventory([seen("svc-1", "last", "/orders"), seen("svc-2", "users", "/users")]);
    let told = [
        item("svc-1", "orders", "/orders", None),
        item("svc-1", "purchases", "/orders", None),
        item("svc-1", "purchases", "/purchases", None),
        item("svc-2", "people", "/users", None),
        listed("svc-1", "purchases"),
        listed("svc-2", "users"),
        // Our mark makes it the same API; it is another object, not another name.
        item("svc-7", "anything", "/orders", Some(1)),
    ]
    .map(|item| shown(&item, &catalog));
    expect![[r#"
        {"class":"unchanged"}
        {"class":"changed","changes":[{"path":"/name","before":"orders","after":"purchases"}],"changeClass":"cosmetic"}
        {"class":"changed","changes":[{"path":"/name","before":"orders","after":"purchases"},{"path":"/basePath","before":"/orders","after":"/purchases"}],"changeClass":"breaking","consumers":[{"place":"the API","class":"breaking","message":"it is reached below `/purchases`, not `/orders`"}]}
        {"class":"changed","changes":[{"path":"/name","before":"users","after":"people"}],"changeClass":"cosmetic"}
        {"class":"changed","changes":[{"path":"/name","before":"orders","after":"purchases"}],"changeClass":"cosmetic"}
        {"class":"unchanged"}
        {"class":"unchanged"}"#]].assert_eq(&told.join("\n"));
}

#[test]
fn what_was_not_read_again_is_compared_with_what_was_read_before() {
    let catalog = catalog().with_inventory([
        seen("svc-1", "orders", "/orders"),
        seen("svc-3", "new", "/new"),
        InventoryEntry {
            fingerprint: None,
            ..seen("svc-4", "never read", "/")
        },
    ]);
    let unchanged = listed("svc-1", "orders");
    assert!(!needs_content(&unchanged, &catalog));
    assert_eq!(classify(&unchanged, &catalog), Classification::Unchanged);
    for reference in ["svc-3", "svc-4", "svc-5"] {
        let unread = listed(reference, "new");
        assert!(needs_content(&unread, &catalog), "{reference}");
        assert!(
            matches!(classify(&unread, &catalog), Classification::Error { .. }),
            "{reference}"
        );
    }
    let DiscoveredItem::Api(before) = item("svc-3", "old", "/new", None) else {
        unreachable!("it is an API");
    };
    let filled = listed("svc-3", "new").with_content(*before);
    assert_eq!(filled.name(), "new");
    assert!(matches!(classify(&filled, &catalog), Classification::New { .. }));
    // The catalog moved on since: what was read before is another content now.
    let moved = CatalogView::new(vec![entry(1, "orders", Some("svc-1"), "/elsewhere")])
        .with_inventory([seen("svc-1", "orders", "/orders")]);
    assert!(needs_content(&unchanged, &moved));
}

#[test]
fn what_is_ignored_is_ignored_whatever_it_is() {
    let reference = ExternalRef("svc-1".to_owned());
    let catalog = catalog().with_ignored([(reference.clone(), "legacy".to_owned())]);
    let unreadable = DiscoveredItem::Unreadable {
        external_ref: reference,
        name: "orders".to_owned(),
        reason: "no".to_owned(),
    };
    for item in [
        item("svc-1", "x", "/moved", None),
        listed("svc-1", "x"),
        unreadable,
    ] {
        let ignored = Classification::Ignored {
            reason: "legacy".to_owned(),
        };
        assert_eq!(classify(&item, &catalog), ignored);
        assert!(!needs_content(&item, &catalog));
    }
}

#[test]
fn a_change_says_what_it_means_for_consumers() {
    let Classification::Changed {
        change_class,
        consumers,
        ..
    } = classify(&item("svc-1", "orders", "/moved", None), &catalog())
    else {
        unreachable!("it moved");
    };
    assert_eq!(change_class, ChangeClass::Breaking);
    assert!(!consumers.is_empty());
}

#[test]
fn a_definition_is_asked_for_only_where_there_is_another_one() {
    let with = |title: &str| -> RevisionContent {
        let mut content = content("/orders");
        content.definition = serde_json::from_value(json!({
            "fingerprint": Fingerprint::of_bytes(title.as_bytes()), "format": "openapi-3.0", "title": title, "version": "1",
        }))
        .expect("a definition");
        content
    };
    let mut known = entry(1, "orders", Some("svc-1"), "/orders");
    known.content = with("one");
    let catalog = CatalogView::new(vec![known]);
    let found = |title: &str, document: Option<Value>| {
        let DiscoveredItem::Api(mut api) = item("svc-1", "orders", "/orders", None) else {
            unreachable!("it is an API");
        };
        api.content = with(title);
        api.definition = document;
        DiscoveredItem::Api(api)
    };
    let document = Some(json!({"openapi": "3.0.0"}));
    let fingerprint = Fingerprint::of_bytes(b"one");
    assert_eq!(
        needs_definition(&found("two", document.clone()), &catalog),
        Some(&fingerprint)
    );
    assert_eq!(needs_definition(&found("one", document), &catalog), None);
    assert_eq!(needs_definition(&found("two", None), &catalog), None);
    assert_eq!(needs_definition(&listed("svc-1", "orders"), &catalog), None);
}

/// What a gateway holds: references with names and base paths, each its own.
fn any_gateway() -> impl Strategy<Value = Vec<(String, String, String)>> {
    prop::collection::btree_set(0_u16..500, 0..30).prop_map(|numbers| {
        let api = |number: u16| {
            (
                format!("svc-{number}"),
                format!("api-{number}"),
                format!("/p{number}"),
            )
        };
        numbers.into_iter().map(api).collect()
    })
}

fn imported(gateway: &[(String, String, String)]) -> CatalogView {
    let entry = |(index, (reference, name, base_path)): (usize, &(String, String, String))| CatalogEntry {
        gateway_name: Some(name.clone()),
        ..entry(index as u128, name, Some(reference), base_path)
    };
    let known = |(reference, name, base_path): &(String, String, String)| seen(reference, name, base_path);
    CatalogView::new(gateway.iter().enumerate().map(entry).collect())
        .with_inventory(gateway.iter().map(known))
}

proptest! {
    #[test]
    fn an_unchanged_run_again_is_all_unchanged(gateway in any_gateway(), reads_again in prop::bool::ANY) {
        let catalog = imported(&gateway);
        let mut seen = BTreeSet::new();
        for (reference, name, base_path) in &gateway {
            let item = match reads_again {
                true => item(reference, name, base_path, None),
                false => listed(reference, name),
            };
            seen.insert(item.external_ref().clone());
            prop_assert_eq!(classify(&item, &catalog), Classification::Unchanged);
            prop_assert!(!needs_content(&item, &catalog));
        }
        prop_assert!(gone(&catalog, &seen, true).is_empty());
    }

    #[test]
    fn after_a_run_that_is_not_complete_nothing_is_gone(gateway in any_gateway(), seen in any_gateway()) {
        let seen: BTreeSet<ExternalRef> = seen.into_iter().map(|(reference, _, _)| ExternalRef(reference)).collect();
        prop_assert!(gone(&imported(&gateway), &seen, false).is_empty());
        let unseen = gateway.iter().filter(|(reference, _, _)| !seen.contains(&ExternalRef(reference.clone()))).count();
        prop_assert_eq!(gone(&imported(&gateway), &seen, true).len(), unseen);
    }
}
