//! What bodies have to be, by their type.

use super::*;

fn in_two_ways() -> Value {
    json!({
        "openapi": "3.0.3", "info": {"title": "T", "version": "1"},
        "paths": {"/a": {"post": {"requestBody": {"content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/Filter"}}}}}}},
        "components": {"schemas": {
            "Filter": {"oneOf": [{"$ref": "#/components/schemas/All"}, {"$ref": "#/components/schemas/Not"}]},
            "All": {"type": "object", "required": ["of"], "properties": {"of": {"$ref": "#/components/schemas/Filter"}}},
            "Not": {"type": "object", "required": ["of", "not"], "properties": {
                "of": {"$ref": "#/components/schemas/Filter"}, "not": {"type": "boolean"}}},
        }},
    })
}

#[test]
fn what_is_wrong_with_a_body_is_told_in_time() {
    let validation = validation(&in_two_ways());
    let json = headers(&[("content-type", "application/json")]);
    let check = |depth: usize| {
        let body = format!("{}1{}", "{\"of\": ".repeat(depth), "}".repeat(depth));
        wrong(&validation, "/v1/a", &json, Some(body.as_bytes()))
    };
    assert_eq!(check(1)[0].0, "/body");
    let began = std::time::Instant::now();
    let found = check(40);
    assert!(began.elapsed() < std::time::Duration::from_secs(5));
    assert!(found[0].1.contains("too much of it"), "{found:?}");
}

#[test]
fn a_schema_that_is_made_of_itself_is_told_before_the_api_is_put_in() {
    let mut document = in_two_ways();
    assert_eq!(unusable_schema(&content(&document)), None);
    document["components"]["schemas"]["All"] = json!({"allOf": [{"$ref": "#/components/schemas/Filter"}]});
    let told = unusable_schema(&content(&document)).expect("it never ends");
    assert!(
        told.contains("application/json") && told.contains("or itself"),
        "{told}"
    );
}

#[test]
fn json_of_another_name_is_json() {
    let validation = validation(&json!({
        "swagger": "2.0", "info": {"title": "T", "version": "1"},
        "paths": {"/a": {"post": {"parameters": [{"name": "body", "in": "body", "schema": {
            "type": "object", "properties": {"n": {"type": "integer"}}}}]}}},
    }));
    for (kind, body, expected) in [
        ("application/json", "{\"n\": 1}", vec![]),
        ("application/json", "{\"n\": \"1\"}", vec!["/body/n"]),
        ("application/vnd.a+json;v=1", "{\"n\": \"1\"}", vec!["/body/n"]),
        ("text/plain", " {\"n\": 1}", vec![]),
        ("text/plain", " {\"n\": \"1\"}", vec!["/body/n"]),
        ("application/octet-stream", "[]", vec!["/body"]),
        ("text/plain", "\u{feff}{\"n\": \"1\"}", vec!["400"]),
        ("text/plain", "{\"n\": 1, \"n\": \"1\"}", vec!["400"]),
        ("application/xml", "<a/>", vec![]),
        ("application/json", "<a/>", vec!["400"]),
        ("application/json; charset=UTF-8", "{}", vec![]),
        ("application/json; charset=\"utf-7\"", "{}", vec!["415"]),
        ("text/plain; a=b; Charset = ibm037", "{}", vec!["415"]),
        ("text/plain; charset=utf-16", "\u{feff}<a/>", vec!["415"]),
        ("text/xml; charset=ISO-8859-15", "<a/>", vec![]),
        ("text/plain", "\0{\0}", vec!["400"]),
        ("text/plain", "{\0}\0", vec!["400"]),
    ] {
        let kind = headers(&[("content-type", kind)]);
        let found = wrong(&validation, "/v1/a", &kind, Some(body.as_bytes()));
        let places: Vec<String> = found.into_iter().map(|(place, _)| place).collect();
        assert_eq!(places, expected, "{kind:?} {body}");
    }
    let packed = headers(&[("content-type", "text/plain"), ("content-encoding", "gzip")]);
    assert_eq!(wrong(&validation, "/v1/a", &packed, Some(b""))[0].0, "415");
}

