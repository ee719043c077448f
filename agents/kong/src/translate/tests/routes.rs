//! Operations as routes.

use serde_json::{Value, json};

use super::{api, config, form, form_with};
use crate::{
    client::node::Flavor,
    entities::Collection,
    translate::{Form, IssuerKeys},
};

/// Methods and paths of the routes.
fn places(form: &Form) -> Vec<(Value, Value)> {
    let place = |fields: &serde_json::Map<String, Value>| {
        (
            fields.get("methods").cloned().unwrap_or_default(),
            fields["paths"].clone(),
        )
    };
    form.of(Collection::Routes)
        .map(|part| place(&part.fields))
        .collect()
}

#[test]
fn operations_that_differ_in_their_paths_alone_share_a_route() {
    let none = json!([]);
    let form = form(&api(
        &none,
        &[
            ("GET", "/items", none.clone()),
            ("GET", "/shelves", none.clone()),
            ("POST", "/items", none.clone()),
        ],
    ));
    assert_eq!(
        places(&form),
        [
            (json!(["GET", "POST"]), json!(["~/shop(?P<path>/items)$"])),
            (json!(["GET"]), json!(["~/shop(?P<path>/shelves)$"])),
        ]
        .into_iter()
        .rev()
        .collect::<Vec<_>>()
    );
}

#[test]
fn an_operation_with_policies_of_its_own_has_a_route_with_plugins_of_its_own() {
    let size = json!([{"type": "request.size", "with": {"maxBytes": 10}}]);
    let form = form(&api(
        &json!([]),
        &[("GET", "/items", json!([])), ("POST", "/items", size)],
    ));
    let mut plugins = form.of(Collection::Plugins);
    let plugin = plugins
        .find(|part| part.fields["name"] == "request-size-limiting")
        .expect("it has the plugin");
    let route = form
        .of(Collection::Routes)
        .find(|part| plugin.fields["route"]["id"] == part.id);
    assert_eq!(route.expect("a route").fields["methods"], json!(["POST"]));
}

#[test]
fn preflight_requests_are_answered_beneath_the_policy_and_nothing_else_there() {
    let cors = json!([{"type": "cors", "with": {"allowOrigins": ["https://a.example.com"], "allowMethods": ["GET"]}}]);
    let form = form(&api(&cors, &[("GET", "/items/{id}", json!([]))]));
    assert!(places(&form).contains(&(json!(["OPTIONS"]), json!(["~/shop/items/[^/]+$"]))));
    assert_eq!(config(&form, "request-termination")["status_code"], 404);
}

#[test]
fn a_value_of_a_header_is_no_regular_expression() {
    let mut desired = api(&json!([]), &[("GET", "/items", json!([]))]);
    desired.content.operations[0].r#match.headers =
        [("x-kind".to_owned(), "~*.*".to_owned())].into_iter().collect();
    let form = form(&desired);
    let route = form.of(Collection::Routes).next().expect("a route");
    assert_eq!(route.fields["headers"], json!({"x-kind": [r"~*^~\*\.\*$"]}));
    let form = form_with(&desired, &IssuerKeys::new(), Flavor::Expressions);
    let route = form.of(Collection::Routes).next().expect("a route");
    assert_eq!(
        route.fields["expression"],
        r#"(http.method == "GET") && (http.path ~ "^/shop(?P<path>/items)$") && any(lower(http.headers.x_kind)) ~ "^~\\*\\.\\*$""#
    );
}

#[test]
fn what_an_upstream_says_beyond_its_url_and_times_is_refused_by_name() {
    let mut desired = api(&json!([]), &[]);
    assert!(crate::translate::refuse_inexpressible(&desired).is_ok());
    let main = desired.content.upstreams.get_mut("main").expect("main");
    main.idle_timeout_ms = Some(1_000);
    main.health_check = serde_json::from_value(json!({"active": {"path": "/"}})).expect("a check");
    let refused = crate::translate::refuse_inexpressible(&desired).expect_err("refused");
    assert_eq!(
        refused.to_string(),
        "Kong cannot serve `shop`: it does not know `healthCheck` of upstream `main`, `idleTimeoutMs` of upstream `main`; deploy it to another gateway, or change the API"
    );
}

#[test]
fn what_an_operation_asks_beyond_method_path_and_one_upstream_is_refused_by_name() {
    for (fields, named) in [
        (
            json!({"match": {"method": "GET", "path": "/", "pathRegex": "/[0-9]+"}}),
            "operations by regular expression",
        ),
        (
            json!({"match": {"method": "GET", "path": "/a/", "exactSlash": true}}),
            "a slash at the end makes a difference",
        ),
        (
            json!({"match": {"method": "GET", "path": "/a"}, "traffic": {"mirror": [{"upstream": "main"}]}}),
            "copies of requests",
        ),
        (
            json!({"match": {"method": "GET", "path": "/a"}, "traffic": {"split": [{"upstream": "main", "weight": 1}]}}),
            "requests that several upstreams share",
        ),
    ] {
        let mut desired = api(&json!([]), &[]);
        desired.content.operations = vec![serde_json::from_value(fields).expect("an operation")];
        let refused = crate::translate::refuse_inexpressible(&desired).expect_err(named);
        assert!(refused.to_string().contains(named), "{refused}");
    }
}
