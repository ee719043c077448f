use expect_test::{Expect, expect};
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn check(text: &str, expected: Expect) {
    let shown = match documents(text) {
        Ok(values) => values.iter().map(Value::to_string).collect::<Vec<_>>().join("\n"),
        Err(error) => error.to_string(),
    };
    expected.assert_eq(&shown);
}

#[test]
fn reads_yaml_with_many_documents_and_json() {
    check(
        "a: 1\n---\n# nothing\n---\nb: [x, no, on, 0x10, 1.5]\n",
        expect![[r#"
            {"a":1}
            {"b":["x","no","on",16,1.5]}"#]],
    );
    check(
        "{\"a\": 1}\n{\"b\": 2}",
        expect![[r#"
        {"a":1}
        {"b":2}"#]],
    );
    check("\n {kind: Api}\n", expect![[r#"{"kind":"Api"}"#]]);
    check(
        "base: &b {x: 1}\nuse: {<<: *b, y: 2}\n",
        expect![[r#"{"base":{"x":1},"use":{"x":1,"y":2}}"#]],
    );
    check("200: ok\ntrue: yes\n", expect![[r#"{"200":"ok","true":"yes"}"#]]);
    check("", expect![[""]]);
}

#[test]
fn an_error_names_line_and_column() {
    check(
        "a: 1\nb: [1, 2\nc: 3\n",
        expect!["line 3, column 2: illegal placement of ':' indicator"],
    );
    check(
        "a: 1\na: 2\n",
        expect!["line 2, column 1: duplicate mapping key: a"],
    );
    check(
        "a: b: c\n",
        expect!["line 1, column 5: mapping values are not allowed in this context"],
    );
    check(
        "{\"a\": 1,\n \"b\": }",
        expect!["line 2, column 7: expected value"],
    );
    check(
        "{\"a\": 1",
        expect!["line 1, column 7: EOF while parsing an object"],
    );
    check(
        "a: *unknown\n",
        expect!["line 1, column 4: alias references unknown anchor"],
    );
    check(
        "x: .nan\n",
        expect!["line 1, column 4: non-finite float `.nan` rejected by the configured policy"],
    );
}

#[test]
fn an_error_does_not_repeat_what_is_written() {
    let error = documents("kind: Secret\nspec: {value: hunter2\n").expect_err("it is broken");
    assert!(!error.to_string().contains("hunter2"), "{error}");
}

#[test]
fn what_grows_without_bounds_is_refused() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let previous = format!("*a{}", level - 1);
        let items = [previous.as_str(); 9].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{items}]\n"));
    }
    assert!(documents(&bomb).is_err(), "aliases of aliases");
    for (open, close) in [("[", "]"), ("{a: ", "}"), ("- ", ""), ("a:\n ", "")] {
        let deep = format!("{}1{}", open.repeat(20_000), close.repeat(20_000));
        assert!(documents(&deep).is_err(), "nested {open}");
        assert!(
            documents(&format!("x: {deep}")).is_err(),
            "nested {open} in a field"
        );
    }
    let deep_json = format!("{}1{}", "{\"a\":".repeat(20_000), "}".repeat(20_000));
    assert!(documents(&deep_json).is_err());
}

#[test]
fn a_hundred_levels_are_no_bomb() {
    let json = format!("{}1{}", "[".repeat(100), "]".repeat(100));
    assert!(documents(&json).is_ok());
    assert!(documents(&format!("x: {json}")).is_ok());
}

#[test]
fn one_document_is_one() {
    assert_eq!(one("a: 1"), Ok(json!({"a": 1})));
    assert_eq!(
        one("a: 1\n---\nb: 1").map_err(|error| error.message),
        Err("the text holds 2 documents; one is expected".to_owned())
    );
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in ".{0,200}") {
        let _ = documents(&text);
    }

    #[test]
    fn text_that_looks_like_yaml_is_read_or_refused(text in "[-a-c:{}\\[\\]&*!|> \n\t#'\",.0-9]{0,80}") {
        let _ = documents(&text);
        let _ = one(&text);
    }

    #[test]
    fn json_reads_back(value in crate::diff::tests::any_value()) {
        let wrapped = json!({"value": value});
        prop_assert_eq!(documents(&wrapped.to_string()), Ok(vec![wrapped]));
    }
}
