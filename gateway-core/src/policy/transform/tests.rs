use proptest::prelude::*;
use serde_json::json;

use super::*;

fn change(fields: Value) -> Change {
    Change::compile(&serde_json::from_value(fields).expect("a change")).expect("it compiles")
}

fn changed(fields: Value, body: &str) -> Result<String, String> {
    let written = change(fields).apply(body.as_bytes())?;
    Ok(String::from_utf8(written).expect("UTF-8"))
}

#[test]
fn places_are_taken_away_and_put_in() {
    for (fields, body, expected) in [
        (
            json!({"remove": ["/a/b", "/gone/x"]}),
            r#"{"a":{"b":1,"c":2}}"#,
            r#"{"a":{"c":2}}"#,
        ),
        (json!({"remove": ["/0", "/0"]}), "[1,2,3]", "[3]"),
        (json!({"remove": ["/9"]}), "[1]", "[1]"),
        (json!({"remove": ["/a~1b"]}), r#"{"a/b":1}"#, "{}"),
        (json!({"set": {"/a/b/c": 1}}), "{}", r#"{"a":{"b":{"c":1}}}"#),
        (
            json!({"set": {"/l/-": 3, "/l/0": 0}}),
            r#"{"l":[1,2]}"#,
            r#"{"l":[0,2,3]}"#,
        ),
        (json!({"set": {"": [1]}}), "{}", "[1]"),
        (
            json!({"remove": ["/a"], "set": {"/a": null}}),
            r#"{"a":1}"#,
            r#"{"a":null}"#,
        ),
    ] {
        assert_eq!(changed(fields.clone(), body), Ok(expected.to_owned()), "{fields}");
    }
    for (fields, body) in [
        (json!({"set": {"/a/b": 1}}), r#"{"a":1}"#),
        (json!({"set": {"/7": 1}}), "[]"),
        (json!({"set": {"/01": 1}}), "[1,2]"),
        (json!({"remove": ["/a"]}), "{"),
        (json!({"remove": ["/a"]}), r#"{"a":1,"a":2}"#),
    ] {
        changed(fields, body).expect_err("it cannot be done");
    }
}

#[test]
fn templates_are_filled_and_no_text_becomes_structure() {
    let fields = json!({"template": {"who": "{/user/name}", "all": ["{/user}", 1], "text": "{/n} for {/user/name}: {x}"}});
    assert_eq!(
        changed(fields.clone(), r#"{"n":7,"user":{"name":"A\",\"b\":1"}}"#),
        Ok(
            r#"{"all":[{"name":"A\",\"b\":1"},1],"text":"7 for A\",\"b\":1: {x}","who":"A\",\"b\":1"}"#
                .to_owned()
        )
    );
    changed(fields, "{}").expect_err("there is no user");
    let many = json!({"template": vec!["{/a}"; 2_000]});
    let body = format!(r#"{{"a":"{}"}}"#, "x".repeat(100_000));
    assert!(
        changed(many, &body)
            .expect_err("too large")
            .contains("larger than")
    );
}

#[test]
fn json_becomes_xml() {
    for (body, expected) in [
        (
            r#"{"order":{"@id":7,"item":[{"sku":"a<b"},{"sku":"c"}],"note":null}}"#,
            r#"<order id="7"><item><sku>a&lt;b</sku></item><item><sku>c</sku></item><note></note></order>"#,
        ),
        (r#"{"a":1,"b":true}"#, "<root><a>1</a><b>true</b></root>"),
        (
            "[1,[2]]",
            "<root><item>1</item><item><item>2</item></item></root>",
        ),
        (
            r#"{"a":{"@q":"\"\n","\u0023text":"t"}}"#,
            "<a q=\"&quot;&#10;\">t</a>",
        ),
        (r#""x""#, "<root>x</root>"),
    ] {
        let expected = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>{expected}");
        assert_eq!(changed(json!({"to": "xml"}), body), Ok(expected), "{body}");
    }
    for body in [
        r#"{"a b":1}"#,
        r#"{"a":{"@b":[1]}}"#,
        r#"{"a":"\u0000"}"#,
        r#"{"a":1,"<x>":2}"#,
    ] {
        changed(json!({"to": "xml"}), body).expect_err(body);
    }
}

#[test]
fn xml_becomes_json() {
    for (body, expected) in [
        (
            r#"<?xml version="1.0"?><o xmlns:p="urn:p" id="7"><!-- x --><p:i>1</p:i><i>2</i> <e/></o>"#,
            r##"{"o":{"@id":"7","e":"","i":["1","2"]}}"##,
        ),
        ("<a>x &amp; <![CDATA[<y>]]></a>", r#"{"a":"x & <y>"}"#),
        (r#"<a b="1">t</a>"#, r##"{"a":{"#text":"t","@b":"1"}}"##),
    ] {
        assert_eq!(
            changed(json!({"from": "xml"}), body),
            Ok(expected.to_owned()),
            "{body}"
        );
    }
}

#[test]
fn entities_and_bombs_are_refused() {
    let deep = format!("{}{}", "<a>".repeat(5_000), "</a>".repeat(5_000));
    let wide = format!("<a>{}</a>", "<b/>".repeat(200_000));
    for body in [
        r#"<!DOCTYPE a [<!ENTITY x "1">]><a>&x;</a>"#,
        r#"<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>"#,
        "<a>&x;</a>",
        "<a>",
        "",
        &deep,
        &wide,
    ] {
        changed(json!({"from": "xml"}), body).expect_err("refused");
    }
}

#[test]
fn documents_that_keep_the_parser_busy_are_refused_at_once() {
    let attributes: String = (0..20_000).map(|number| format!(" a{number}=''")).collect();
    let spread: String = (0..2_000).map(|number| format!(" a{number} = \"<\"")).collect();
    let prefixes: String = (0..200).map(|number| format!(" xmlns:a{number}='u'")).collect();
    let children = "<b xmlns:c='u'/>".repeat(2_000);
    let declarations: String = (0..20_000)
        .map(|number| format!("<b xmlns='{number}'/>"))
        .collect();
    let began = std::time::Instant::now();
    for body in [
        format!("<a{attributes}/>"),
        format!("<a{spread}/>"),
        format!("<a{prefixes}>{children}</a>"),
        format!("<a>{declarations}</a>"),
        "xmlns:".repeat(150_000),
    ] {
        changed(json!({"from": "xml"}), &body).expect_err("refused");
    }
    assert!(
        began.elapsed() < std::time::Duration::from_secs(20),
        "{:?}",
        began.elapsed()
    );
    let usual = "<a xmlns='u' xmlns:i='v'><b xmlns='w' i:x='=\"=\"'>x=1</b></a>";
    changed(json!({"from": "xml"}), usual).expect("taken");
    let markup = "&lt;row id=\"1\" name='x'/&gt;".repeat(1_000);
    let escaped = format!("<a b='>' c=\"'>\">{markup}</a>");
    changed(json!({"from": "xml"}), &escaped).expect("texts have no attributes");
    let data = format!("<a><![CDATA[{}]]></a>", json!(vec!["x"; 1_000]));
    changed(json!({"from": "xml"}), &data).expect("neither has what is quoted whole");
}

#[test]
fn a_number_that_would_be_rounded_is_refused() {
    changed(
        json!({"remove": ["/a"]}),
        r#"{"id": 123456789012345678901234567890}"#,
    )
    .expect_err("another number");
    changed(
        json!({"remove": ["/a"]}),
        r#"{"id": "123456789012345678901234567890", "n": 0.1}"#,
    )
    .expect("taken");
}

#[test]
fn an_attribute_in_two_namespaces_has_no_name_in_json() {
    changed(json!({"from": "xml"}), "<a xmlns:p='u' p:b='1' b='2'/>").expect_err("one would be lost");
}

#[test]
fn types_are_told_by_their_name_or_suffix() {
    let reads = |from: &str, kind: &'static str| {
        let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(kind))]);
        change(json!({"from": from, "set": {"": 1}})).reads(&headers)
    };
    assert_eq!(
        reads("json", "application/vnd.api+JSON; charset=utf-8"),
        Some(true)
    );
    assert_eq!(reads("json", "text/event-stream"), Some(false));
    assert_eq!(reads("json", "application/grpc"), Some(false));
    assert_eq!(reads("xml", "text/xml"), Some(true));
    assert_eq!(change(json!({"set": {"": 1}})).reads(&HeaderMap::new()), None);
}

/// What XML can say as it stands: no empty lists, no lists of one or in lists, only texts.
fn any_element() -> impl Strategy<Value = Value> {
    let text = "[ -~äß]{0,6}[a-z<&\"']".prop_map(Value::String);
    text.prop_recursive(4, 24, 4, |inner| {
        let list = prop::collection::vec(inner.clone(), 2..4).prop_map(Value::Array);
        let list = list.prop_filter("lists in lists have no name", |list| {
            list.as_array()
                .is_some_and(|items| items.iter().all(|item| !item.is_array()))
        });
        prop::collection::btree_map("[a-z_][a-z0-9.-]{0,3}", prop_oneof![inner, list], 1..4)
            .prop_map(|fields| Value::Object(fields.into_iter().collect()))
    })
}

proptest! {
    #[test]
    fn what_xml_can_say_comes_back(value in any_element()) {
        let document = json!({"document": value});
        let written = change(json!({"to": "xml"})).apply(document.to_string().as_bytes()).expect("written");
        let read = change(json!({"from": "xml"})).apply(&written).expect("read");
        prop_assert_eq!(serde_json::from_slice::<Value>(&read).expect("JSON"), document);
    }

    #[test]
    fn any_bytes_are_read_or_refused(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = change(json!({"from": "xml"})).apply(&body);
        let _ = change(json!({"to": "xml"})).apply(&body);
    }
}
