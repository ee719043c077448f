use serde_json::json;

use super::*;

fn compiled(policy: serde_json::Value, operation: Option<&str>) -> Result<Rewrite, String> {
    Rewrite::compile(&serde_json::from_value(policy).expect("a policy"), operation)
}

fn path(to: &str, operation: &str, asked: &str) -> Option<String> {
    let rewrite = compiled(json!({"path": to}), Some(operation)).expect("it compiles");
    let asked = NormalPath::parse(asked).expect("a path");
    rewrite
        .path(&asked, 1)
        .ok()
        .map(|path| path.expect("it is rewritten"))
}

#[test]
fn parameters_move_to_where_the_new_path_names_them() {
    for (to, operation, asked, expected) in [
        ("/v2", "/a", "/base/a", "/v2"),
        ("/v2/{id}", "/{id}", "/base/42", "/v2/42"),
        ("/{b}/{a}/{b}", "/{a}/x/{b}", "/base/1/x/2", "/2/1/2"),
        ("/files/{path}", "/{path...}", "/base/a/b%20c", "/files/a/b%20c"),
        ("/files/{path}", "/{path...}", "/base/a/b/", "/files/a/b/"),
        ("/files/{path}", "/{path...}", "/base", "/files"),
        ("/files/{path}", "/a/{path...}", "/base/a/", "/files/"),
        ("/{path}", "/a/{path...}", "/base/a", "/"),
        ("/files/{path}/info", "/{path...}", "/base", "/files/info"),
        ("/{name}.xml", "/{name}.json", "/base/a.b.json", "/a.b.xml"),
        ("/{to}/{from}", "/{from}...{to}", "/base/main...dev", "/dev/main"),
        ("/v2/{id}", "/{id}", "/base/a%2Fb", "/v2/a%2Fb"),
        ("/v2/{id}", "/{id}", "/base/%C3%BC%3F", "/v2/%C3%BC%3F"),
        ("/v2/{id}", "/{id}", "/base/a:b@c", "/v2/a:b@c"),
        ("/a%20b", "/a", "/base/a", "/a%20b"),
        ("/v2/", "/a", "/base/a", "/v2/"),
    ] {
        assert_eq!(
            path(to, operation, asked).as_deref(),
            Some(expected),
            "{to} {operation} {asked}"
        );
    }
}

#[test]
fn no_parameter_leads_out_of_its_place() {
    assert_eq!(path("/v2/{a}/secret", "/{a}-{b}", "/base/..-x"), None);
    assert_eq!(path("/v2/{a}{b}/secret", "/{a}-{b}", "/base/.-."), None);
    assert_eq!(
        path("/v2/{a}/x", "/{a}-{b}", "/base/a-b").as_deref(),
        Some("/v2/a/x")
    );
}

#[test]
fn the_query_loses_what_is_removed_and_gains_what_is_set() {
    let rewrite = compiled(
        json!({"query": {"remove": ["debug"], "set": {"source": "a b", "x&": "1"}}}),
        None,
    )
    .expect("it compiles");
    for (given, expected) in [
        (None, "source=a%20b&x%26=1"),
        (Some("a=1&debug=2&b"), "a=1&b&source=a%20b&x%26=1"),
        (Some("d%65bug=2&source=9&source"), "source=a%20b&x%26=1"),
    ] {
        assert_eq!(rewrite.query(given.map(Cow::Borrowed)).as_deref(), Some(expected));
    }
    let removing = compiled(json!({"query": {"remove": ["a"]}}), None).expect("it compiles");
    assert_eq!(removing.query(Some(Cow::Borrowed("a=1"))), None);
    let path_only = compiled(json!({"path": "/a"}), None).expect("it compiles");
    assert_eq!(
        path_only.query(Some(Cow::Borrowed("a=1"))).as_deref(),
        Some("a=1")
    );
}

#[test]
fn the_host_is_a_fixed_one_or_the_callers() {
    let asked = HeaderValue::from_static("a.test:8080");
    let host = |host: &str| {
        let rewrite = compiled(json!({"host": host}), None).expect("it compiles");
        rewrite.host(&asked)
    };
    assert_eq!(host("{host}"), Some(asked.clone()));
    assert_eq!(host("b.test"), Some(HeaderValue::from_static("b.test")));
    let none = compiled(json!({"path": "/a"}), None).expect("it compiles");
    assert_eq!(none.host(&asked), None);
    compiled(json!({"host": "user@b.test"}), None).expect_err("no user names");
}

#[test]
fn unknown_parameters_do_not_compile() {
    compiled(json!({"path": "/{id}"}), None).expect_err("no operation");
    compiled(json!({"path": "/{id}"}), Some("/{key}")).expect_err("another name");
    compiled(json!({"path": "/{id"}), Some("/{id}")).expect_err("never closed");
}
