use expect_test::{Expect, expect};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{
    api::{ApiSpec, OperationMatch},
    identity::ResourceName,
    issue::Issue,
    openapi,
};

fn orders() -> ResourceName {
    "orders".parse().expect("a name")
}

fn spec(value: Value) -> ApiSpec {
    serde_json::from_value(value).expect("a spec")
}

fn definition() -> (Fingerprint, openapi::Definition) {
    let document = json!({
        "openapi": "3.1.0",
        "info": {"title": "Orders API", "version": "1.4"},
        "paths": {
            "/orders": {"get": {"operationId": "list", "summary": "Lists"}, "post": {}},
            "/orders/{id}": {"get": {"operationId": "get"}, "delete": {"deprecated": true}},
        },
    });
    let definition = openapi::read(&document).expect("a definition");
    (Fingerprint::of_value(&definition.canonical), definition)
}

fn from_definition(operations: Value) -> Result<RevisionContent, Vec<Issue>> {
    let (fingerprint, definition) = definition();
    let spec = spec(json!({
        "basePath": "/shop/",
        "definition": {"openapi": {"fingerprint": fingerprint}},
        "upstreams": {"main": {"url": "http://a"}, "other": {"url": "http://b"}},
        "operations": operations,
    }));
    build(&orders(), &spec, Some((&fingerprint, &definition)))
}

