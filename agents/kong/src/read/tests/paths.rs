//! Routes as base paths and operations.

use expect_test::{Expect, expect};
use serde_json::{Value, json};

use super::kong::{a_plugin, a_route, of_service, read, told, with_routes};

fn check(routes: Vec<Value>, expected: Expect) {
    let routes = routes.into_iter().enumerate();
    let routes = routes.map(|(index, fields)| a_route(&format!("r{}", index + 1), fields));
    expected.assert_eq(&told(read(&with_routes(routes.collect()))));
}

#[test]
fn one_plain_path_that_is_stripped_is_the_base_path() {
    check(vec![json!({"paths": ["/orders"]})], expect![[r""]]);
}

#[test]
fn a_path_that_is_kept_goes_into_the_url() {
    check(
        vec![json!({"paths": ["/orders"], "strip_path": false})],
        expect![[r""]],
    );
}

#[test]
fn several_stripped_paths_are_rewritten() {
    check(
        vec![json!({"paths": ["/shop/orders", "/shop/stock"]})],
        expect![[r""]],
    );
}

#[test]
fn methods_and_headers_make_operations() {
    check(
        vec![json!({"methods": ["GET", "POST"], "headers": {"X-Version": ["v1", "v2"]}})],
        expect![[r""]],
    );
}

#[test]
fn expressions_become_templates() {
    let kept = |path: &str| json!({"paths": [path], "strip_path": false, "methods": ["GET"]});
    check(
        [
            "~/pets/(?<id>[^/]+)$",
            "~/pets/(?P<id>[^/]+)/toys/(?P<toy>[^/]*)$",
            r"~/stores/\d+$",
            r"~^/a\.b/[a-z][a-z0-9-]*",
            "~/files/(.*)$",
            "~/x(/.*)?$",
            "~/(cats|dogs)/?$",
            "~/y(?:/|$)",
        ]
        .map(kept)
        .to_vec(),
        expect![[r""]],
    );
}

#[test]
fn expressions_that_are_stripped_ask_for_what_is_left() {
    check(
        vec![
            json!({"paths": ["~/pets/[^/]+$"], "methods": ["GET"]}),
            json!({"paths": ["~/toys/[^/]+"], "methods": ["GET"]}),
        ],
        expect![[r""]],
    );
}

#[test]
fn expressions_beyond_templates_are_kept_as_they_are() {
    check(
        vec![
            json!({"paths": ["/orders"]}),
            json!({"paths": ["~/(?!admin).*$"]}),
            json!({"snis": ["a.example.com"]}),
            json!({"hosts": ["a.*"]}),
            json!({"hosts": ["b.example.com"]}),
        ],
        expect![[r""]],
    );
}

#[test]
fn nothing_that_can_be_said_is_an_error() {
    check(vec![json!({"paths": ["~/(?!admin).*$"]})], expect![[r""]]);
    check(vec![], expect![[r""]]);
}

#[test]
fn braces_are_taken_literally_as_kong_does() {
    check(
        vec![json!({"paths": ["/pets/{id}"], "strip_path": false, "methods": ["GET"]})],
        expect![[r""]],
    );
}

#[test]
fn hosts_are_those_of_the_api() {
    check(
        vec![json!({"hosts": ["B.example.com", "*.example.com"]})],
        expect![[r""]],
    );
}

#[test]
fn settings_of_routes_are_kept() {
    check(
        vec![json!({"protocols": ["https"], "preserve_host": true})],
        expect![[r""]],
    );
}

#[test]
fn our_own_way_of_writing_routes_reads_back() {
    let ours = |path: &str, methods: Value| json!({"paths": [path], "methods": methods});
    let mut snapshot = with_routes(vec![
        a_route("r1", ours("~/base(?P<path>/items/[^/]+)$", json!(["GET"]))),
        a_route("r2", ours("~/base(?P<path>/items)$", json!(["POST"]))),
    ]);
    let uri = json!({"replace": {"uri": "/api$(uri_captures.path)"}});
    snapshot.plugins.push(of_service("request-transformer", uri));
    expect![[r""]].assert_eq(&told(read(&snapshot)));

    snapshot.routes.truncate(1);
    snapshot.routes[0] = a_route("r1", ours("~/base(?P<path>(?:/.*)?)$", Value::Null));
    expect![[r""]].assert_eq(&told(read(&snapshot)));
}

#[test]
fn captures_are_parameters_of_what_is_asked_for() {
    let mut snapshot = with_routes(vec![a_route(
        "r1",
        json!({"paths": [r"~/users/(?<user>[^/]+)/orders/([^/]+)$"]}),
    )]);
    let config = json!({
        "replace": {"uri": "/api/orders/$(uri_captures[2])/of/$(uri_captures['user'])"},
        "remove": {"querystring": ["debug"]}
    });
    snapshot.plugins.push(a_plugin(
        "request-transformer",
        config,
        json!({"route": {"id": "r1"}}),
    ));
    expect![[r""]].assert_eq(&told(read(&snapshot)));
}

#[test]
fn simple_expressions_of_the_other_flavour_are_understood() {
    let expressed = |text: &str| json!({"expression": text, "priority": 0, "paths": null, "methods": null, "strip_path": false});
    check(
        vec![
            expressed(
                r##"(http.method == "GET" || http.method == "HEAD") && http.path ~ r#"^/pets/(?P<id>[^/]+)$"#"##,
            ),
            expressed(r#"http.path ^= "/stores" && http.headers.x_version == "v1""#),
            expressed(r#"http.path == "/health""#),
            expressed(r#"net.src.ip == 10.0.0.1 && http.path ^= "/admin""#),
        ],
        expect![[r""]],
    );
}
