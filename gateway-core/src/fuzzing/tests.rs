//! The short version: random bytes, and pieces that mean something put together at random.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{configuration, framing, headers, path};

/// Pieces put together at random.
fn of(pieces: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop::sample::select(pieces), 0..24).prop_map(|parts| parts.concat().into_bytes())
}

const PATHS: &[&str] = &[
    "/", "//", ".", "..", "%2e", "%2E", "%2f", "%5c", "\\", ";", ";a=b", "%3b", "a", "B", "~", "%7E", "%",
    "%0", "%00", "%ff", "é", "%C3%A9", "%25", "%252e", "+", " ", "?", "#", ":", "*", "{x}",
];

const REQUESTS: &[&str] = &[
    "GET / HTTP/1.1\r\n",
    "POST / HTTP/1.1\r\n",
    "Host: a\r\n",
    "Content-Length: 5\r\n",
    "Content-Length: 0\r\n",
    "Content-Length: 99999999999999999999\r\n",
    "Transfer-Encoding: chunked\r\n",
    "transfer-encoding: gzip\r\n",
    "Upgrade: websocket\r\n",
    "X: y\r\n",
    " folded\r\n",
    "\r\n",
    "\n",
    "\r",
    "5\r\nhello\r\n",
    "0\r\n",
    "0\r\n\r\n",
    "ffffffffffffffff\r\n",
    "1;x=y\r\na\r\n",
    "hello",
    "\0",
];

const FIELDS: &[&str] = &[
    "connection: close\n",
    "connection: x, y\n",
    "Connection: content-length, host\n",
    "connection:\n",
    "x: 1\n",
    "y: 2\n",
    "keep-alive: 5\n",
    "te: trailers\n",
    "transfer-encoding: chunked\n",
    "content-length: 5\n",
    "content-length: 6\n",
    "upgrade: h2c\n",
    "proxy-connection: keep-alive\n",
    "x-original-url: /a\n",
    "connection: connection\n",
    ": x\n",
];

/// An API that is nearly in order: some of its fields are replaced.
fn api() -> impl Strategy<Value = Vec<u8>> {
    let values = vec![
        json!(null),
        json!(""),
        json!("/"),
        json!("/{a}/{a}"),
        json!("/../x"),
        json!("http://"),
        json!("http://a:99999"),
        json!([]),
        json!([""]),
        json!(["*.a.test", "a.test", "*"]),
        json!({}),
        json!(-1),
        json!({"main": {"url": "https://u:p@[::1]:0/%zz?x#y"}}),
        json!([{"type": "headers", "with": {"request": {"set": {"a\r\nb": "c"}}}}]),
        json!([{"type": "rewrite", "with": {"path": "/{x}/../%2e"}}]),
        json!([{"type": "ratelimit", "with": {"limits": [{"requests": 0, "per": "second"}]}}]),
        json!([{"type": "request.validate", "with": {"bodySchema": {"$ref": "#/a"}}}]),
        json!([{"match": {"method": "GET", "path": "/{a}/{b}"}}, {"match": {"method": "G T", "path": "x"}}]),
        json!([{"match": {"method": "GET", "path": "/{a"}}]),
    ];
    let fields = prop::sample::select(vec![
        "basePath",
        "hostnames",
        "upstreams",
        "policies",
        "operations",
        "type",
        "displayName",
    ]);
    let changes = prop::collection::vec((fields, prop::sample::select(values)), 0..4);
    (of(PATHS), changes).prop_map(|(path, changes)| {
        let mut content = json!({
            "displayName": "a", "version": "v1", "type": "rest", "direction": "ingress", "basePath": "/a",
            "upstreams": {"main": {"url": "http://127.0.0.1:9"}},
        });
        for (field, value) in changes {
            content[field] = value;
        }
        let config: Value = json!({"externalRef": "a", "fingerprint": "sha256:0", "content": content});
        let mut bytes: Vec<u8> = path.into_iter().filter(|byte| *byte != b'\n').collect();
        bytes.push(b'\n');
        bytes.extend(config.to_string().into_bytes());
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) })]

    #[test]
    fn every_path_is_refused_or_has_one_form(bytes in of(PATHS)) {
        path(&[b"/", bytes.as_slice()].concat());
    }

    #[test]
    fn every_request_is_framed_alike_however_its_bytes_arrive(bytes in of(REQUESTS)) {
        framing(&bytes);
    }

    #[test]
    fn nothing_of_a_connection_is_left_of_any_head(bytes in of(FIELDS)) {
        headers(&bytes);
    }

    #[test]
    fn any_bytes_are_refused_or_taken_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        path(&bytes);
        framing(&bytes);
        headers(&bytes);
        configuration(&bytes);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn every_api_is_refused_or_served(bytes in api()) {
        configuration(&bytes);
    }
}
