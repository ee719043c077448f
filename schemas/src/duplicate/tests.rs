use std::time::Instant;

use expect_test::{Expect, expect};
use proptest::prelude::*;
use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::{
    canonical::Fingerprint,
    identity::{ApiId, ExternalRef},
    observed::CatalogEntry,
    revision::RevisionContent,
};

fn content(name: &str, url: &str, definition: Option<&str>, operations: &[String]) -> RevisionContent {
    let definition = definition.map(|text| {
        json!({"fingerprint": Fingerprint::of_bytes(text.as_bytes()), "format": "openapi-3.0", "title": "", "version": "1"})
    });
    let operations: Vec<Value> = operations
        .iter()
        .map(|path| json!({"match": {"method": "GET", "path": path}}))
        .collect();
    let mut value = json!({
        "displayName": name, "version": "v1", "type": "rest", "direction": "ingress", "basePath": format!("/{name}"),
        "upstreams": {"main": {"url": url}}, "operations": operations,
    });
    if let Some(definition) = definition {
        value["definition"] = definition;
    }
    serde_json::from_value(value).expect("content")
}

fn entry(id: usize, name: &str, content: RevisionContent) -> CatalogEntry {
    CatalogEntry {
        api_id: ApiId(Uuid::from_u128(id as u128)),
        name: name.parse().expect("a name"),
        external_ref: None,
        gateway_name: None,
        fingerprint: Fingerprint::of(&content).expect("a fingerprint"),
        content,
    }
}

fn observed(content: RevisionContent) -> ObservedApi {
    ObservedApi {
        external_ref: ExternalRef("svc-1".to_owned()),
        name: "found".to_owned(),
        version: None,
        tags: Vec::new(),
        mark: None,
        endpoint_urls: Vec::new(),
        fingerprint: Fingerprint::of(&content).expect("a fingerprint"),
        definition: None,
        content,
    }
}

fn paths(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| format!("/things/{number}/{{id}}")).collect()
}

fn check(found: RevisionContent, entries: Vec<CatalogEntry>, expected: Expect) {
    let duplicates = duplicates(&observed(found), &CatalogView::new(entries));
    let lines: Vec<String> = duplicates
        .iter()
        .map(|duplicate| format!("{}: {}", duplicate.api, duplicate.evidence.join(", ")))
        .collect();
    expected.assert_eq(&lines.join("\n"));
}

#[test]
fn what_speaks_for_it_is_told_the_strongest_first() {
    let entries = vec![
        entry(
            1,
            "upstream-only",
            content("a", "http://one:80/x", None, &paths(50..60)),
        ),
        entry(2, "name-only", content("Orders", "http://b", None, &[])),
        entry(
            3,
            "upstream-and-name",
            content("orders", "http://one:80/y", None, &[]),
        ),
        entry(4, "most-operations", content("c", "http://c", None, &paths(0..9))),
        entry(5, "all-operations", content("d", "http://d", None, &paths(0..10))),
        entry(
            6,
            "definition",
            content("e", "http://e", Some("the document"), &[]),
        ),
        entry(
            7,
            "everything",
            content("Orders", "http://ONE:80", Some("the document"), &paths(0..10)),
        ),
        entry(8, "few-operations", content("f", "http://f", None, &paths(0..7))),
        entry(
            9,
            "other-document",
            content("g", "http://g", Some("another"), &[]),
        ),
    ];
    let found = content("Orders", "http://one:80", Some("the document"), &paths(0..10));
    check(
        found,
        entries,
        expect![[r#"
        everything: same definition, same 10 operations, same upstream, same name
        definition: same definition
        all-operations: same 10 operations
        most-operations: 9 of 10 operations the same
        upstream-and-name: same upstream, same name"#]],
    );
}

#[test]
fn two_common_operations_are_no_evidence() {
    let entries = vec![entry(1, "small", content("a", "http://a", None, &paths(0..2)))];
    check(
        content("b", "http://b", None, &paths(0..2)),
        entries,
        expect![[""]],
    );
}

#[test]
fn the_names_of_path_parameters_make_no_difference() {
    let named =
        |name: &str| -> Vec<String> { (0..3).map(|number| format!("/{number}/{{{name}}}")).collect() };
    let entries = vec![entry(1, "other", content("a", "http://a", None, &named("id")))];
    check(
        content("b", "http://b", None, &named("order")),
        entries,
        expect![["other: same 3 operations"]],
    );
}

#[test]
fn what_the_gateway_has_itself_is_no_duplicate() {
    let here = CatalogEntry {
        external_ref: Some(ExternalRef("svc-2".to_owned())),
        ..entry(1, "here", content("a", "http://a", Some("x"), &[]))
    };
    check(
        content("a", "http://a", Some("x"), &[]),
        vec![here],
        expect![[""]],
    );
}

#[test]
fn at_most_five_are_offered() {
    let same = || content("a", "http://a", Some("x"), &[]);
    let entries = (0..20)
        .map(|number| entry(number, &format!("copy-{number:02}"), same()))
        .collect();
    let catalog = CatalogView::new(entries);
    let names: Vec<String> = duplicates(&observed(same()), &catalog)
        .iter()
        .map(|it| it.api.to_string())
        .collect();
    assert_eq!(names, ["copy-00", "copy-01", "copy-02", "copy-03", "copy-04"]);
}

#[test]
fn ten_thousand_findings_against_ten_thousand_apis_take_seconds_at_most() {
    // Every API has the same two operations and the same upstream; half of the catalog is one API, copied.
    let api = |number: usize| {
        let own = if number.is_multiple_of(2) { 0 } else { number };
        let mut operations = vec!["/health".to_owned(), "/version".to_owned()];
        operations.extend((0..8).map(|index| format!("/{own}/{index}")));
        content(&format!("api-{own}"), "http://backend", None, &operations)
    };
    let catalog = CatalogView::new(
        (0..10_000)
            .map(|number| entry(number, &format!("api-{number}"), api(number)))
            .collect(),
    );
    let started = Instant::now();
    let found: usize = (0..10_000)
        .map(|number| duplicates(&observed(api(number)), &catalog).len())
        .sum();
    assert_eq!(found, 5_000 * 5 + 5_000);
    assert!(started.elapsed().as_secs() < 20, "took {:?}", started.elapsed());
}

fn any_operations() -> impl Strategy<Value = Vec<String>> {
    prop::collection::btree_set(0_usize..14, 0..14)
        .prop_map(|numbers| numbers.into_iter().map(|it| format!("/{it}")).collect())
}

proptest! {
    #[test]
    fn the_index_finds_what_comparing_each_with_each_finds(
        found in any_operations(), others in prop::collection::vec(any_operations(), 0..20)
    ) {
        let entry = |(number, operations): (usize, &Vec<String>)| {
            let name = format!("api-{number}");
            entry(number, &name, content(&name, "http://a", None, operations))
        };
        let catalog = CatalogView::new(others.iter().enumerate().map(entry).collect());
        let expected = others.iter().filter(|other| {
            let shared = other.iter().filter(|path| found.contains(path)).count();
            shared >= 3 && shared * 5 >= found.len().max(other.len()) * 4
        });
        let offered = duplicates(&observed(content("x", "http://x", None, &found)), &catalog);
        prop_assert_eq!(offered.len(), expected.count().min(OFFERED_MAX));
    }
}
