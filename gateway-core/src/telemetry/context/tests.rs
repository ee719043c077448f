use http::HeaderName;
use proptest::prelude::*;

use super::*;

const TRACE: &str = "12345678901234567890123456789012";
const SPAN: &str = "1234567890123456";

fn headers(given: &[(HeaderName, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in given {
        headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    headers
}

/// The cases of the W3C's own test suite for `traceparent` that are about reading it.
#[test]
fn only_a_well_formed_traceparent_is_followed() {
    let check = |text: &str, expected: Option<u8>| {
        let read = Context::parse(text.as_bytes());
        assert_eq!(read.map(Context::flags), expected, "{text:?}");
        if let Some(context) = read {
            assert_eq!(context.trace.to_string(), TRACE, "{text:?}");
            assert_eq!(context.span.to_string(), SPAN, "{text:?}");
        }
    };
    let ids = format!("{TRACE}-{SPAN}");
    for (text, expected) in [
        (format!("00-{ids}-00"), Some(0)),
        (format!("00-{ids}-01"), Some(1)),
        (format!("00-{ids}-03"), Some(3)),
        // Flags that nobody has defined are not passed on.
        (format!("00-{ids}-ff"), Some(3)),
        (format!(" \t00-{ids}-01\t "), Some(1)),
        // Later versions.
        (format!("cc-{ids}-01"), Some(1)),
        (format!("cc-{ids}-01-what-the-future-will-be-like"), Some(1)),
        (format!("cc-{ids}-01."), None),
        (format!("cc-{ids}-01.what-the-future-will-be-like"), None),
        (format!("ff-{ids}-01"), None),
        // Of version 00, not one character more.
        (format!("00-{ids}-01-"), None),
        (format!("00-{ids}-01-what"), None),
        (format!("00-{ids}-01."), None),
        // Ids that mean nothing.
        (format!("00-{}-{SPAN}-01", "0".repeat(32)), None),
        (format!("00-{TRACE}-{}-01", "0".repeat(16)), None),
        // Digits.
        (format!("00-{}-01", ids.replace('1', "A")), None),
        (format!("00-{}-01", ids.replace('1', "g")), None),
        (format!(".0-{ids}-01"), None),
        (format!("0.-{ids}-01"), None),
        (format!("00-{ids}-.0"), None),
        (format!("00-{ids}-0."), None),
        // Lengths.
        (format!("0-{ids}-01"), None),
        (format!("000-{ids}-01"), None),
        (format!("00-{ids}1-01"), None),
        (format!("00-1{ids}-01"), None),
        (format!("00-{}-01", &ids[1..]), None),
        (format!("00-{}-01", &ids[..ids.len() - 1]), None),
        (format!("00-{ids}-1"), None),
        (format!("00-{ids}-001"), None),
        (format!("00-{ids}-"), None),
        (format!("00-{ids}"), None),
        // Separators.
        (format!("00_{TRACE}_{SPAN}_01"), None),
        (format!("00-{TRACE}{SPAN}--01"), None),
        (format!("00-{}-{}-{SPAN}-01", &TRACE[..15], &TRACE[16..]), None),
        (String::new(), None),
        ("-".repeat(55), None),
    ] {
        check(&text, expected);
    }
}

#[test]
fn several_traceparents_are_none() {
    let one = format!("00-{TRACE}-{SPAN}-01");
    let other = format!("00-{TRACE}-{}-01", SPAN.replace('1', "2"));
    assert!(Context::of(&headers(&[(TRACEPARENT, &one)])).is_some());
    assert_eq!(
        Context::of(&headers(&[(TRACEPARENT, &one), (TRACEPARENT, &other)])),
        None
    );
    assert_eq!(
        Context::of(&headers(&[(TRACEPARENT, &one), (TRACEPARENT, &one)])),
        None
    );
    assert_eq!(Context::of(&HeaderMap::new()), None);
}

fn kept(given: &[&str]) -> Option<String> {
    let given: Vec<_> = given.iter().map(|value| (TRACESTATE, *value)).collect();
    let mut headers = headers(&given);
    keep_state(&mut headers);
    assert!(headers.get_all(TRACESTATE).iter().count() <= 1);
    headers
        .get(TRACESTATE)
        .map(|value| value.to_str().unwrap().to_owned())
}

/// The cases of the W3C's own test suite for `tracestate`.
#[test]
fn only_a_well_formed_tracestate_is_passed_on() {
    let many = |count: usize| {
        (0..count)
            .map(|n| format!("bar{n:02}=1"))
            .collect::<Vec<_>>()
            .join(",")
    };
    let key = |length: usize| "z".repeat(length);
    for (given, expected) in [
        (vec!["foo=1,bar=2"], Some("foo=1,bar=2")),
        (vec!["foo=1", "bar=2"], Some("foo=1,bar=2")),
        (vec!["foo=1,", "", "bar=2"], Some("foo=1,bar=2")),
        (vec!["foo=1,,,"], Some("foo=1,,,")),
        (vec!["foo=1 , \t bar=2"], Some("foo=1 , \t bar=2")),
        (vec!["foo=1", " bar=2\t"], Some("foo=1,bar=2")),
        (vec!["foo=1,foo=2"], Some("foo=1,foo=2")),
        (vec!["foo@bar=1,0a-b_c*d/e=2"], Some("foo@bar=1,0a-b_c*d/e=2")),
        (
            vec!["foo= !\"#$%&'()*+-./:;<>?@[]^_`{|}~"],
            Some("foo= !\"#$%&'()*+-./:;<>?@[]^_`{|}~"),
        ),
        (vec!["foo =1"], None),
        (vec!["FOO=1"], None),
        (vec!["foo.bar=1"], None),
        (vec!["@foo=1"], None),
        (vec!["=1"], None),
        (vec!["foo"], None),
        (vec!["foo=,bar=3"], None),
        (vec!["foo=bar=baz"], None),
        (vec!["foo=b\u{e9}r"], None),
        (vec!["foo=1", "bar"], None),
    ] {
        assert_eq!(kept(&given).as_deref(), expected, "{given:?}");
    }
    for (given, expected) in [
        (many(32), true),
        (many(33), false),
        (format!("{}=1", key(256)), true),
        (format!("{}=1", key(257)), false),
        (format!("a={}", key(256)), true),
        (format!("a={}", key(257)), false),
    ] {
        assert_eq!(kept(&[&given]), expected.then_some(given));
    }
}

#[test]
fn a_list_that_is_too_long_loses_long_members_first_and_then_the_last() {
    let long = format!("long={}", "x".repeat(130));
    let short = |name: char| format!("{name}={}", "y".repeat(98));
    let all = [
        short('a'),
        long,
        short('b'),
        short('c'),
        short('d'),
        short('e'),
        short('f'),
    ];
    let expected = all.iter().filter(|member| !member.starts_with("long"));
    let expected: Vec<&str> = expected.map(String::as_str).take(5).collect();
    assert_eq!(kept(&[&all.join(",")]), Some(expected.join(",")));
    // One header or several, the limit is that of the list.
    let several: Vec<&str> = all.iter().map(String::as_str).collect();
    assert_eq!(kept(&several), Some(expected.join(",")));
    let whole = format!("a={},b={}", "x".repeat(253), "y".repeat(254));
    assert_eq!(whole.len(), 512);
    assert_eq!(kept(&[&whole]), Some(whole));
}

proptest! {
    #[test]
    fn what_is_written_can_be_read(trace in 1_u128.., span in 1_u64.., flags in 0_u8..4) {
        let context = Context {
            trace: TraceId(trace.to_be_bytes()),
            span: SpanId(span.to_be_bytes()),
            flags,
        };
        let written = context.header();
        prop_assert_eq!(Context::parse(written.as_bytes()), Some(context));
        let text = format!("00-{trace:032x}-{span:016x}-{flags:02x}");
        prop_assert_eq!(written.to_str().unwrap(), text);
    }

    #[test]
    fn whatever_is_read_is_as_the_grammar_says(text in "(00|cc|ff|0A)-[0-9a-f]{31,33}-[0-9a-f]{16}-[0-9a-g]{2}(-|\\.|)[a-z]{0,3}") {
        let grammar = regex::Regex::new("^(00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}|cc-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?)$").unwrap();
        let nonzero = !text.contains(&"0".repeat(32)) && !text.contains(&format!("-{}-", "0".repeat(16)));
        prop_assert_eq!(Context::parse(text.as_bytes()).is_some(), grammar.is_match(&text) && nonzero);
    }

    #[test]
    fn bytes_of_any_kind_are_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
        let _ = Context::parse(&bytes);
        if let Ok(value) = HeaderValue::from_bytes(&bytes) {
            let mut headers = HeaderMap::from_iter([(TRACESTATE, value)]);
            keep_state(&mut headers);
        }
    }

    #[test]
    fn what_is_passed_on_is_short_enough_and_stays_as_it_is(members in proptest::collection::vec("[a-z]{1,20}=[!-+]{1,200}", 0..40), lines in 1_usize..4) {
        let chunk = members.len().div_ceil(lines).max(1);
        let given: Vec<String> = members.chunks(chunk).map(|members| members.join(",")).collect();
        let given: Vec<&str> = given.iter().map(String::as_str).collect();
        let first = kept(&given);
        if let Some(list) = &first {
            prop_assert!(list.len() <= 512 && members.len() <= 32);
            prop_assert_eq!(kept(&[list]), first);
        }
    }
}
