mod bodies;

use gatehouse_schemas::{
    canonical::Fingerprint,
    openapi,
    policy::{Policy, RequestValidatePolicy},
    revision::{self, RevisionContent},
};
use http::{HeaderName, HeaderValue};
use serde_json::{Value, json};

use super::*;
use crate::policy::validate::{Validation, unusable_schema};

fn compiled(
    validate: &RequestValidatePolicy,
    operation: Option<&OperationMatch>,
) -> Result<Validation, String> {
    Validation::compile(validate, operation, &mut Schemas::default())
}

fn content(document: &Value) -> RevisionContent {
    let definition = openapi::read(document).expect("OpenAPI");
    let fingerprint = Fingerprint::of_value(&definition.canonical);
    let spec = json!({
        "definition": {"openapi": {"fingerprint": fingerprint}},
        "basePath": "/v1",
        "upstreams": {"main": {"url": "http://a"}},
        "policies": [{"type": "request.validate", "with": {"definition": ["parameters", "body"]}}],
    });
    let spec = serde_json::from_value(spec).expect("a spec");
    let name = "api".parse().expect("a name");
    revision::build(&name, &spec, Some((&fingerprint, &definition))).expect("a revision")
}

/// The policy of the one operation of a document.
fn validation(document: &Value) -> Validation {
    let content = content(document);
    let Policy::RequestValidate(validate) = &content.policies[0] else {
        unreachable!("there is one policy");
    };
    compiled(validate, Some(&content.operations[0].r#match)).expect("it compiles")
}

fn of_parameters(path: &str, parameters: Value) -> Validation {
    validation(&json!({
        "openapi": "3.0.3", "info": {"title": "T", "version": "1"},
        "paths": {path: {"get": {"parameters": parameters}}},
    }))
}

fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    let pair = |(name, value): &(&'static str, &'static str)| {
        (HeaderName::from_static(name), HeaderValue::from_static(value))
    };
    pairs.iter().map(pair).collect()
}

/// What is wrong with a request; empty if nothing is.
fn wrong(
    validation: &Validation,
    target: &str,
    headers: &HeaderMap,
    body: Option<&[u8]>,
) -> Vec<(String, String)> {
    let (path, query) = target
        .split_once('?')
        .map_or((target, None), |(path, query)| (path, Some(query)));
    let path = NormalPath::parse(path).expect("a path");
    let checked = validation
        .check(headers, query, (&path, 1), body.is_some())
        .and_then(|()| body.map_or(Ok(()), |body| validation.check_body(headers, body)));
    let Err(problem) = checked else {
        return Vec::new();
    };
    let document: Value = serde_json::from_slice(&problem.body("1")).expect("a document");
    let Some(errors) = document["errors"].as_array() else {
        return vec![(problem.status.as_str().to_owned(), problem.detail.to_string())];
    };
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    errors
        .iter()
        .map(|error| (text(&error["location"]), text(&error["detail"])))
        .collect()
}

fn places(validation: &Validation, target: &str) -> Vec<String> {
    let found = wrong(validation, target, &HeaderMap::new(), None);
    found.into_iter().map(|(place, _)| place).collect()
}

#[test]
fn parameters_are_read_by_their_type_and_place() {
    let validation = of_parameters(
        "/orders/{id}",
        json!([
            {"name": "id", "in": "path", "required": true, "schema": {"type": "integer", "minimum": 1}},
            {"name": "limit", "in": "query", "schema": {"type": "integer", "maximum": 100}},
            {"name": "state", "in": "query", "required": true, "schema": {"enum": ["open", "done"]}},
            {"name": "X-Tenant", "in": "header", "required": true, "schema": {"type": "string", "pattern": "^[a-z]+$"}},
            {"name": "beta", "in": "cookie", "schema": {"type": "boolean"}},
        ]),
    );
    let right = headers(&[("x-tenant", "acme"), ("cookie", "a=1; beta=true")]);
    assert_eq!(
        wrong(
            &validation,
            "/v1/orders/7?limit=100&state=open&more=1",
            &right,
            None
        ),
        []
    );
    let bad = headers(&[("x-tenant", "ACME"), ("cookie", "beta=2")]);
    let found = wrong(&validation, "/v1/orders/0?limit=x", &bad, None);
    let places: Vec<&str> = found.iter().map(|(place, _)| place.as_str()).collect();
    assert_eq!(
        places,
        [
            "/cookie/beta",
            "/header/X-Tenant",
            "/path/id",
            "/query/limit",
            "/query/state"
        ]
    );
    assert!(
        found.contains(&("/query/state".to_owned(), "it is required".to_owned())),
        "{found:?}"
    );
    assert!(
        found.iter().all(|(_, detail)| !detail.contains("ACME")),
        "{found:?}"
    );
    let twice = wrong(
        &validation,
        "/v1/orders/7?state=open&limit=1&lim%69t=1000",
        &right,
        None,
    );
    assert_eq!(
        twice,
        [("/query/limit".to_owned(), "it is there more than once".to_owned())]
    );
}

#[test]
fn lists_and_objects_are_written_in_their_styles() {
    let integers = json!({"type": "array", "items": {"type": "integer"}, "maxItems": 3});
    let range = json!({"type": "object", "properties": {"gt": {"type": "integer"}, "in": {"type": "array", "items": {"type": "integer"}}}, "additionalProperties": false});
    let one = |more: Value| {
        let mut parameter = json!({"name": "p", "in": "query", "schema": integers});
        for (field, value) in more.as_object().expect("an object") {
            parameter[field] = value.clone();
        }
        of_parameters("/a", json!([parameter]))
    };
    for (more, target, expected) in [
        (json!({}), "/v1/a?p=1&p=2", vec![]),
        (json!({}), "/v1/a?p=1&p=b", vec!["/query/p/1"]),
        (json!({}), "/v1/a?p=1&p=2&p=3&p=4", vec!["/query/p"]),
        (json!({"explode": false}), "/v1/a?p=1,2,3", vec![]),
        (json!({"explode": false}), "/v1/a?p=1,2%2C3", vec!["/query/p/1"]),
        (json!({"explode": false}), "/v1/a?p=", vec![]),
        (
            json!({"explode": false, "style": "spaceDelimited"}),
            "/v1/a?p=1%202",
            vec![],
        ),
        (
            json!({"explode": false, "style": "pipeDelimited"}),
            "/v1/a?p=1|x",
            vec!["/query/p/1"],
        ),
        (
            json!({"style": "deepObject", "schema": range}),
            "/v1/a?p[gt]=1&p%5Bin%5D[]=2",
            vec![],
        ),
        (
            json!({"style": "deepObject", "schema": range}),
            "/v1/a?p[gt]=x",
            vec!["/query/p/gt"],
        ),
        (
            json!({"style": "deepObject", "schema": range}),
            "/v1/a?p[lt]=1",
            vec!["/query/p"],
        ),
        (
            json!({"schema": null, "content": {"application/json": {"schema": range}}}),
            "/v1/a?p=%7B%22gt%22:1%7D",
            vec![],
        ),
        (
            json!({"schema": null, "content": {"application/json": {"schema": range}}}),
            "/v1/a?p=%7B%22gt%22:null%7D",
            vec!["/query/p/gt"],
        ),
        (
            json!({"schema": null, "content": {"application/json": {"schema": range}}}),
            "/v1/a?p=gt",
            vec!["/query/p"],
        ),
        (
            json!({"style": "deepObject", "schema": range}),
            "/v1/a?p[gt]=1&p[gt]=x",
            vec!["/query/p"],
        ),
        (
            json!({"style": "deepObject", "schema": range}),
            "/v1/a?p[gt]=1&p=x",
            vec!["/query/p"],
        ),
        (
            json!({"style": "deepObject", "schema": range}),
            "/v1/a?p[gt]x=1",
            vec!["/query/p"],
        ),
        (json!({"schema": range}), "/v1/a?gt=1&gt=x", vec!["/query/p"]),
        (
            json!({"explode": false, "schema": range}),
            "/v1/a?p=gt,1,gt,x",
            vec!["/query/p"],
        ),
        (
            json!({"explode": true, "style": "pipeDelimited"}),
            "/v1/a?p=1&p=x",
            vec!["/query/p/1"],
        ),
        (
            json!({"explode": false, "style": "spaceDelimited"}),
            "/v1/a?p=1+x",
            vec!["/query/p/1"],
        ),
        (
            json!({"explode": false, "style": "pipeDelimited"}),
            "/v1/a?p=1%7Cx",
            vec!["/query/p/1"],
        ),
        (
            json!({"allowReserved": true, "schema": {"type": "string", "enum": ["a/b?c"]}}),
            "/v1/a?p=a/b?c",
            vec![],
        ),
        (
            json!({"allowReserved": true, "schema": {"type": "string", "enum": ["a/b?c"]}}),
            "/v1/a?p=a%2Fb%3Fd",
            vec!["/query/p"],
        ),
        (
            json!({"explode": false, "schema": range}),
            "/v1/a?p=gt,x",
            vec!["/query/p/gt"],
        ),
        (json!({"schema": range}), "/v1/a?gt=x", vec!["/query/p/gt"]),
        (json!({"schema": {"type": "string"}}), "/v1/a?p=%ff", vec![]),
        (
            json!({"schema": {"type": "string", "minLength": 1}}),
            "/v1/a?p=%ff",
            vec!["/query/p"],
        ),
        (
            json!({"schema": {"type": "integer"}}),
            "/v1/a?p=",
            vec!["/query/p"],
        ),
        (
            json!({"schema": {"type": "integer"}, "allowEmptyValue": true}),
            "/v1/a?p=",
            vec![],
        ),
    ] {
        assert_eq!(places(&one(more.clone()), target), expected, "{more} {target}");
    }
}

#[test]
fn parameters_in_paths_are_written_in_their_styles() {
    let list = json!({"type": "array", "items": {"type": "integer"}, "maxItems": 2});
    let object =
        json!({"type": "object", "properties": {"r": {"type": "integer"}, "g": {"type": "integer"}}});
    for (style, explode, schema, segment, expected) in [
        ("simple", false, json!({"type": "integer"}), "5", vec![]),
        ("simple", false, list.clone(), "3,4", vec![]),
        ("simple", true, list.clone(), "3,4,5", vec!["/path/p"]),
        ("simple", false, object.clone(), "r,1,g,x", vec!["/path/p/g"]),
        ("simple", true, object.clone(), "r=1,g=x", vec!["/path/p/g"]),
        ("simple", true, object.clone(), "r=1,r=2", vec!["/path/p"]),
        ("label", false, json!({"type": "integer"}), ".5", vec![]),
        ("label", false, json!({"type": "number"}), ".5.5", vec![]),
        ("label", false, json!({"type": "integer"}), "5", vec!["/path/p"]),
        ("label", false, json!({"type": "integer"}), ".x", vec!["/path/p"]),
        ("label", false, list.clone(), ".3,x", vec!["/path/p/1"]),
        ("label", true, list.clone(), ".3.4", vec![]),
        ("label", true, list.clone(), ".3.4.5", vec!["/path/p"]),
        ("label", false, object.clone(), ".r,1,g,x", vec!["/path/p/g"]),
        ("label", true, object.clone(), ".r=1.g=2", vec![]),
        ("label", true, object.clone(), ".r=1.g=x", vec!["/path/p/g"]),
    ] {
        let parameter = json!({"name": "p", "in": "path", "required": true, "style": style, "explode": explode, "schema": schema});
        let validation = of_parameters("/a/{p}", json!([parameter]));
        let found = places(&validation, &format!("/v1/a/{segment}"));
        assert_eq!(found, expected, "{style} {explode} {schema} {segment}");
    }
}

/// A schema that leads back to itself in two ways, as those of filters do.
#[test]
fn swaggers_own_words_mean_the_same() {
    let validation = validation(&json!({
        "swagger": "2.0", "info": {"title": "T", "version": "1"}, "consumes": ["application/json"],
        "paths": {"/a/{id}": {"parameters": [{"name": "id", "in": "path", "required": true, "type": "integer"}], "post": {"parameters": [
            {"name": "ids", "in": "query", "type": "array", "collectionFormat": "pipes", "items": {"type": "integer"}},
            {"name": "body", "in": "body", "required": true, "schema": {"$ref": "#/definitions/Order"}},
        ]}}},
        "definitions": {"Order": {"type": "object", "required": ["id", "n"], "properties": {
            "id": {"type": "integer", "readOnly": true}, "n": {"type": "number", "minimum": 0, "exclusiveMinimum": true}}}},
    }));
    let json = headers(&[("content-type", "application/json")]);
    assert_eq!(
        wrong(&validation, "/v1/a/1?ids=1|2", &json, Some(br#"{"n": 1}"#)),
        []
    );
    assert_eq!(
        places(&validation, "/v1/a/x?ids=1|y"),
        ["/path/id", "/query/ids/1"]
    );
    assert_eq!(places(&validation, "/v1/a/1"), ["/body"]);
    let found = wrong(&validation, "/v1/a/1", &json, Some(br#"{"n": 0, "id": 1}"#));
    assert!(
        found.contains(&("/body/id".to_owned(), "it must not be sent".to_owned())),
        "{found:?}"
    );
    assert_eq!(found.len(), 2, "{found:?}");
    let form = headers(&[("content-type", "text/plain")]);
    assert_eq!(wrong(&validation, "/v1/a/1", &form, Some(b"x"))[0].0, "415");
}

#[test]
fn what_is_wrong_is_told_up_to_a_limit() {
    let parameters: Vec<Value> = (0..50)
        .map(|number| json!({"name": format!("p{number}"), "in": "query", "required": true}))
        .collect();
    assert_eq!(
        places(&of_parameters("/a", json!(parameters)), "/v1/a").len(),
        MAX_VIOLATIONS
    );
}

#[test]
fn an_operation_that_nothing_is_said_of_is_an_error() {
    let content = content(&json!({
        "openapi": "3.1.0", "info": {"title": "T", "version": "1"}, "paths": {"/a": {"get": {}}},
    }));
    let Policy::RequestValidate(validate) = &content.policies[0] else {
        unreachable!("there is one policy");
    };
    let other = OperationMatch {
        path: "/b".to_owned(),
        ..content.operations[0].r#match.clone()
    };
    compiled(validate, Some(&other)).expect_err("nothing is said of it");
    compiled(validate, None).expect_err("it is for no operation");
    let mut unexpanded = validate.clone();
    unexpanded.expanded = None;
    compiled(&unexpanded, Some(&content.operations[0].r#match)).expect_err("it was not expanded");
}

#[test]
fn a_pattern_that_is_none_is_told_before_the_api_is_put_in() {
    let document = |pattern: &str| {
        json!({
            "openapi": "3.1.0", "info": {"title": "T", "version": "1"},
            "paths": {"/a": {"get": {"parameters": [{"name": "p", "in": "query", "schema": {"type": "string", "pattern": pattern}}]}}},
        })
    };
    assert_eq!(unusable_schema(&content(&document("^(?!x)\\d+$"))), None);
    let told = unusable_schema(&content(&document("("))).expect("no expression");
    assert!(told.contains("/query/p"), "{told}");
}

#[test]
fn an_expression_that_takes_too_long_refuses_the_request() {
    let pattern = json!({"type": "string", "pattern": "^(?=(a+)+$)(a|aa)+$"});
    let validation = of_parameters("/a", json!([{"name": "p", "in": "query", "schema": pattern}]));
    let target = format!("/v1/a?p={}b", "a".repeat(5_000));
    let began = std::time::Instant::now();
    assert_eq!(places(&validation, &target), ["/query/p"]);
    assert!(began.elapsed() < std::time::Duration::from_secs(5));
}
