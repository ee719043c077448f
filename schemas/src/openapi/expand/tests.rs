use expect_test::{Expect, expect};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{openapi::read, policy::ParameterStyle};

const PARTS: [DefinitionPart; 2] = [DefinitionPart::Parameters, DefinitionPart::Body];

fn expanded(document: &Value) -> Result<ExpandedRequests, Vec<Issue>> {
    let definition = read(document).expect("OpenAPI");
    requests(&definition, definition.operations.iter(), &PARTS)
}

/// One schema of an OpenAPI 3.0 document, expanded.
fn check(schema: Value, expected: Expect) {
    check_in("3.0.3", schema, expected);
}

fn check_in(version: &str, schema: Value, expected: Expect) {
    let document = json!({
        "openapi": version, "info": {"title": "T", "version": "1"},
        "paths": {"/a": {"post": {"requestBody": {"content": {"application/json": {"schema": schema}}}}}},
        "components": {"schemas": {
            "Id": {"type": "integer", "readOnly": true},
            "Node": {"type": "object", "properties": {"next": {"$ref": "#/components/schemas/Node"}}},
            "a/b": {"type": "string"},
        }},
    });
    let text = match expanded(&document) {
        Ok(expanded) => {
            let body = expanded.operations[0].body.as_ref().expect("a body");
            let mut lines = vec![body.content["application/json"].to_string()];
            let named = expanded.schemas.iter();
            lines.extend(named.map(|(name, schema)| format!("{name}: {schema}")));
            lines.join("\n")
        }
        Err(issues) => issues
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("\n"),
    };
    expected.assert_eq(&text);
}

