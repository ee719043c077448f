//! Routing, as tables: routes and the request that each line asks.

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::{Value, json};

use super::{Found, Router, RouterFlavor, Subject};
use crate::configuration::Configuration;

fn router(routes: &[(&str, Value)], flavor: RouterFlavor) -> Router {
    let mut configuration = Configuration::default();
    let service = |enabled: bool| json!({"enabled": enabled}).as_object().unwrap().clone();
    configuration.put("services", "on", service(true));
    configuration.put("services", "off", service(false));
    for (id, route) in routes {
        configuration.put("routes", id, route.as_object().unwrap().clone());
    }
    Router::compile(&configuration, flavor)
}

/// Asks `METHOD host/path [header: value]…`.
fn select(router: &Router, line: &str) -> Option<(String, Found)> {
    let mut words = line.split_whitespace();
    let method: Method = words.next().unwrap().parse().unwrap();
    let (host, path) = words.next().unwrap().split_once('/').unwrap();
    let (path, query) = path
        .split_once('?')
        .map_or((path, None), |(path, query)| (path, Some(query)));
    let mut headers = HeaderMap::new();
    for header in words {
        let (name, value) = header.split_once(':').unwrap();
        headers.append(
            name.parse::<HeaderName>().unwrap(),
            HeaderValue::from_str(value).unwrap(),
        );
    }
    let path = format!("/{path}");
    let subject = Subject {
        method: &method,
        host,
        path: &path,
        query,
        headers: &headers,
        port: 8000,
    };
    router.select(&subject).map(|(id, found)| (id.to_owned(), found))
}

fn check(routes: &[(&str, Value)], flavor: RouterFlavor, cases: &[(&str, Option<&str>)]) {
    let router = router(routes, flavor);
    for (line, expected) in cases {
        let selected = select(&router, line).map(|(id, _)| id);
        assert_eq!(selected.as_deref(), *expected, "{line}");
    }
}

#[test]
fn takes_literal_paths_as_prefixes_of_characters_and_the_longest_first() {
    let routes = [
        ("short", json!({"paths": ["/pets"]})),
        ("long", json!({"paths": ["/pets/mine"]})),
    ];
    check(
        &routes,
        RouterFlavor::TraditionalCompatible,
        &[
            ("GET h/pets", Some("short")),
            ("GET h/petshop", Some("short")),
            ("GET h/pets/mine/1", Some("long")),
            ("GET h/pet", None),
        ],
    );
}

#[test]
fn takes_a_brace_literally() {
    let routes = [("braces", json!({"paths": ["/pets/{id}"]}))];
    check(
        &routes,
        RouterFlavor::TraditionalCompatible,
        &[("GET h/pets/1", None), ("GET h/pets/{id}", Some("braces"))],
    );
}

#[test]
fn anchors_a_regular_expression_at_its_start_only_and_tries_it_before_prefixes() {
    let routes = [
        ("prefix", json!({"paths": ["/pets/with/a/long/path"]})),
        ("open", json!({"paths": ["~/pets/[^/]+"]})),
        ("closed", json!({"paths": ["~/shops/[^/]+$"]})),
    ];
    check(
        &routes,
        RouterFlavor::TraditionalCompatible,
        &[
            ("GET h/pets/with/a/long/path", Some("open")),
            ("GET h/all/pets/1", None),
            ("GET h/shops/1", Some("closed")),
            ("GET h/shops/1/2", None),
        ],
    );
}

#[test]
fn tries_regular_expressions_by_their_priority() {
    let routes = [
        ("z-any", json!({"paths": ["~/pets/.+$"]})),
        ("a-first", json!({"paths": ["~/pets/mine$"], "regex_priority": 7})),
    ];
    check(
        &routes,
        RouterFlavor::TraditionalCompatible,
        &[
            ("GET h/pets/mine", Some("a-first")),
            ("GET h/pets/yours", Some("z-any")),
        ],
    );
}

#[test]
fn prefers_more_attributes_then_plain_hosts_then_more_headers() {
    let routes = [
        ("path", json!({"paths": ["/a"]})),
        ("method", json!({"paths": ["/a"], "methods": ["POST"]})),
        ("plain", json!({"paths": ["/a"], "hosts": ["api.test"]})),
        ("wild", json!({"paths": ["/a"], "hosts": ["*.test"]})),
        ("header", json!({"paths": ["/b"], "headers": {"x-one": ["1"]}})),
        (
            "headers",
            json!({"paths": ["/b"], "headers": {"x-one": ["1"], "x-two": ["~*^v[0-9]"]}}),
        ),
    ];
    check(
        &routes,
        RouterFlavor::TraditionalCompatible,
        &[
            ("GET h/a", Some("path")),
            ("POST h/a", Some("method")),
            ("GET api.test/a", Some("plain")),
            ("GET other.test/a", Some("wild")),
            ("GET h/b", None),
            ("GET h/b X-One:1", Some("header")),
            ("GET h/b X-One:1 X-Two:V2", Some("headers")),
        ],
    );
}

#[test]
fn routes_of_a_disabled_service_do_not_exist() {
    let routes = [
        ("new", json!({"paths": ["~/a$"], "service": {"id": "off"}})),
        ("old", json!({"paths": ["/a"], "service": {"id": "on"}})),
    ];
    check(
        &routes,
        RouterFlavor::TraditionalCompatible,
        &[("GET h/a", Some("old"))],
    );
}

#[test]
fn of_two_equal_routes_the_one_with_the_greater_id_is_taken() {
    let routes = [("1", json!({"paths": ["/a"]})), ("2", json!({"paths": ["/a"]}))];
    check(
        &routes,
        RouterFlavor::TraditionalCompatible,
        &[("GET h/a", Some("2"))],
    );
}

#[test]
fn reads_expressions() {
    let routes = [
        (
            "get",
            json!({"expression": "http.method == \"GET\" && http.path == \"/pets\"", "priority": 5}),
        ),
        (
            "prefix",
            json!({"expression": "http.path ^= r#\"/pets\"#", "priority": 1}),
        ),
        (
            "regex",
            json!({"expression": "http.path ~ \"^/shops/(?P<id>[^/]+)$\" && (http.host == \"a\" || http.host =^ \".b\")"}),
        ),
        (
            "header",
            json!({"expression": "any(lower(http.headers.x_kind)) == \"cat\" && !(http.queries.dog == \"1\")"}),
        ),
        ("plain", json!({"paths": ["/plain"]})),
        ("broken", json!({"expression": "http.path = \"/broken\""})),
    ];
    check(
        &routes,
        RouterFlavor::Expressions,
        &[
            ("GET h/pets", Some("get")),
            ("POST h/pets", Some("prefix")),
            ("GET a/shops/1", Some("regex")),
            ("GET x.b/shops/1", Some("regex")),
            ("GET c/shops/1", None),
            ("GET h/x X-Kind:Dog X-Kind:CAT", Some("header")),
            ("GET h/x?dog=1 X-Kind:cat", None),
            ("GET h/plain", Some("plain")),
            ("GET h/broken", None),
        ],
    );
}

#[test]
fn says_what_was_matched() {
    let router = router(
        &[("r", json!({"paths": ["~/v1(?P<path>/pets/[^/]+)"]}))],
        RouterFlavor::TraditionalCompatible,
    );
    let (_, found) = select(&router, "GET h/v1/pets/7/toys").unwrap();
    assert_eq!(found.path.as_deref(), Some("/v1/pets/7"));
    assert_eq!(found.captures.get("path").map(String::as_str), Some("/pets/7"));
    assert_eq!(found.captures.get("1").map(String::as_str), Some("/pets/7"));
}