fn check(operations: Value, expected: Expect) {
    let text = match from_definition(operations) {
        Ok(content) => content
            .operations
            .iter()
            .map(shown)
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

fn shown(operation: &Operation) -> String {
    let matched = &operation.r#match;
    let policies: Vec<&str> = operation.policies.iter().map(Policy::type_name).collect();
    format!(
        "{} {} {:?} {:?} {policies:?} {:?}",
        matched.method, matched.path, matched.headers, operation.id, operation.upstream
    )
}

#[test]
fn operations_come_from_the_definition_sorted_and_defaults_are_written_out() {
    check(
        json!([]),
        expect![[r#"
        GET /orders {} Some("list") [] None
        POST /orders {} None [] None
        DELETE /orders/{id} {} None [] None
        GET /orders/{id} {} Some("get") [] None"#]],
    );
    let content = from_definition(json!([])).expect("content");
    assert_eq!(content.display_name, "Orders API");
    assert_eq!(content.base_path, "/shop");
    assert_eq!(content.definition.expect("a definition").version, "1.4");
}

#[test]
fn entries_add_to_operations_whatever_their_parameters_are_called() {
    let limit = json!([{"type": "request.size", "with": {"maxBytes": 1}}]);
    check(
        json!([
            {"match": {"method": "POST", "path": "/orders", "headers": {"X-Version": "2"}}, "upstream": "other"},
            {"match": {"method": "GET", "path": "/orders/{order}"}, "policies": limit, "upstream": "other"},
            {"match": {"method": "*", "path": "/orders"}, "policies": limit},
            {"match": {"method": "POST", "path": "/orders"}, "policies": [{"type": "headers", "with": {}}]},
        ]),
        expect![[r#"
            GET /orders {} Some("list") ["request.size"] None
            POST /orders {} None ["request.size", "headers"] None
            POST /orders {"x-version": "2"} None ["request.size", "headers"] Some("other")
            DELETE /orders/{id} {} None [] None
            GET /orders/{id} {} Some("get") ["request.size"] Some("other")"#]],
    );
}

#[test]
fn an_entry_that_the_definition_does_not_have_is_an_issue() {
    check(
        json!([
            {"match": {"method": "PUT", "path": "/orders"}},
            {"match": {"method": "GET", "path": "/shop/orders"}},
        ]),
        expect![[r#"
            /operations/0/match: the definition has no operation `PUT /orders`; this path has `GET`, `POST`
            /operations/1/match: the definition has no operation `GET /shop/orders`; it has no such path (paths are without the base path)"#]],
    );
}

#[test]
fn a_definition_without_operations_does_not_open_everything() {
    let empty = openapi::read(&json!({"openapi": "3.0.0", "info": {}, "paths": {}})).expect("a definition");
    let fingerprint = Fingerprint::of_value(&empty.canonical);
    let api = spec(json!({
        "basePath": "/", "upstreams": {"main": {"url": "http://a"}},
        "definition": {"openapi": {"fingerprint": fingerprint}},
    }));
    assert!(build(&orders(), &api, Some((&fingerprint, &empty))).is_err());
    assert!(
        build(&orders(), &api, None).is_err(),
        "a definition that was not found is not left out"
    );
}

#[test]
fn the_same_wish_written_differently_is_the_same_content() {
    let written = |value| build(&orders(), &spec(value), None).expect("content");
    assert_eq!(
        written(json!({
            "basePath": "/shop/", "hostnames": ["B.example", "a.example", "b.example"],
            "upstreams": {"main": {"url": "HTTP://Host:80/"}},
            "operations": [
                {"match": {"method": "POST", "path": "/b"}, "upstream": "main"},
                {"match": {"method": "GET", "path": "/a", "headers": {"X-A": "1"}}},
            ],
        })),
        written(json!({
            "displayName": "orders", "version": "v1", "type": "rest", "direction": "ingress",
            "basePath": "/shop", "hostnames": ["a.example", "b.example"],
            "upstreams": {"main": {"url": "http://host", "timeoutMs": 30000, "connectTimeoutMs": 5000}},
            "operations": [
                {"match": {"method": "GET", "path": "/a", "headers": {"x-a": "1"}}},
                {"match": {"method": "POST", "path": "/b"}},
            ],
        }))
    );
}

#[test]
fn what_is_not_said_of_an_upstream_is_not_in_its_revision() {
    let of = |upstream| {
        let spec = spec(json!({"basePath": "/shop", "upstreams": {"main": upstream}}));
        let content = build(&orders(), &spec, None).expect("content");
        serde_json::to_value(&content.upstreams["main"]).expect("JSON")
    };
    let plain = of(json!({"url": "http://host"}));
    assert_eq!(
        plain,
        json!({"url": "http://host", "timeoutMs": 30_000, "connectTimeoutMs": 5_000})
    );
    // Nor what is said and is so anyway.
    assert_eq!(of(json!({"url": "http://host", "protocol": "http1"})), plain);
    let balanced = |endpoints| {
        of(json!({
            "url": "http://host", "endpoints": endpoints,
            "loadBalancing": {"algorithm": "consistent-hash", "key": {"header": "X-User"}},
        }))
    };
    let written = balanced(json!([{"url": "http://B:80/", "weight": 2}, {"url": "http://a"}]));
    assert_eq!(
        written["endpoints"],
        json!([{"url": "http://a", "weight": 1}, {"url": "http://b", "weight": 2}])
    );
    assert_eq!(written["loadBalancing"]["key"], json!({"header": "x-user"}));
    assert_eq!(
        written,
        balanced(json!([{"url": "http://a"}, {"url": "http://b", "weight": 2}]))
    );
}

#[test]
fn the_identity_of_an_upstream_has_one_spelling_and_names_its_secrets() {
    let of = |tls| {
        let main = json!({"url": "https://host", "tls": tls});
        let spec = spec(json!({"basePath": "/shop", "upstreams": {"main": main}}));
        build(&orders(), &spec, None).expect("content")
    };
    let pem = |body: &str| format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----");
    let authorities = json!([pem("BBBB"), pem("AAAA") + "\n", pem("AAAA\r")]);
    let tls = |authorities, server_name, names| {
        json!({
            "authorities": authorities, "serverName": server_name, "allowedNames": names,
            "clientCertificate": {"secretRef": "our-name"}, "clientKey": {"secretRef": "our-key"},
        })
    };
    let written = of(tls(
        authorities,
        "Orders.Internal",
        json!(["spiffe://a/B", "B.test", "a.test", "b.test"]),
    ));
    assert_eq!(
        written,
        of(tls(
            json!([pem("AAAA"), pem("BBBB")]),
            "orders.internal",
            json!(["a.test", "b.test", "spiffe://a/B"]),
        ))
    );
    let names: Vec<&str> = written
        .secret_names()
        .into_iter()
        .map(|name| name.as_str())
        .collect();
    assert_eq!(names, ["our-key", "our-name"]);
    assert_eq!(of(json!({})), of(json!(null)), "nothing is said");
}

#[test]
fn the_spec_of_a_content_gives_the_content_again() {
    let limit = json!([{"type": "request.size", "with": {"maxBytes": 1}}]);
    let content = from_definition(json!([
        {"match": {"method": "GET", "path": "/orders/{id}"}, "policies": limit},
        {"match": {"method": "POST", "path": "/orders", "headers": {"x-version": "2"}}, "upstream": "other"},
    ]))
    .expect("content");
    let (fingerprint, definition) = definition();
    let again = build(&orders(), &to_spec(&content), Some((&fingerprint, &definition)));
    assert_eq!(again, Ok(content));
}

fn any_spec() -> impl Strategy<Value = ApiSpec> {
    let path = prop::collection::vec(prop_oneof!["[a-z]{1,3}", Just("{x}".to_owned())], 1..3)
        .prop_map(|segments| {
            segments
                .iter()
                .fold(String::new(), |path, segment| format!("{path}/{segment}"))
        })
        .prop_filter("one name, once", |path| path.matches("{x}").count() < 2);
    let method = prop::sample::select(vec!["GET", "POST", "*"]);
    let operation = (method, path, prop::option::of(0u64..3)).prop_map(|(method, path, size)| {
        let policies: Vec<Value> = size
            .iter()
            .map(|size| json!({"type": "request.size", "with": {"maxBytes": size}}))
            .collect();
        json!({"match": {"method": method, "path": path}, "policies": policies})
    });
    let hosts = prop::collection::vec("[A-Ca-c]{1,2}\\.[a-b]", 0..4);
    let origins = prop::collection::vec("https://[A-Ca-c]{1,2}", 1..4);
    (
        prop::collection::vec(operation, 0..6),
        hosts,
        "/[a-z]{0,3}/?",
        origins,
    )
        .prop_filter("no two slashes", |(_, _, base_path, _)| base_path != "//")
        .prop_map(|(operations, hosts, base_path, origins)| {
            spec(json!({
                "basePath": base_path, "hostnames": hosts, "operations": operations,
                "upstreams": {"main": {"url": "http://A:80/"}},
                "policies": [{"type": "cors", "with": {"allowOrigins": origins}}],
            }))
        })
}

proptest! {
    #[test]
    fn building_from_the_canonical_form_changes_nothing(spec in any_spec()) {
        // Duplicate operations are refused, and that is all there is to say of them.
        if let Ok(content) = build(&orders(), &spec, None) {
            prop_assert_eq!(build(&orders(), &to_spec(&content), None), Ok(content));
        }
    }
}

fn validating(document: &Value, policies: Value, operations: Value) -> Result<RevisionContent, Vec<Issue>> {
    let definition = openapi::read(document).expect("a definition");
    let fingerprint = Fingerprint::of_value(&definition.canonical);
    let spec = spec(json!({
        "basePath": "/",
        "definition": {"openapi": {"inline": document}},
        "upstreams": {"main": {"url": "http://a"}},
        "policies": policies,
        "operations": operations,
    }));
    build(&orders(), &spec, Some((&fingerprint, &definition)))
}

fn of_definition() -> Value {
    json!([{"type": "request.validate", "with": {"definition": ["body", "contentType", "parameters"]}}])
}

#[test]
fn what_policies_need_of_the_definition_is_in_the_revision_and_not_in_the_spec() {
    let document = json!({
        "openapi": "3.0.3", "info": {"title": "T", "version": "1"},
        "paths": {"/a/{id}": {"put": {"requestBody": {"content": {"application/json": {"schema": {"type": "object"}}}}}}, "/b": {"get": {}}},
    });
    let special = json!([{"match": {"method": "PUT", "path": "/a/{id}", "headers": {"X-Kind": "b"}}}]);
    let content = validating(&document, of_definition(), special).expect("content");
    let Policy::RequestValidate(validate) = &content.policies[0] else {
        unreachable!("there is one policy");
    };
    let expanded = validate.expanded.as_ref().expect("it is expanded");
    let held: Vec<&OperationMatch> = expanded.operations.iter().map(|it| &it.r#match).collect();
    let served: Vec<&OperationMatch> = content.operations.iter().map(|it| &it.r#match).collect();
    assert_eq!(held, served);
    assert_eq!(
        expanded.operations.iter().filter(|it| it.body.is_some()).count(),
        2
    );
    let spec = to_spec(&content);
    assert_eq!(
        serde_json::to_value(&spec.policies).expect("JSON"),
        json!([{"type": "request.validate", "with": {"definition": ["parameters", "body"]}}])
    );
}

#[test]
fn a_definition_that_cannot_be_expanded_is_an_issue_with_the_place() {
    let document = json!({
        "openapi": "3.0.3", "info": {"title": "T", "version": "1"},
        "paths": {"/a": {"get": {"parameters": [{"$ref": "#/components/parameters/gone"}]}}},
    });
    let told = |issues: Vec<Issue>| {
        issues
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("\n")
    };
    let issues = validating(&document, of_definition(), json!([])).expect_err("it is not whole");
    expect!["/definition/openapi/inline/paths/~1a/get/parameters/0: the definition cannot be taken into a revision: at `/paths/~1a/get/parameters/0`: `$ref` to `#/components/parameters/gone` leads nowhere in this document"]
        .assert_eq(&told(issues));
    validating(&document, json!([]), json!([])).expect("nothing needs it");
    let spec = spec(json!({
        "basePath": "/", "upstreams": {"main": {"url": "http://a"}}, "policies": of_definition(),
        "operations": [{"match": {"method": "GET", "path": "/"}, "policies": [{"type": "request.validate", "with": {"definition": ["body"], "expanded": {"operations": []}}}]}],
    }));
    expect![[r#"
        /operations/0/policies/0/with/expanded: is taken from the definition and never written; leave it out
        /policies/0/with/definition: the API has no definition; give it one with `definition`
        /operations/0/policies/0/with/definition: the API has no definition; give it one with `definition`"#]]
    .assert_eq(&told(
        build(&orders(), &spec, None).expect_err("there is no definition"),
    ));
}