#[test]
fn words_that_refuse_nothing_are_left_out() {
    check(
        json!({"type": "object", "title": "T", "description": "d", "example": {"type": 1}, "x-more": 1, "default": {},
            "properties": {"description": {"type": "string", "description": "d", "format": "uuid", "xml": {}}}}),
        expect![[r#"{"properties":{"description":{"type":"string"}},"type":"object"}"#]],
    );
}

#[test]
fn the_words_of_3_0_become_those_of_json_schema() {
    check(
        json!({"type": "integer", "minimum": 1, "exclusiveMinimum": true, "maximum": 5, "exclusiveMaximum": false}),
        expect![[r#"{"exclusiveMinimum":1,"maximum":5,"type":"integer"}"#]],
    );
    check(
        json!({"type": "string", "enum": ["a"], "nullable": true}),
        expect![[r#"{"enum":["a",null],"type":["string","null"]}"#]],
    );
    check(
        json!({"nullable": true, "allOf": [{"type": "string"}]}),
        expect![[r#"{"anyOf":[{"allOf":[{"type":"string"}]},{"type":"null"}]}"#]],
    );
    check_in(
        "3.1.0",
        json!({"type": ["string", "null"], "nullable": true, "exclusiveMinimum": 3, "prefixItems": [true]}),
        expect![[r#"{"exclusiveMinimum":3,"prefixItems":[true],"type":["string","null"]}"#]],
    );
}

#[test]
fn what_is_referred_to_is_taken_along_once_and_circles_stay() {
    check(
        json!({"type": "array", "items": {"$ref": "#/components/schemas/Node", "description": "beside", "type": "array"}, "contains": {"$ref": "#/components/schemas/a~1b"}}),
        expect![[r##"
            {"contains":{"$ref":"#/$defs/a_1b"},"items":{"$ref":"#/$defs/Node"},"type":"array"}
            Node: {"properties":{"next":{"$ref":"#/$defs/Node"}},"type":"object"}
            a_1b: {"type":"string"}"##]],
    );
    check_in(
        "3.1.0",
        json!({"$ref": "#/components/schemas/Node", "required": ["next"]}),
        expect![[r##"
            {"$ref":"#/$defs/Node","required":["next"]}
            Node: {"properties":{"next":{"$ref":"#/$defs/Node"}},"type":"object"}"##]],
    );
}

#[test]
fn what_is_read_only_must_not_be_sent_and_is_not_asked_for() {
    check(
        json!({"required": ["id", "ref", "name"], "properties": {
            "id": {"readOnly": true, "type": "string"}, "ref": {"$ref": "#/components/schemas/Id"}, "name": {"allOf": [{"writeOnly": true}]}}}),
        expect![[r#"{"properties":{"id":false,"name":{"allOf":[{}]},"ref":false},"required":["name"]}"#]],
    );
    check(
        json!({"allOf": [{"properties": {"id": {"readOnly": true}}}, {"required": ["id"]}], "required": ["id"]}),
        expect![[r#"{"allOf":[{"properties":{"id":false}},{}]}"#]],
    );
}

#[test]
fn what_cannot_be_read_is_told_with_its_place() {
    check(
        json!({"properties": {"a": {"$ref": "#/components/schemas/Gone"}, "b": {"$ref": "other.yaml#/B"},
            "c": {"type": "float"}, "d": {"minimum": "1"}, "e": 7, "f": {"anyOf": []}}}),
        expect![[r##"
            /paths/~1a/post/requestBody/content/application~1json/schema/properties/a: `$ref` to `#/components/schemas/Gone` leads nowhere in this document
            /paths/~1a/post/requestBody/content/application~1json/schema/properties/b: `$ref` to `other.yaml#/B` leads to another document; put what it says into this one
            /paths/~1a/post/requestBody/content/application~1json/schema/properties/c/type: expected a type: one of array, boolean, integer, null, number, object, string
            /paths/~1a/post/requestBody/content/application~1json/schema/properties/d/minimum: expected a number
            /paths/~1a/post/requestBody/content/application~1json/schema/properties/e: expected a schema
            /paths/~1a/post/requestBody/content/application~1json/schema/properties/f/anyOf: expected a list of schemas"##]],
    );
    let mut deep = json!({});
    for _ in 0..80 {
        deep = json!({"items": deep});
    }
    let document = json!({
        "openapi": "3.1.0", "info": {"title": "T", "version": "1"},
        "paths": {"/a": {"post": {"requestBody": {"content": {"application/json": {"schema": deep}}}}}},
    });
    let issues = expanded(&document).expect_err("too deep");
    assert!(issues[0].detail.contains("too large or too deep"), "{issues:?}");
}

#[test]
fn parameters_of_the_operation_go_before_those_of_the_path() {
    let document = json!({
        "openapi": "3.0.3", "info": {"title": "T", "version": "1"},
        "paths": {"/a/{a b}/{+rest}": {
            "parameters": [
                {"name": "a b", "in": "path", "required": true, "schema": {"type": "integer"}},
                {"name": "q", "in": "query", "schema": {"type": "integer"}},
                {"name": "any", "in": "query", "schema": {"type": "string"}},
                {"name": "Authorization", "in": "header", "required": true},
                {"name": "gone", "in": "path", "required": true, "schema": {"type": "integer"}},
            ],
            "get": {"parameters": [{"$ref": "#/components/parameters/q"}, {"name": "q", "in": "header", "required": true, "schema": {"type": "string"}}]},
        }},
        "components": {"parameters": {"q": {"name": "q", "in": "query", "explode": false, "schema": {"type": "array", "items": {}}}}},
    });
    let expanded = expanded(&document).expect("it is whole");
    let parameters = &expanded.operations[0].parameters;
    let shown: Vec<String> = parameters
        .iter()
        .map(|parameter| serde_json::to_string(parameter).expect("JSON"))
        .collect();
    expect![[r#"
        {"name":"q","in":"header","required":true,"style":"simple","schema":{"type":"string"}}
        {"name":"a_b","in":"path","required":true,"style":"simple","schema":{"type":"integer"}}
        {"name":"q","in":"query","style":"form","schema":{"items":{},"type":"array"}}"#]]
    .assert_eq(&shown.join("\n"));
}

#[test]
fn a_style_that_nobody_checks_is_told() {
    let document = json!({
        "openapi": "3.0.3", "info": {"title": "T", "version": "1"},
        "paths": {"/a/{b}": {"get": {"parameters": [{"name": "b", "in": "path", "required": true, "style": "matrix", "schema": {"type": "integer"}}]}}},
    });
    let issues = expanded(&document).expect_err("it cannot be checked");
    assert_eq!(issues[0].pointer, "/paths/~1a~1{b}/get/parameters/0/style");
}

#[test]
fn parameters_in_paths_may_have_labels() {
    let parameter = |place: &str| {
        json!({
            "openapi": "3.0.3", "info": {"title": "T", "version": "1"},
            "paths": {"/a/{b}": {"get": {"parameters": [
                {"name": "b", "in": place, "required": true, "style": "label", "schema": {"type": "integer"}}]}}},
        })
    };
    let found = expanded(&parameter("path")).expect("expanded");
    assert_eq!(found.operations[0].parameters[0].style, ParameterStyle::Label);
    expanded(&parameter("query")).expect_err("labels are for paths");
}

#[test]
fn schemas_made_of_one_another_in_many_ways_are_refused_in_time() {
    let parts = |next: usize| vec![json!({"$ref": format!("#/components/schemas/S{next}")}); 30];
    let schemas: Map<String, Value> = (0..10)
        .map(|number| {
            (
                format!("S{number}"),
                json!({"properties": {"p": {"allOf": parts(number + 1)}}, "allOf": parts(number + 1)}),
            )
        })
        .chain([("S10".to_owned(), json!({"type": "object"}))])
        .collect();
    let document = json!({
        "openapi": "3.0.3", "info": {"title": "T", "version": "1"},
        "paths": {"/a": {"post": {"requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/S0"}}}}}}},
        "components": {"schemas": schemas},
    });
    let began = std::time::Instant::now();
    let issues = expanded(&document).expect_err("it never ends");
    assert!(issues[0].detail.contains("too large"), "{issues:?}");
    assert!(
        began.elapsed() < std::time::Duration::from_secs(30),
        "{:?}",
        began.elapsed()
    );
}

#[test]
fn thousands_of_schemas_of_one_name_get_names_in_time() {
    let paths: Map<String, Value> = (0..10_000)
        .map(|number| {
            let schema = json!({"$ref": format!("#/components/x-more/{number}/schema")});
            let media = json!({"application/json": {"schema": schema}});
            (
                format!("/{number}"),
                json!({"post": {"requestBody": {"content": media}}}),
            )
        })
        .collect();
    let more: Vec<Value> = (0..10_000)
        .map(|_| json!({"schema": {"type": "integer"}}))
        .collect();
    let document = json!({
        "openapi": "3.0.3", "info": {"title": "T", "version": "1"}, "paths": paths, "components": {"x-more": more},
    });
    let definition = read(&document).expect("OpenAPI");
    let began = std::time::Instant::now();
    let found = requests(&definition, definition.operations.iter(), &PARTS).expect("expanded");
    assert!(found.schemas.contains_key("schema_10000"));
    assert!(
        began.elapsed() < std::time::Duration::from_secs(20),
        "{:?}",
        began.elapsed()
    );
}

#[test]
fn what_is_taken_out_for_each_operation_is_bounded_as_it_grows() {
    let values: Vec<String> = (0..1_000).map(|number| format!("{number:0100}")).collect();
    let paths: Map<String, Value> = (0..500)
        .map(|number| {
            let parameters = json!([{"$ref": "#/components/parameters/P"}]);
            (format!("/{number}"), json!({"get": {"parameters": parameters}}))
        })
        .collect();
    let document = json!({
        "openapi": "3.0.3", "info": {"title": "T", "version": "1"}, "paths": paths,
        "components": {"parameters": {"P": {"name": "p", "in": "query", "schema": {"enum": values}}}},
    });
    let definition = read(&document).expect("OpenAPI");
    let read = Cell::new(0);
    let operations = definition.operations.iter().inspect(|_| read.set(read.get() + 1));
    let issues = requests(&definition, operations, &PARTS).expect_err("too large");
    assert!(
        issues[0].detail.contains("the most that a revision holds"),
        "{issues:?}"
    );
    assert!(read.get() < 100, "{} operations were read", read.get());
}

#[test]
fn a_range_of_types_with_bytes_says_nothing_of_what_is_in_them() {
    let content = json!({"*/*": {"schema": {"type": "string", "format": "binary"}},
        "application/json": {"schema": {"type": "string", "format": "binary"}}});
    let document = json!({
        "openapi": "3.0.3", "info": {"title": "T", "version": "1"},
        "paths": {"/a": {"post": {"requestBody": {"content": content}}}},
    });
    let found = expanded(&document).expect("expanded");
    let body = found.operations[0].body.as_ref().expect("a body");
    assert_eq!(body.content["*/*"], json!(true));
    assert_eq!(body.content["application/json"], json!({"type": "string"}));
}

/// Schemas that are made of each other, some of them broken.
fn any_schema() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!({"type": "integer", "minimum": 1, "exclusiveMinimum": true})),
        Just(json!({"type": "string", "nullable": true, "enum": ["a"]})),
        Just(json!({"$ref": "#/components/schemas/A"})),
        Just(json!({"$ref": "#/components/schemas/B", "readOnly": true})),
        Just(json!({"$ref": "#/components/schemas/B/properties/p"})),
        Just(json!({"$ref": "#/components/schemas/Gone"})),
        Just(json!({"readOnly": true})),
        Just(json!(true)),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone())
                .prop_map(|(p, q)| json!({"properties": {"p": p, "q": q}, "required": ["p", "q"]})),
            inner
                .clone()
                .prop_map(|items| json!({"type": "array", "items": items})),
            prop::collection::vec(inner.clone(), 1..3)
                .prop_map(|parts| json!({"allOf": parts, "nullable": true})),
            inner.prop_map(|not| json!({"not": not, "additionalProperties": false})),
        ]
    })
}

fn any_definition() -> impl Strategy<Value = Value> {
    (any_schema(), any_schema(), any_schema(), "3.0.3|3.1.0").prop_map(|(body, a, b, version)| {
        json!({
            "openapi": version, "info": {"title": "T", "version": "1"},
            "paths": {"/a": {"post": {
                "parameters": [{"name": "q", "in": "query", "schema": a}],
                "requestBody": {"content": {"application/json": {"schema": body}}},
            }}},
            "components": {"schemas": {"A": a, "B": b}},
        })
    })
}

proptest! {
    #[test]
    fn whatever_a_definition_says_its_expansion_is_whole_or_an_issue(document in any_definition()) {
        if let Ok(definition) = read(&document)
            && let Ok(expanded) = requests(&definition, definition.operations.iter(), &PARTS)
        {
            prop_assert_eq!(expanded.operations.len(), definition.operations.len());
            let text = serde_json::to_string(&expanded).expect("JSON");
            for part in text.split("\"$ref\":\"#/$defs/").skip(1) {
                let name = part.split('"').next().expect("a name");
                prop_assert!(expanded.schemas.contains_key(name), "{}", name);
            }
            let body = expanded.operations[0].body.as_ref().expect("a body");
            let mut schema = json!({"allOf": [body.content["application/json"]]});
            schema["$defs"] = json!(expanded.schemas);
            prop_assert!(jsonschema::draft202012::new(&schema).is_ok(), "{}", schema);
            let again: ExpandedRequests = serde_json::from_str(&text).expect("it reads back");
            prop_assert_eq!(again, expanded);
        }
    }
}

/// The examples of one response, as status, type and body.
fn check_answers(version: &str, responses: Value, status: Option<u16>, expected: Expect) {
    let document = json!({
        "openapi": version, "info": {"title": "T", "version": "1"},
        "paths": {"/a": {"get": {"responses": responses}}},
        "components": {
            "examples": {"Shared": {"value": {"shared": true}}},
            "schemas": {"Node": {"type": "object", "required": ["id"], "properties": {
                "id": {"type": "integer", "example": 7}, "next": {"$ref": "#/components/schemas/Node"},
                "secret": {"type": "string", "example": "s", "writeOnly": true}}}},
        },
    });
    let definition = read(&document).expect("OpenAPI");
    let text = match answers(&definition, definition.operations.iter(), status) {
        Ok(expanded) => expanded.operations[0]
            .examples
            .iter()
            .map(|example| {
                format!(
                    "{} {} {} {}",
                    example.status,
                    example.content_type.as_deref().unwrap_or("-"),
                    example.name.as_deref().unwrap_or("-"),
                    example.body.as_deref().unwrap_or("-")
                )
            })
            .collect::<Vec<_>>()
            .join("\n"),
        Err(issues) => issues
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("\n"),
    };
    expected.assert_eq(&text);
}

#[test]
fn the_examples_of_the_lowest_success_come_first_and_json_before_others() {
    check_answers(
        "3.0.3",
        json!({
            "201": {"content": {"application/json": {"example": 1}}},
            "200": {"content": {
                "text/csv": {"example": "a;b"},
                "application/json": {"examples": {"one": {"value": {"n": 1}}, "two": {"$ref": "#/components/examples/Shared"}}},
            }},
            "404": {"content": {"application/problem+json": {"schema": {"example": "{\"title\": \"gone\"}"}}}},
            "500": {"content": {"application/json": {}}},
        }),
        None,
        expect![[r#"
            200 application/json one {"n":1}
            200 application/json two {"shared":true}
            200 text/csv - a;b
            201 application/json - 1
            404 application/problem+json - {"title": "gone"}"#]],
    );
    check_answers(
        "3.0.3",
        json!({"200": {"content": {"application/json": {"example": 1}}}, "404": {"description": "gone"}}),
        Some(404),
        expect![[r#"
            404 - - -
            200 application/json - 1"#]],
    );
}

#[test]
fn an_example_is_made_of_those_of_the_parts_of_a_schema() {
    check_answers(
        "3.1.0",
        json!({"default": {"content": {"application/json": {"schema": {
            "type": "array", "items": {"allOf": [{"$ref": "#/components/schemas/Node"}, {"properties": {"state": {"enum": ["open"]}, "at": {"examples": [1, 2]}}}]}}}}}}),
        None,
        expect![[r#"200 application/json - [{"at":1,"id":7,"state":"open"}]"#]],
    );
}

#[test]
fn an_operation_without_an_example_is_told_by_its_name() {
    check_answers(
        "3.0.3",
        json!({"200": {"content": {"application/json": {"schema": {"required": ["a"], "properties": {"a": {"type": "string"}}}}}}}),
        None,
        expect![[
            r#"/paths/~1a/get/responses/200: `GET /a` has no example of status 200 to answer with; write an `example` at its content or schema, or name another status in the policy"#
        ]],
    );
    check_answers(
        "3.0.3",
        json!({}),
        Some(404),
        expect!["/paths/~1a/get/responses: `GET /a` has no response of status 404"],
    );
}
