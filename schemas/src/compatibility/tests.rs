use expect_test::{Expect, expect};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{diff::tests::any_value, pointer};

/// Sets (or, with null, removes) what pointers name.
fn with(mut value: Value, changes: Value) -> Value {
    for (place, new) in changes.as_object().expect("changes") {
        let (parent, key) = pointer::split_last(place).expect("a place");
        let parent = value.pointer_mut(parent).expect("a parent");
        match (parent, new) {
            (Value::Array(list), Value::Null) => drop(list.remove(key.parse().expect("an index"))),
            (Value::Array(list), new) => list.push(new.clone()),
            (Value::Object(fields), Value::Null) => drop(fields.remove(&key)),
            (parent, new) => parent[&key] = new.clone(),
        }
    }
    value
}

fn lines(changes: &[ClassifiedChange]) -> String {
    let line = |change: &ClassifiedChange| format!("{:?} {}: {}", change.class, change.place, change.message);
    changes.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn content() -> Value {
    json!({
        "displayName": "Orders", "version": "v1", "type": "rest", "direction": "ingress", "basePath": "/orders",
        "hostnames": ["api.example.com"], "upstreams": {"main": {"url": "http://a"}},
        "policies": [{"type": "request.size", "with": {"maxBytes": 10}}],
        "operations": [
            {"match": {"method": "GET", "path": "/"}, "summary": "List"},
            {"match": {"method": "GET", "path": "/{id}"}, "summary": "Show"},
        ],
    })
}

fn read(content: Value) -> RevisionContent {
    serde_json::from_value(content).expect("content")
}

fn check(changes: Value, expected: Expect) {
    let found = compare(&read(content()), &read(with(content(), changes)), None);
    expected.assert_eq(&lines(&found));
}

#[test]
fn what_is_not_served_any_more_breaks_its_callers() {
    check(
        json!({
            "/operations/0": null,
            "/hostnames/0": null, "/hostnames/-": "other.example.com", "/basePath": "/v2/orders",
        }),
        expect![[r#"
            Breaking GET /: it is not served any more
            Breaking the API: it is reached below `/v2/orders`, not `/orders`
            Breaking the API: it does not answer to host `api.example.com` any more
            Compatible the API: it answers to host `other.example.com` too"#]],
    );
    check(
        json!({"/operations": [], "/hostnames": []}),
        expect![[r#"
        Compatible the API: it answers to any host
        Compatible the API: every path and method is served"#]],
    );
}

#[test]
fn what_is_new_breaks_nothing() {
    check(
        json!({
            "/operations/-": {"match": {"method": "POST", "path": "/"}},
            "/operations/0/deprecated": true, "/hostnames/0": "*.example.com", "/upstreams/main/url": "http://b",
        }),
        expect![[r#"
            Compatible GET /: it is deprecated
            Compatible POST /: it is new
            Compatible the API: it answers to host `*.example.com` too
            Compatible the API: its upstreams changed"#]],
    );
}

#[test]
fn names_and_texts_are_decoration() {
    check(
        json!({
            "/displayName": "All orders", "/operations/0/summary": "All", "/operations/1/match/path": "/{order}",
            "/basePath": "/orders/",
        }),
        expect![[r#"
            Cosmetic GET /: its texts changed
            Cosmetic GET /{id}: its texts changed
            Cosmetic the API: its display name is `All orders`, not `Orders`"#]],
    );
}

#[test]
fn only_the_listed_operations_are_fewer_than_all_of_them() {
    let all = with(content(), json!({"/operations": []}));
    let found = compare(&read(all), &read(content()), None);
    expect!["Breaking the API: only the listed operations are served, not every path and method"]
        .assert_eq(&lines(&found));
    let any_method = with(
        content(),
        json!({"/operations/0": null, "/operations/-": {"match": {"method": "*", "path": "/"}}}),
    );
    let found = compare(&read(content()), &read(any_method), None);
    expect![[r#"
        Compatible * /: it is new
        Compatible GET /: it is served as one of all methods of its path"#]]
    .assert_eq(&lines(&found));
}

#[test]
fn policies_that_may_refuse_what_was_let_through_break_callers() {
    let key = json!({"type": "auth.apiKey", "with": {"keys": [{"consumer": "a", "secretRef": "a"}]}});
    let cors = json!({"type": "cors", "with": {"allowOrigins": ["*"]}});
    check(
        json!({"/policies/-": key, "/operations/0/policies": [cors]}),
        expect![[r#"
            Breaking policy auth.apiKey: it is new
            Compatible policy cors of GET /: it is new"#]],
    );
    check(
        json!({"/policies/0/with/maxBytes": 5}),
        expect!["Breaking policy request.size: its parameters changed"],
    );
    check(
        json!({"/policies/0/with/maxBytes": 50}),
        expect!["Compatible policy request.size: its parameters changed"],
    );
    check(
        json!({"/policies/0": null}),
        expect!["Compatible policy request.size: it does not hold any more"],
    );
    let secured = read(with(content(), json!({"/policies/-": key})));
    expect!["Compatible policy auth.apiKey: it does not hold any more"].assert_eq(&lines(&compare(
        &secured,
        &read(content()),
        None,
    )));
}

fn document() -> Value {
    json!({
        "openapi": "3.0.3", "info": {"title": "Orders", "version": "1"},
        "servers": [{"url": "https://api.example.com"}],
        "paths": {
            "/orders": {
                "get": {
                    "summary": "List",
                    "parameters": [
                        {"name": "limit", "in": "query", "schema": {"type": "integer", "maximum": 100}},
                        {"name": "X-Trace", "in": "header", "schema": {"type": "string"}},
                    ],
                    "responses": {"200": {"description": "ok", "content": {"application/json": {
                        "schema": {"type": "array", "items": {"$ref": "#/components/schemas/Order"}},
                    }}}},
                },
                "post": {
                    "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Order"}}}},
                    "responses": {"201": {"description": "made"}, "409": {"description": "there is one"}},
                },
            },
            "/orders/{id}": {
                "parameters": [{"name": "id", "in": "path", "required": true, "schema": {"type": "string"}}],
                "get": {"responses": {"200": {"description": "ok", "content": {"application/json": {
                    "schema": {"type": "object", "properties": {"order": {"$ref": "#/components/schemas/Order"}}},
                }}}}},
            },
        },
        "components": {"schemas": {
            "Order": {
                "type": "object", "required": ["id"], "description": "An order",
                "properties": {
                    "id": {"type": "string"},
                    "state": {"type": "string", "enum": ["open", "shipped"]},
                    "lines": {"type": "array", "items": {"$ref": "#/components/schemas/Line"}},
                    "parent": {"$ref": "#/components/schemas/Order"},
                },
            },
            "Line": {"type": "object", "properties": {"price": {"type": "number"}, "order": {"$ref": "#/components/schemas/Order"}}},
        }},
    })
}

fn between(before: &Value, after: &Value) -> String {
    let content = read(content());
    lines(&compare(&content, &content, Some((before, after))))
}

fn check_document(changes: Value, expected: Expect) {
    expected.assert_eq(&between(&document(), &with(document(), changes)));
}

#[test]
fn an_equal_definition_changes_nothing() {
    check_document(json!({}), expect![[""]]);
}

#[test]
fn texts_examples_and_order_are_decoration() {
    check_document(
        json!({
            "/info/title": "All orders", "/paths/~1orders/get/summary": "All of them",
            "/components/schemas/Order/description": "One order", "/components/schemas/Order/x-order": 1,
        }),
        expect![[r#"
            Cosmetic GET /orders: its texts, examples or order changed
            Cosmetic schema Order in requests: its texts, examples or order changed
            Cosmetic schema Order in responses: its texts, examples or order changed"#]],
    );
    check_document(
        json!({"/info/description": "Many words"}),
        expect!["Cosmetic the API: the definition's texts, examples or order changed"],
    );
}

#[test]
fn what_callers_must_send_more_breaks_them() {
    check_document(
        json!({
            "/paths/~1orders/get/parameters/-": {"name": "tenant", "in": "query", "required": true, "schema": {"type": "string"}},
            "/paths/~1orders/get/parameters/0/schema/maximum": 50,
            "/paths/~1orders/get/parameters/1/required": true,
            "/paths/~1orders/post/requestBody/required": true,
            "/components/schemas/Order/required": ["id", "state", "customer"],
            "/components/schemas/Order/properties/customer": {"type": "string"},
        }),
        expect![[r#"
            Breaking GET /orders: header parameter `X-Trace` is required
            Breaking GET /orders: query parameter `tenant` is new and required
            Breaking POST /orders: it requires its body
            Breaking query parameter `limit` of GET /orders: `maximum` of the value is 50, not 100
            Breaking schema Order in requests: `state` is required
            Breaking schema Order in requests: `customer` is new and required
            Compatible schema Order in responses: `state` is required
            Compatible schema Order in responses: `customer` is new"#]],
    );
}

#[test]
fn what_callers_get_less_breaks_them() {
    check_document(
        json!({
            "/components/schemas/Line/properties/price": null,
            "/components/schemas/Order/required": [],
            "/paths/~1orders/post/responses/201": null,
            "/paths/~1orders/post/responses/409": null,
        }),
        expect![[r#"
            Breaking response 201 of POST /orders: it is not given any more
            Breaking schema Line in requests: `price` is not taken any more
            Breaking schema Line in responses: `price` is not sent any more
            Breaking schema Order in responses: `id` is optional
            Compatible response 409 of POST /orders: it is not given any more
            Compatible schema Order in requests: `id` is optional"#]],
    );
}

#[test]
fn narrower_and_wider_types_mean_the_opposite_in_requests_and_responses() {
    check_document(
        json!({
            "/components/schemas/Order/properties/state/enum": ["open", "lost"],
            "/components/schemas/Line/properties/price/type": "integer",
            "/components/schemas/Order/properties/id/nullable": true,
        }),
        expect![[r#"
            Breaking schema Line in requests: `price` is integer, not number
            Breaking schema Order in requests: `state` cannot be "shipped" any more
            Breaking schema Order in responses: `state` may be "lost" too
            Breaking schema Order in responses: `id` is null or string, not string
            Compatible schema Line in responses: `price` is integer, not number
            Compatible schema Order in requests: `state` may be "lost" too
            Compatible schema Order in requests: `id` is null or string, not string
            Compatible schema Order in responses: `state` cannot be "shipped" any more"#]],
    );
}

#[test]
fn optional_things_are_welcome() {
    check_document(
        json!({
            "/paths/~1orders/get/parameters/-": {"name": "page", "in": "query", "schema": {"type": "string"}},
            "/paths/~1orders/get/parameters/0/schema/maximum": 500,
            "/components/schemas/Order/properties/note": {"type": "string"},
            "/paths/~1orders/post/responses/422": {"description": "bad"},
            "/servers/-": {"url": "https://eu.example.com"},
        }),
        expect![[r#"
            Compatible GET /orders: query parameter `page` is new and optional
            Compatible query parameter `limit` of GET /orders: `maximum` of the value is 500, not 100
            Compatible response 422 of POST /orders: it is new
            Compatible schema Order in requests: `note` is new
            Compatible schema Order in responses: `note` is new
            Compatible the API: the definition has the server `https://eu.example.com` too"#]],
    );
}

#[test]
fn servers_media_types_parameters_and_credentials_that_go_break_callers() {
    check_document(
        json!({
            "/servers": [{"url": "https://new.example.com"}],
            "/paths/~1orders/get/parameters/1": null,
            "/paths/~1orders/get/responses/200/content": {"application/xml": {}},
            "/paths/~1orders/post/requestBody": null,
            "/paths/~1orders~1{id}/get/security": [{"key": []}],
        }),
        expect![[r#"
            Breaking GET /orders: header parameter `X-Trace` is not taken any more
            Breaking GET /orders/{id}: callers need other credentials
            Breaking POST /orders: it does not take a body any more
            Breaking response 200 of GET /orders: `application/json` is gone
            Breaking the API: the definition's server `https://api.example.com` is gone
            Compatible response 200 of GET /orders: `application/xml` is new
            Compatible the API: the definition has the server `https://new.example.com` too"#]],
    );
}

#[test]
fn the_name_of_a_path_parameter_is_decoration() {
    let path = json!({"parameters": [{"name": "order", "in": "path", "required": true, "schema": {"type": "string"}}],
        "get": document()["paths"]["/orders/{id}"]["get"]});
    check_document(
        json!({"/paths/~1orders~1{id}": null, "/paths/~1orders~1{order}": path}),
        expect!["Cosmetic GET /orders/{id}: its texts, examples or order changed"],
    );
}

#[test]
fn compositions_are_compared_as_one() {
    let composed = json!({"allOf": [
        {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}}},
        {"properties": {
            "state": {"type": "string", "enum": ["open", "shipped"]},
            "lines": {"type": "array", "items": {"$ref": "#/components/schemas/Line"}},
            "parent": {"$ref": "#/components/schemas/Order"},
        }},
    ]});
    check_document(
        json!({"/components/schemas/Order": composed}),
        expect![[r#"
        Cosmetic schema Order in requests: its texts, examples or order changed
        Cosmetic schema Order in responses: its texts, examples or order changed"#]],
    );
    let one_of = |names: &[&str]| {
        let parts: Vec<Value> = names
            .iter()
            .map(|name| json!({"$ref": format!("#/components/schemas/{name}")}))
            .collect();
        with(
            document(),
            json!({"/components/schemas/Any": {"oneOf": parts}, "/components/schemas/Order/properties/parent": {"$ref": "#/components/schemas/Any"}}),
        )
    };
    expect![[r#"
        Breaking schema Any in requests: the value cannot be `Line` any more
        Compatible schema Any in responses: the value cannot be `Line` any more"#]]
    .assert_eq(&between(&one_of(&["Order", "Line"]), &one_of(&["Order"])));
}

#[test]
fn swagger_is_compared_too() {
    let swagger = json!({
        "swagger": "2.0", "info": {"title": "Orders", "version": "1"}, "host": "api.example.com", "basePath": "/v1",
        "paths": {"/orders": {"post": {
            "parameters": [
                {"name": "order", "in": "body", "required": true, "schema": {"$ref": "#/definitions/Order"}},
                {"name": "limit", "in": "query", "type": "integer"},
            ],
            "responses": {"200": {"description": "ok", "schema": {"$ref": "#/definitions/Order"}}},
        }}},
        "definitions": {"Order": {"type": "object", "properties": {"id": {"type": "string"}, "note": {"type": "string"}}}},
    });
    let after = with(
        swagger.clone(),
        json!({
            "/basePath": "/v2", "/paths/~1orders/post/parameters/0/name": "body", "/paths/~1orders/post/parameters/1/type": "string",
            "/definitions/Order/properties/note": null,
        }),
    );
    expect![[r#"
        Breaking query parameter `limit` of POST /orders: the value is string, not integer
        Breaking schema Order in requests: `note` is not taken any more
        Breaking schema Order in responses: `note` is not sent any more
        Breaking the API: the definition's server `https://api.example.com/v1` is gone
        Compatible the API: the definition has the server `https://api.example.com/v2` too"#]]
    .assert_eq(&between(&swagger, &after));
}

#[test]
fn references_in_circles_come_to_an_end() {
    let schemas = |kind: &str| {
        json!({
            "A": {"allOf": [{"$ref": "#/components/schemas/B"}, {"$ref": "#/components/schemas/B"}]},
            "B": {"allOf": [{"$ref": "#/components/schemas/A"}, {"$ref": "#/components/schemas/A"}],
                "properties": {"child": {"allOf": [{"$ref": "#/components/schemas/A"}]}, "own": {"type": kind}}},
            "Self": {"$ref": "#/components/schemas/Self"},
            "Any": {"anyOf": [{"$ref": "#/components/schemas/Any"}, {"items": {"$ref": "#/components/schemas/Any"}}]},
        })
    };
    let document = |kind: &str| {
        let properties = json!({"a": {"$ref": "#/components/schemas/A"}, "self": {"$ref": "#/components/schemas/Self"}, "any": {"$ref": "#/components/schemas/Any"}});
        with(
            document(),
            json!({"/components/schemas": schemas(kind), "/paths/~1orders/post/requestBody": {"content": {"a/b": {"schema": {"properties": properties}}}}}),
        )
    };
    expect!["Breaking schema A in requests: `own` is number, not string"]
        .assert_eq(&between(&document("string"), &document("number")));
}

#[test]
fn a_chain_of_ten_thousand_references_is_no_danger() {
    let chain = |last: &str| {
        let link = |number: usize| {
            (
                format!("S{number}"),
                json!({"properties": {"next": {"allOf": [{"$ref": format!("#/components/schemas/S{}", number + 1)}]}}}),
            )
        };
        let mut schemas: serde_json::Map<String, Value> = (0..10_000).map(link).collect();
        schemas.insert("S10000".to_owned(), json!({"type": last}));
        schemas.insert("Order".to_owned(), json!({"$ref": "#/components/schemas/S0"}));
        with(document(), json!({"/components/schemas": schemas}))
    };
    let content = read(content());
    let (before, after) = (chain("string"), chain("number"));
    let changes = compare(&content, &content, Some((&before, &after)));
    assert_eq!(gravest(&changes), ChangeClass::Breaking);
}

#[test]
fn a_thousand_operations_are_compared_at_once() {
    let large = |title: &str| {
        let one = document()["paths"]["/orders"].clone();
        let paths: serde_json::Map<String, Value> = (0..500)
            .map(|number| (format!("/orders{number}"), one.clone()))
            .collect();
        with(
            document(),
            json!({"/paths": paths, "/info/title": title, "/components/schemas/Line/properties/price": {"type": title}}),
        )
    };
    let (before, after) = (large("string"), large("number"));
    let content = read(content());
    let started = std::time::Instant::now();
    let changes = compare(&content, &content, Some((&before, &after)));
    assert!(started.elapsed().as_secs() < 2, "took {:?}", started.elapsed());
    assert_eq!(gravest(&changes), ChangeClass::Breaking);
    // A schema that a thousand operations share is told of once for requests and once for responses.
    assert!(changes.len() < 10, "{}", lines(&changes));
}

#[test]
fn of_too_many_changes_the_gravest_are_told() {
    let many = |count: usize| {
        let operations: Vec<Value> = (0..count)
            .map(|number| json!({"match": {"method": "GET", "path": format!("/{number}")}}))
            .collect();
        read(with(content(), json!({"/operations": operations})))
    };
    let changes = compare(&many(2000), &many(1), None);
    assert_eq!(changes.len(), TOLD_MAX + 1);
    assert_eq!(
        changes.last().map(|change| change.message.as_str()),
        Some("1499 more changes, none graver")
    );
    assert_eq!(gravest(&changes), ChangeClass::Breaking);
}

fn any_schema() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!({"type": "string"})),
        Just(json!({"type": ["number", "null"]})),
        Just(json!({"type": "integer", "minimum": 1})),
        Just(json!({"enum": ["a", "b"]})),
        Just(json!({"$ref": "#/components/schemas/Order"})),
        Just(json!({"$ref": "#/nowhere"})),
        Just(json!({"not": {}})),
    ];
    leaf.prop_recursive(3, 16, 3, |inner| {
        prop_oneof![
            prop::collection::btree_map("[a-c]", inner.clone(), 0..3)
                .prop_map(|fields| json!({"type": "object", "properties": fields, "required": ["a"]})),
            inner
                .clone()
                .prop_map(|items| json!({"type": "array", "items": items})),
            prop::collection::vec(inner.clone(), 1..3).prop_map(|parts| json!({"allOf": parts})),
            prop::collection::vec(inner, 1..3).prop_map(|parts| json!({"oneOf": parts, "description": "x"})),
        ]
    })
}

fn document_of(schema: Value) -> Value {
    with(document(), json!({"/components/schemas/Line": schema}))
}

proptest! {
    #[test]
    fn what_is_the_same_in_other_words_is_no_change(schema in any_schema()) {
        let before = document_of(schema);
        let after = with(before.clone(), json!({"/info/title": "Other", "/paths/~1orders/post/summary": "Other"}));
        let content = read(content());
        prop_assert!(gravest(&compare(&content, &content, Some((&before, &after)))) == ChangeClass::Cosmetic);
    }

    #[test]
    fn what_breaks_nobody_forwards_and_backwards_means_the_same(before in any_schema(), after in any_schema()) {
        let (before, after) = (document_of(before), document_of(after));
        let content = read(content());
        let forwards = gravest(&compare(&content, &content, Some((&before, &after))));
        let backwards = gravest(&compare(&content, &content, Some((&after, &before))));
        // Used in requests and in responses, what widens one way narrows the other way.
        prop_assert_eq!(forwards == ChangeClass::Cosmetic, backwards == ChangeClass::Cosmetic);
    }

    #[test]
    fn any_two_values_can_be_compared(before in any_value(), after in any_value(), place in 0_usize..4) {
        let place = ["/paths", "/paths/~1orders/get", "/components/schemas/Order", "/servers"][place];
        let (before, after) = (with(document(), json!({place: before})), with(document(), json!({place: after})));
        let content = read(content());
        let _ = compare(&content, &content, Some((&before, &after)));
    }
}
