//! Routes of others in the way of an API.

use expect_test::{Expect, expect};
use gatehouse_connector_sdk::schemas::revision::RevisionContent;
use serde_json::{Value, json};

use super::kong::{a_route, read, with_routes};
use crate::read::{Index, in_the_way};

/// An API at `/shop` with `GET /items/{id}`, `POST /items` and `GET /cart`, on any host.
fn ours() -> RevisionContent {
    let ours =
        |path: &str, methods: &[&str]| json!({"paths": [path], "methods": methods, "strip_path": false});
    let routes = vec![
        a_route("a", ours("~/shop/items/[^/]+$", &["GET"])),
        a_route("b", ours("~/shop/items$", &["POST"])),
        a_route("c", ours("~/shop/cart$", &["GET"])),
    ];
    read(&with_routes(routes)).unwrap().content
}

fn check_of(content: &RevisionContent, theirs: Value, expected: Expect) {
    let snapshot = with_routes(vec![
        a_route("theirs", theirs),
        a_route("own", json!({"paths": ["/shop"]})),
    ]);
    let found = in_the_way(content, &Index::new(&snapshot), |route| route.id() == "own");
    let lines: Vec<String> = found.iter().map(ToString::to_string).collect();
    expected.assert_eq(&lines.join("\n"));
}

fn check(theirs: Value, expected: Expect) {
    check_of(&ours(), theirs, expected);
}

#[test]
fn the_same_place_is_in_the_way() {
    check(
        json!({"paths": ["~/shop/items/(?<item>[^/]+)$"], "methods": ["GET"]}),
        expect!["route `theirs` of service `orders` takes GET of `/shop/items/{p1}` on any host"],
    );
    check(
        json!({"paths": [r"~/shop/items/\d+$"]}),
        expect!["route `theirs` of service `orders` takes GET of `/shop/items/{p1}` on any host"],
    );
    check(
        json!({"paths": ["/shop"]}),
        expect!["route `theirs` of service `orders` takes any method of `/shop` on any host"],
    );
    check(
        json!({"paths": ["/shop"], "sources": [{"ip": "10.0.0.1"}]}),
        expect!["route `theirs` of service `orders` takes any method of `/shop` on any host"],
    );
}

#[test]
fn plain_paths_that_would_lose_their_traffic_are_in_the_way() {
    check(
        json!({"paths": ["/shop/items/"]}),
        expect!["route `theirs` of service `orders` takes POST of `/shop/items` on any host"],
    );
    check(
        json!({"paths": ["/shop/items/new"], "methods": ["GET"]}),
        expect!["route `theirs` of service `orders` takes GET of `/shop/items/new` on any host"],
    );
    check(
        json!({"paths": ["/shop/cart"], "methods": ["GET", "PUT"]}),
        expect!["route `theirs` of service `orders` takes GET of `/shop/cart` on any host"],
    );
}

#[test]
fn other_places_hosts_and_methods_are_not() {
    for theirs in [
        json!({"paths": ["/"]}),
        json!({"paths": ["/shopping"]}),
        json!({"paths": ["/shop/orders"]}),
        json!({"paths": ["/shop/items/new"], "methods": ["PATCH"]}),
        json!({"paths": ["/shop/items"], "hosts": ["a.example.com"]}),
        json!({"paths": ["~/shop/items/[^/]+$"], "methods": ["PUT"]}),
        json!({"paths": ["~/(?!shop)"]}),
    ] {
        check(theirs, expect![[""]]);
    }
}

#[test]
fn everything_below_a_base_path_is_one_place() {
    let all = read(&with_routes(vec![a_route("r1", json!({"paths": ["/shop"]}))]))
        .unwrap()
        .content;
    check_of(
        &all,
        json!({"paths": ["/shop"], "methods": ["GET"]}),
        expect!["route `theirs` of service `orders` takes any method of `/shop` on any host"],
    );
    check_of(&all, json!({"paths": ["/shop/x"]}), expect![[""]]);
    check_of(&all, json!({"paths": ["/"]}), expect![[""]]);
    let named = RevisionContent {
        hostnames: vec!["a.example.com".to_owned()],
        ..all
    };
    check_of(
        &named,
        json!({"paths": ["/shop"], "hosts": ["A.example.com"]}),
        expect!["route `theirs` of service `orders` takes any method of `/shop` on a.example.com"],
    );
    check_of(&named, json!({"paths": ["/shop"]}), expect![[""]]);
}

#[test]
fn routes_of_disabled_services_are_not_in_the_way() {
    let mut snapshot = with_routes(vec![a_route("theirs", json!({"paths": ["/shop"]}))]);
    snapshot.services[0].0.insert("enabled".to_owned(), json!(false));
    assert_eq!(in_the_way(&ours(), &Index::new(&snapshot), |_| false), []);
}
