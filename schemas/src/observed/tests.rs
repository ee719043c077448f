use expect_test::expect;
use serde_json::json;
use uuid::Uuid;

use super::*;
use crate::identity::{EnvironmentId, RevisionNumber};

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
        {"class":"changed","changes":[{"path":"/basePath","before":"/orders","after":"/moved"}]}
        {"class":"new"}
        {"class":"changed","changes":[{"path":"/basePath","before":"/users","after":"/users/"}]}
        {"class":"conflict","reason":"the name `users` belongs to another API of the catalog; rename one of the two"}
        {"class":"conflict","reason":"`* /users` on host `*` belongs to API `users` of the catalog"}
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
