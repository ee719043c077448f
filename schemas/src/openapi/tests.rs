use expect_test::{Expect, expect};
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn check(document: Value, expected: Expect) {
    let text = match read(&document) {
        Ok(definition) => shown(&definition),
        Err(issues) => issues
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("\n"),
    };
    expected.assert_eq(&text);
}

fn shown(definition: &Definition) -> String {
    let mut lines = vec![format!(
        "{:?} `{}` `{}` {:?}",
        definition.format, definition.title, definition.version, definition.servers
    )];
    for operation in &definition.operations {
        let matched = &operation.r#match;
        let id = operation.id.as_deref().unwrap_or("-");
        let deprecated = if operation.deprecated { " deprecated" } else { "" };
        let summary = operation.summary.as_deref().unwrap_or("-");
        lines.push(format!(
            "{} {} {id} {summary}{deprecated}",
            matched.method, matched.path
        ));
    }
    lines.extend(
        definition
            .warnings
            .iter()
            .map(|warning| format!("warning: {warning}")),
    );
    lines.join("\n")
}

#[test]
fn all_methods_are_read_and_what_is_no_method_is_not() {
    check(
        json!({
            "openapi": "3.0.3",
            "info": {"title": " Orders ", "version": 1.5},
            "servers": [
                {"url": "https://{region}.example.com/{stage}/{open}", "variables": {"region": {"default": "eu"}, "stage": {"default": 1}}},
                {"url": "/v1"}, {"url": "/v1"}, {},
            ],
            "paths": {
                "x-note": {"get": {}},
                "/a": {
                    "summary": "not a method", "parameters": [{"name": "id"}], "x-get": {}, "servers": [],
                    "get": {"operationId": "g", "summary": "First\nsecond   line"},
                    "put": {}, "post": {}, "delete": {"deprecated": true}, "options": {}, "head": {}, "patch": {}, "trace": {},
                    "query": {},
                },
                "/empty": {},
            },
        }),
        expect![[r#"
            OpenApi30 `Orders` `1.5` ["https://eu.example.com/1/{open}", "/v1"]
            DELETE /a - - deprecated
            GET /a g First second line
            HEAD /a - -
            OPTIONS /a - -
            PATCH /a - -
            POST /a - -
            PUT /a - -
            TRACE /a - -"#]],
    );
}

#[test]
fn swagger_servers_come_from_host_base_path_and_schemes() {
    let swagger = |more: Value| {
        let mut document =
            json!({"swagger": "2.0", "info": {"title": "T", "version": "1"}, "paths": {"/a": {"get": {}}}});
        document
            .as_object_mut()
            .expect("an object")
            .extend(more.as_object().expect("an object").clone());
        document
    };
    check(
        swagger(json!({"host": "a.example", "basePath": "/v1/", "schemes": ["https", "http"]})),
        expect![[r#"
            Swagger20 `T` `1` ["https://a.example/v1", "http://a.example/v1"]
            GET /a - -"#]],
    );
    check(
        swagger(json!({"host": "a.example"})),
        expect![[r#"
        Swagger20 `T` `1` ["https://a.example"]
        GET /a - -"#]],
    );
    check(
        swagger(json!({"basePath": "/v1"})),
        expect![[r#"
        Swagger20 `T` `1` ["/v1"]
        GET /a - -"#]],
    );
    check(
        swagger(json!({})),
        expect![[r#"
        Swagger20 `T` `1` []
        GET /a - -"#]],
    );
}

#[test]
fn path_items_by_reference_are_followed_and_circles_are_not() {
    check(
        json!({
            "openapi": "3.1.0", "info": {"title": "T", "version": "1"},
            "paths": {
                "/a": {"$ref": "#/components/pathItems/A", "post": {"operationId": "beside"}},
                "/b": {"$ref": "#/paths/~1a"},
                "/c": {"$ref": "#/paths/~1d"},
                "/d": {"$ref": "#/paths/~1c"},
                "/e": {"$ref": "other.yaml#/x"},
                "/f": 7,
            },
            "components": {"pathItems": {"A": {"get": {"operationId": "referred"}}}},
        }),
        expect![[r#"
            OpenApi31 `T` `1` []
            GET /a referred -
            POST /a beside -
            GET /b referred -
            warning: the path item is not an object, or its `$ref` leads nowhere; left out: `/c`, `/d`, `/e` and 1 more"#]],
    );
}

#[test]
fn operations_that_no_request_can_tell_apart_are_one_with_a_warning() {
    check(
        json!({
            "openapi": "3.0.0", "info": {"title": "T", "version": "1"},
            "paths": {
                "/o/{id}": {"get": {"operationId": "first"}},
                "/o/{order}": {"get": {"operationId": "second"}, "put": {"operationId": "third"}},
                "/o/#x": {"get": {"operationId": "x"}},
                "/o/": {"get": {"operationId": "closest"}},
                "/up/../down": {"get": {}},
            },
        }),
        expect![[r#"
            OpenApi30 `T` `1` []
            GET /o/ closest -
            GET /o/{id} first -
            PUT /o/{order} third -
            warning: no request can have this path; left out: `/up/../down`
            warning: what follows `#` never reaches a gateway, so these paths are told apart by nothing: `GET /o/#x`
            warning: no request can tell the operation from another one of the document; the other one stands for both: `GET /o/#x`, `GET /o/{order}`"#]],
    );
}

#[test]
fn a_fragment_counts_where_a_parameter_says_the_same() {
    let target = |value: &str| json!({"name": "X-Target", "in": "header", "schema": {"enum": [value]}});
    let document = json!({
        "openapi": "3.0.0", "info": {"title": "T", "version": "1"},
        "paths": {
            "/#X-Target=A": {"parameters": [target("A")], "post": {"operationId": "a"}},
            "/#X-Target=B": {"post": {"operationId": "b", "parameters": [{"$ref": "#/components/parameters/B"}]}},
        },
        "components": {"parameters": {"B": target("B")}},
    });
    let definition = read(&document).expect("a definition");
    let headers: Vec<_> = definition
        .operations
        .iter()
        .map(|operation| &operation.r#match.headers)
        .collect();
    assert_eq!(json!(headers), json!([{"x-target": "A"}, {"x-target": "B"}]));
    assert_eq!(definition.warnings, Vec::<String>::new());
}

#[test]
fn what_is_not_openapi_is_refused_with_a_reason() {
    for (document, expected) in [
        (
            json!({"kind": "Api"}),
            expect![
                "not an OpenAPI document: expected a field `openapi` (3.0 or 3.1) or `swagger` (2.0) at the top"
            ],
        ),
        (
            json!([1]),
            expect![
                "not an OpenAPI document: expected a field `openapi` (3.0 or 3.1) or `swagger` (2.0) at the top; it is not even an object"
            ],
        ),
        (
            json!("openapi"),
            expect![
                "not an OpenAPI document: expected a field `openapi` (3.0 or 3.1) or `swagger` (2.0) at the top; it is not even an object"
            ],
        ),
        (
            json!({"openapi": "4.0.0"}),
            expect![
                "/openapi: OpenAPI `4.0.0` is not supported; convert the document to OpenAPI 3.0 or 3.1, or Swagger 2.0"
            ],
        ),
        (
            json!({"openapi": {"x": 1}}),
            expect![
                "/openapi: OpenAPI `` is not supported; convert the document to OpenAPI 3.0 or 3.1, or Swagger 2.0"
            ],
        ),
        (
            json!({"swagger": "1.2"}),
            expect![
                "/swagger: Swagger `1.2` is not supported; convert the document to OpenAPI 3.0 or 3.1, or Swagger 2.0"
            ],
        ),
        (
            json!({"swaggerVersion": "1.1"}),
            expect![
                "/swaggerVersion: Swagger `1.1` is not supported; convert the document to OpenAPI 3.0 or 3.1, or Swagger 2.0"
            ],
        ),
        (
            json!({"asyncapi": "2.0.0"}),
            expect![
                "not an OpenAPI document: expected a field `openapi` (3.0 or 3.1) or `swagger` (2.0) at the top"
            ],
        ),
        (
            json!({"openapi": "3.0.0", "paths": []}),
            expect!["/paths: expected an object with one field for each path, found a list"],
        ),
    ] {
        check(document, expected);
    }
}

#[test]
fn yaml_is_read_as_the_same_document() {
    let yaml = "swagger: 2.0\ninfo: {title: T, version: 1.0}\npaths:\n  /a:\n    get:\n      responses:\n        200: {description: no}\n";
    let document = parse(yaml).expect("YAML");
    assert_eq!(
        document.pointer("/paths/~1a/get/responses/200/description"),
        Some(&json!("no"))
    );
    check(
        document,
        expect![[r#"
        Swagger20 `T` `1.0` []
        GET /a - -"#]],
    );
    assert!(parse("a: 1\n---\nb: 2\n").is_err());
    assert!(parse("").is_err());
}

#[test]
fn a_schema_that_refers_to_itself_does_no_harm() {
    let schema = json!({"properties": {"children": {"items": {"$ref": "#/components/schemas/Node"}}}});
    let document = json!({
        "openapi": "3.0.0", "info": {"title": "T", "version": "1"},
        "paths": {"/nodes": {"get": {"responses": {"200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Node"}}}}}}}},
        "components": {"schemas": {"Node": schema}},
    });
    let definition = read(&document).expect("a definition");
    assert_eq!(definition.operations.len(), 1);
    assert_eq!(definition.canonical, document);
}

proptest! {
    #[test]
    fn any_value_is_read_or_refused(value in crate::diff::tests::any_value(), template in ".{0,12}") {
        let mut document = json!({"openapi": "3.0.0", "info": value.clone(), "servers": value.clone(), "paths": {}});
        document["paths"][&template] = json!({"get": value.clone(), "parameters": value.clone(), "$ref": value});
        let _ = read(&document);
        document["paths"][&template] = json!({"get": {}});
        let definition = read(&document).expect("it is OpenAPI");
        for operation in &definition.operations {
            let spec = json!({"basePath": "/", "upstreams": {"main": {"url": "http://a"}}, "operations": [{"match": operation.r#match}]});
            let spec: crate::api::ApiSpec = serde_json::from_value(spec).expect("a spec");
            prop_assert_eq!(crate::validate::api(&spec, ""), Vec::new(), "every route is a valid one");
        }
    }
}