#[test]
fn what_may_be_a_text_is_one_even_if_it_looks_like_json() {
    for (schema, body, expected) in [
        (
            json!({"type": "string", "minLength": 5}),
            "[INFO] started",
            &[][..],
        ),
        (
            json!({"oneOf": [{"$ref": "#/components/schemas/Level"}, {"type": "object"}]}),
            "[x]",
            &[],
        ),
        (json!({"description": "anything"}), "[x]", &[]),
        (
            json!({"required": ["n"], "properties": {"n": {"maximum": 10}}}),
            "{\"n\": 1000}",
            &["/body/n"],
        ),
        (
            json!({"required": ["n"], "properties": {"n": {"maximum": 10}}}),
            "plain",
            &[],
        ),
        (
            json!({"properties": {"n": {"type": "string"}}}),
            "{\"n\": 1}",
            &["/body/n"],
        ),
        (json!({"type": ["object", "null"]}), "[x]", &["400"]),
        (
            json!({"allOf": [{"title": "T"}, {"type": "object"}]}),
            "[]",
            &["/body"],
        ),
    ] {
        let validation = validation(&json!({
            "openapi": "3.1.0", "info": {"title": "T", "version": "1"},
            "paths": {"/a": {"post": {"requestBody": {"content": {"*/*": {"schema": schema}}}}}},
            "components": {"schemas": {"Level": {"enum": ["INFO", "WARN"]}}},
        }));
        let kind = headers(&[("content-type", "text/plain")]);
        let found = wrong(&validation, "/v1/a", &kind, Some(body.as_bytes()));
        let places: Vec<String> = found.into_iter().map(|(place, _)| place).collect();
        assert_eq!(places, expected, "{schema} {body}");
    }
}

#[test]
fn bodies_have_a_listed_type_and_are_as_the_schema_of_that_type_says() {
    let validation = validation(&json!({
        "openapi": "3.0.3", "info": {"title": "T", "version": "1"},
        "paths": {"/a": {"post": {"requestBody": {"required": true, "content": {
            "application/json; charset=utf-8": {"schema": {"$ref": "#/components/schemas/Node"}},
            "text/*": {"schema": {"type": "string"}},
            "application/merge-patch+json": {"schema": {"type": "object", "nullable": true}},
        }}}}},
        "components": {"schemas": {"Node": {"type": "object", "required": ["name"], "additionalProperties": false, "properties": {
            "name": {"type": "string", "maxLength": 3}, "note": {"type": "string", "nullable": true},
            "children": {"type": "array", "items": {"$ref": "#/components/schemas/Node"}}}}}},
    }));
    let check = |kind: &'static str, body: &[u8]| {
        let found = wrong(
            &validation,
            "/v1/a",
            &headers(&[("content-type", kind)]),
            Some(body),
        );
        found.into_iter().map(|(place, _)| place).collect::<Vec<_>>()
    };
    assert_eq!(
        check(
            "application/json",
            br#"{"name": "a", "note": null, "children": [{"name": "b"}]}"#
        ),
        Vec::<String>::new()
    );
    assert_eq!(
        check(
            "Application/JSON;charset=utf-8",
            br#"{"name": "a", "children": [{"name": "b"}, {"name": "long"}, {}]}"#
        ),
        ["/body/children/1/name", "/body/children/2"]
    );
    assert_eq!(check("text/csv", b"a,b"), Vec::<String>::new());
    assert_eq!(
        check("application/merge-patch+json", b"null"),
        Vec::<String>::new()
    );
    assert_eq!(check("application/merge-patch+json", b"1"), ["/body"]);
    assert_eq!(check("application/xml", b"<a/>"), ["415"]);
    assert_eq!(places(&validation, "/v1/a"), ["/body"]);
    let compressed = headers(&[("content-type", "application/json"), ("content-encoding", "gzip")]);
    assert_eq!(wrong(&validation, "/v1/a", &compressed, Some(b""))[0].0, "415");
}
