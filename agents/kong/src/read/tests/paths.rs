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
    check(
        vec![json!({"paths": ["/orders"]})],
        expect!["/orders -> http://orders.internal:8080/api"],
    );
}

#[test]
fn a_path_that_is_kept_goes_into_the_url() {
    check(
        vec![json!({"paths": ["/orders"], "strip_path": false})],
        expect!["/orders -> http://orders.internal:8080/api/orders"],
    );
}

#[test]
fn several_stripped_paths_are_rewritten() {
    check(
        vec![json!({"paths": ["/shop/orders", "/shop/stock"]})],
        expect![[r#"
        /shop -> http://orders.internal:8080/api
        * /orders {"type":"rewrite","with":{"path":"/"}}
        * /orders/{rest...} {"type":"rewrite","with":{"path":"/{rest}"}}
        * /stock {"type":"rewrite","with":{"path":"/"}}
        * /stock/{rest...} {"type":"rewrite","with":{"path":"/{rest}"}}"#]],
    );
}

#[test]
fn methods_and_headers_make_operations() {
    check(
        vec![json!({"methods": ["GET", "POST"], "headers": {"X-Version": ["v1", "v2"]}})],
        expect![[r#"
            /orders -> http://orders.internal:8080/api
            GET / x-version=v1
            GET / x-version=v2
            POST / x-version=v1
            POST / x-version=v2
            GET /{rest...} x-version=v1
            GET /{rest...} x-version=v2
            POST /{rest...} x-version=v1
            POST /{rest...} x-version=v2"#]],
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
        expect![[r#"
            / -> http://orders.internal:8080/api
            GET /a.b/{p1}
            GET /a.b/{p1}/{rest...}
            GET /cats
            GET /cats/
            GET /dogs
            GET /dogs/
            GET /files/{rest...}
            GET /pets/{id}
            GET /pets/{id}/toys/{toy}
            GET /stores/{p1}
            GET /x
            GET /x/{rest...}
            GET /y
            GET /y/{rest...}
            note: route `r2`: its expression is read as a template that is not quite the same
            note: route `r3`: its expression is read as a template that is not quite the same
            note: route `r4`: its expression is read as a template that is not quite the same"#]],
    );
}

#[test]
fn expressions_that_are_stripped_ask_for_what_is_left() {
    check(
        vec![
            json!({"paths": ["~/pets/[^/]+$"], "methods": ["GET"]}),
            json!({"paths": ["~/toys/[^/]+"], "methods": ["GET"]}),
        ],
        expect![[r#"
            / -> http://orders.internal:8080/api
            GET /pets/{p1} {"type":"rewrite","with":{"path":"/"}}
            GET /toys/{p1} {"type":"rewrite","with":{"path":"/"}}
            GET /toys/{p1}/{rest...} {"type":"rewrite","with":{"path":"/{rest}"}}"#]],
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
        expect![[r#"
            /orders -> http://orders.internal:8080/api
            {"type":"native","with":{"config":{"routes":[{"https_redirect_status_code":426,"name":"r2","path_handling":"v0","paths":["~/(?!admin).*$"],"preserve_host":false,"protocols":["http","https"],"regex_priority":0,"request_buffering":true,"response_buffering":true,"strip_path":true},{"https_redirect_status_code":426,"name":"r3","path_handling":"v0","paths":["/orders"],"preserve_host":false,"protocols":["http","https"],"regex_priority":0,"request_buffering":true,"response_buffering":true,"snis":["a.example.com"],"strip_path":true},{"hosts":["a.*"],"https_redirect_status_code":426,"name":"r4","path_handling":"v0","paths":["/orders"],"preserve_host":false,"protocols":["http","https"],"regex_priority":0,"request_buffering":true,"response_buffering":true,"strip_path":true},{"hosts":["b.example.com"],"https_redirect_status_code":426,"name":"r5","path_handling":"v0","paths":["/orders"],"preserve_host":false,"protocols":["http","https"],"regex_priority":0,"request_buffering":true,"response_buffering":true,"strip_path":true}]},"gatewayType":"kong"}}
            note: route `r2` is kept as a `native` policy: path `/(?!admin).*$` is no template: `(?` is followed by what is not understood
            note: route `r3` is kept as a `native` policy: it asks for certain `snis`
            note: route `r4` is kept as a `native` policy: host `a.*` has a port or a `*` that is not at its start
            note: route `r5` is kept as a `native` policy: it has other hosts than most routes of its service"#]],
    );
}

#[test]
fn nothing_that_can_be_said_is_an_error() {
    check(
        vec![json!({"paths": ["~/(?!admin).*$"]})],
        expect![
            "refused: nothing of `orders` can be said in canonical words: path `/(?!admin).*$` is no template: `(?` is followed by what is not understood; leave it to Kong and put it on the environment's ignore list, or write its routes as plain paths or as expressions like `~/orders/[^/]+$`"
        ],
    );
    check(
        vec![],
        expect![
            "refused: service `orders` has no route, so nobody can reach it; give it a route on Kong, or put it on the environment's ignore list"
        ],
    );
}

#[test]
fn braces_are_taken_literally_as_kong_does() {
    check(
        vec![json!({"paths": ["/pets/{id}"], "strip_path": false, "methods": ["GET"]})],
        expect![[r#"
            /pets/%7Bid%7D -> http://orders.internal:8080/api/pets/%7Bid%7D
            GET /
            GET /{rest...}
            note: route `r1`: braces in its path stand for themselves, as they do on Kong"#]],
    );
}

#[test]
fn hosts_are_those_of_the_api() {
    check(
        vec![json!({"hosts": ["B.example.com", "*.example.com"]})],
        expect!["*.example.com,b.example.com/orders -> http://orders.internal:8080/api"],
    );
}

#[test]
fn settings_of_routes_are_kept() {
    check(
        vec![json!({"protocols": ["https"], "preserve_host": true})],
        expect![[r#"
        /orders -> http://orders.internal:8080/api
        {"type":"native","with":{"config":{"route":{"preserve_host":true,"protocols":["https"]}},"gatewayType":"kong"}}
        note: route `r1`: `preserve_host`, `protocols` kept as a `native` policy"#]],
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
    expect![[r#"
        /base -> http://orders.internal:8080/api
        POST /items
        GET /items/{p1}"#]]
    .assert_eq(&told(read(&snapshot)));

    snapshot.routes.truncate(1);
    snapshot.routes[0] = a_route("r1", ours("~/base(?P<path>(?:/.*)?)$", Value::Null));
    expect!["/base -> http://orders.internal:8080/api"].assert_eq(&told(read(&snapshot)));
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
    expect![[r#"
        /users -> http://orders.internal:8080/api/orders
        * /{user}/orders/{p2} {"type":"rewrite","with":{"path":"/{p2}/of/{user}","query":{"remove":["debug"]}}}"#]].assert_eq(&told(read(&snapshot)));
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
        expect![[r#"
            / -> http://orders.internal:8080/api
            {"type":"native","with":{"config":{"routes":[{"expression":"net.src.ip == 10.0.0.1 && http.path ^= \"/admin\"","https_redirect_status_code":426,"name":"r4","path_handling":"v0","preserve_host":false,"priority":0,"protocols":["http","https"],"regex_priority":0,"request_buffering":true,"response_buffering":true,"strip_path":false}]},"gatewayType":"kong"}}
            * /health
            GET /pets/{id}
            HEAD /pets/{id}
            * /stores x-version=v1
            * /stores/{rest...} x-version=v1
            note: route `r4` is kept as a `native` policy: its expression is not understood: a part of it is no comparison of a field with a text"#]],
    );
}

#[test]
fn an_expression_that_is_read_roughly_opens_nothing() {
    let digits = json!({"paths": [r"~/orders/\d+$"], "strip_path": false});
    let all = json!({"paths": ["/orders"], "strip_path": false});
    let mut snapshot = with_routes(vec![a_route("digits", digits), a_route("all", all)]);
    let closed = |route: &str| {
        a_plugin(
            "ip-restriction",
            json!({"deny": ["10.0.0.1"]}),
            json!({"route": {"id": route}}),
        )
    };
    snapshot.plugins = vec![closed("digits")];
    expect![[r#"
        /orders -> http://orders.internal:8080/api/orders
        * /
        * /{p1} {"type":"ip.filter","with":{"deny":["10.0.0.1/32"]}}
        * /{rest...}
        note: Kong tries expressions before plain paths; elsewhere, the more specific path goes first: look which policies hold where both take a request
        note: route `digits`: its expression is read as a template that is not quite the same"#]].assert_eq(&told(read(&snapshot)));
    snapshot.plugins = vec![closed("all")];
    expect![[r#"
        /orders -> http://orders.internal:8080/api/orders
        {"type":"ip.filter","with":{"deny":["10.0.0.1/32"]}}
        {"type":"native","with":{"config":{"routes":[{"https_redirect_status_code":426,"name":"digits","path_handling":"v0","paths":["~/orders/\\d+$"],"preserve_host":false,"protocols":["http","https"],"regex_priority":0,"request_buffering":true,"response_buffering":true,"strip_path":false}]},"gatewayType":"kong"}}
        note: route `digits` is kept as a `native` policy: a template would take more paths than its expression, and other routes check what it does not"#]].assert_eq(&told(read(&snapshot)));
}

#[test]
fn a_route_that_checks_callers_and_cannot_be_said_is_told_of() {
    let mut snapshot = with_routes(vec![
        a_route("admin", json!({"paths": ["~/orders/(?!public).*$"]})),
        a_route("all", json!({"headers": {"x-api-key": ["s3cret"]}})),
        a_route("rest", json!({})),
    ]);
    let checks = json!({"deny": ["10.0.0.1"]});
    snapshot.plugins = vec![a_plugin(
        "ip-restriction",
        checks,
        json!({"route": {"id": "admin"}}),
    )];
    expect![[r#"
        /orders -> http://orders.internal:8080/api
        {"type":"native","with":{"config":{"routes":[{"https_redirect_status_code":426,"name":"admin","path_handling":"v0","paths":["~/orders/(?!public).*$"],"plugins":[{"config":{"deny":["10.0.0.1"]},"name":"ip-restriction"}],"preserve_host":false,"protocols":["http","https"],"regex_priority":0,"request_buffering":true,"response_buffering":true,"strip_path":true},{"headers":{"x-api-key":["{secret}"]},"https_redirect_status_code":426,"name":"all","path_handling":"v0","paths":["/orders"],"preserve_host":false,"protocols":["http","https"],"regex_priority":0,"request_buffering":true,"response_buffering":true,"strip_path":true}]},"gatewayType":"kong"}}
        note: route `admin` has checks of its own; elsewhere than on Kong, what it takes may come to other routes of the service, without them
        note: route `admin` is kept as a `native` policy: path `/orders/(?!public).*$` is no template: `(?` is followed by what is not understood
        note: route `all` is kept as a `native` policy: it asks for header `x-api-key`, which carries a credential
        note: route `all`: `headers.x-api-key` is a credential and is not taken along; put `{secret}` right before deploying it"#]].assert_eq(&told(read(&snapshot)));
}
