use expect_test::{Expect, expect};
use serde_json::json;

use super::*;

fn api(hosts: &[&str], base_path: &str, operations: &[&str]) -> RevisionContent {
    let operations: Vec<serde_json::Value> = operations
        .iter()
        .map(|text| {
            let (method, path) = text.split_once(' ').expect("METHOD PATH");
            json!({"match": {"method": method, "path": path}})
        })
        .collect();
    serde_json::from_value(json!({
        "displayName": "x", "version": "v1", "type": "rest", "direction": "ingress",
        "hostnames": hosts, "basePath": base_path, "operations": operations,
        "upstreams": {"main": {"url": "http://a"}},
    }))
    .expect("content")
}

fn check(ours: &RevisionContent, theirs: &RevisionContent, expected: Expect) {
    let found = conflicts(ours, theirs);
    assert_eq!(
        found.is_empty(),
        conflicts(theirs, ours).is_empty(),
        "either both or none"
    );
    let lines: Vec<String> = found
        .iter()
        .map(|conflict| format!("{} {} {}", conflict.host, conflict.method, conflict.path))
        .collect();
    expected.assert_eq(&lines.join("\n"));
}

#[test]
fn the_same_operation_below_the_same_path_is_a_conflict_whatever_its_parameters_are_called() {
    check(
        &api(&[], "/shop", &["GET /orders/{id}", "POST /orders"]),
        &api(&[], "/shop/orders", &["GET /{order}", "POST /"]),
        expect![[r#"
            * GET /shop/orders/{id}
            * POST /shop/orders"#]],
    );
}

#[test]
fn other_methods_literals_and_hosts_are_not() {
    let ours = api(&["a.example"], "/", &["GET /orders/{id}", "GET /{name}.json"]);
    check(
        &ours,
        &api(
            &["a.example"],
            "/",
            &[
                "PUT /orders/{id}",
                "GET /orders/new",
                "* /orders/{id}",
                "GET /{name}.xml",
            ],
        ),
        expect![[""]],
    );
    check(
        &ours,
        &api(&["b.example"], "/", &["GET /orders/{id}"]),
        expect![[""]],
    );
    check(
        &ours,
        &api(&["*.example"], "/", &["GET /orders/{id}"]),
        expect![[""]],
    );
    check(&ours, &api(&[], "/", &["GET /orders/{id}"]), expect![[""]]);
}

#[test]
fn every_shared_host_is_named() {
    check(
        &api(&["a.example", "b.example", "c.example"], "/x", &["GET /"]),
        &api(&["B.example", "a.example"], "/x", &["GET /"]),
        expect![[r#"
            a.example GET /x
            b.example GET /x"#]],
    );
}

#[test]
fn an_api_without_operations_claims_its_base_path() {
    check(
        &api(&[], "/x", &[]),
        &api(&[], "/x", &["GET /y"]),
        expect!["* * /x"],
    );
    check(&api(&[], "/x", &[]), &api(&[], "/x/y", &[]), expect![[""]]);
}

#[test]
fn a_place_has_one_spelling() {
    for (path, expected) in [
        ("/orders/{id}", "/orders/{}"),
        ("/a%7Eb/%41", "/a~b/A"),
        ("/a b/é", "/a%20b/%C3%A9"),
        ("/{base}...{head}", "/{}...{}"),
        ("/{rest...}", "/{...}"),
        ("/%7Bx%7D", "/%7Bx%7D"),
        ("/x/", "/x/"),
        ("/", "/"),
    ] {
        assert_eq!(normalise(path), expected);
    }
}
