//! HTTP/2 requests that are malformed, or would be two requests in HTTP/1.1 (RFC 9113, section 8.2 and 8.3).

use crate::frames::{DATA, END_HEADERS, END_STREAM, Frames, HEADERS, block};

/// One attempt: the fields of its head, its body if it has one, and what the gateway does.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    fields: &'static [(&'static str, &'static str)],
    body: Option<&'static str>,
    pub(crate) expected: &'static str,
    /// Why we differ from nginx or HAProxy, if we do.
    pub(crate) why: &'static str,
}

const fn get(
    name: &'static str,
    fields: &'static [(&'static str, &'static str)],
    expected: &'static str,
    why: &'static str,
) -> Case {
    Case {
        name,
        fields,
        body: None,
        expected,
        why,
    }
}

const fn post(
    name: &'static str,
    fields: &'static [(&'static str, &'static str)],
    body: &'static str,
    expected: &'static str,
    why: &'static str,
) -> Case {
    Case {
        name,
        fields,
        body: Some(body),
        expected,
        why,
    }
}

const MALFORMED: &str = "RFC 9113, 8.1.1: a malformed request is not forwarded; one of them forwards it, without the field or with it";

const METHOD: (&str, &str) = (":method", "GET");
const POST: (&str, &str) = (":method", "POST");
const SCHEME: (&str, &str) = (":scheme", "http");
const HOST: (&str, &str) = (":authority", "a");
const PATH: (&str, &str) = (":path", "{t}");

#[rustfmt::skip]
pub(crate) const CORPUS_HTTP2: &[Case] = &[
    get("h2: in order", &[METHOD, SCHEME, HOST, PATH], "200", ""),
    post("h2: with a body", &[POST, SCHEME, HOST, PATH], "hello", "200", ""),
    post("h2: with a body and its length", &[POST, SCHEME, HOST, PATH, ("content-length", "5")], "hello", "200", ""),
    post("h2: a length that is too small", &[POST, SCHEME, HOST, PATH, ("content-length", "2")], "hello", "reset", ""),
    post("h2: a length that is too large", &[POST, SCHEME, HOST, PATH, ("content-length", "9")], "hello", "reset", ""),
    post("h2: two lengths", &[POST, SCHEME, HOST, PATH, ("content-length", "5"), ("content-length", "6")], "hello", "reset", ""),
    post("h2: a length with a sign", &[POST, SCHEME, HOST, PATH, ("content-length", "+5")], "hello", "reset", ""),
    post("h2: transfer-encoding", &[POST, SCHEME, HOST, PATH, ("transfer-encoding", "chunked")], "0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n", "reset", MALFORMED),
    get("h2: connection", &[METHOD, SCHEME, HOST, PATH, ("connection", "close")], "reset", MALFORMED),
    get("h2: upgrade", &[METHOD, SCHEME, HOST, PATH, ("upgrade", "websocket")], "reset", MALFORMED),
    get("h2: te other than trailers", &[METHOD, SCHEME, HOST, PATH, ("te", "gzip")], "reset", MALFORMED),
    get("h2: te trailers", &[METHOD, SCHEME, HOST, PATH, ("te", "trailers")], "200", ""),
    get("h2: a line break in a value", &[METHOD, SCHEME, HOST, PATH, ("x", "a\r\nTransfer-Encoding: chunked")], "connection ended", ""),
    get("h2: a bare LF in a value", &[METHOD, SCHEME, HOST, PATH, ("x", "a\nHost: b")], "connection ended", ""),
    get("h2: a NUL in a value", &[METHOD, SCHEME, HOST, PATH, ("x", "a\0b")], "connection ended", ""),
    get("h2: a line break in a name", &[METHOD, SCHEME, HOST, PATH, ("x: y\r\nz", "a")], "connection ended", ""),
    get("h2: a colon in a name", &[METHOD, SCHEME, HOST, PATH, ("x:y", "a")], "connection ended", ""),
    get("h2: a space in a name", &[METHOD, SCHEME, HOST, PATH, ("x y", "a")], "connection ended", ""),
    get("h2: a name in capitals", &[METHOD, SCHEME, HOST, PATH, ("X-Y", "a")], "connection ended", ""),
    get("h2: an empty name", &[METHOD, SCHEME, HOST, PATH, ("", "a")], "connection ended", ""),
    get("h2: a line break in the path", &[METHOD, SCHEME, HOST, (":path", "{t} HTTP/1.1\r\nX: y")], "reset", ""),
    get("h2: a space in the path", &[METHOD, SCHEME, HOST, (":path", "{t} HTTP/1.1")], "reset", ""),
    get("h2: a path without a slash", &[METHOD, SCHEME, HOST, (":path", "x{t}")], "reset", ""),
    get("h2: an empty path", &[METHOD, SCHEME, HOST, (":path", "")], "reset", ""),
    get("h2: two paths", &[METHOD, SCHEME, HOST, PATH, (":path", "{t}/2")], "reset", ""),
    get("h2: no path", &[METHOD, SCHEME, HOST], "reset", ""),
    get("h2: a path in absolute form", &[METHOD, SCHEME, HOST, (":path", "http://b{t}")], "reset", ""),
    get("h2: no method", &[SCHEME, HOST, PATH], "reset", ""),
    get("h2: a space in the method", &[(":method", "GET /admin HTTP/1.1\r\nX:"), SCHEME, HOST, PATH], "connection ended", ""),
    get("h2: no scheme", &[METHOD, HOST, PATH], "reset", ""),
    get("h2: an unknown pseudo-header", &[METHOD, SCHEME, HOST, PATH, (":x", "y")], "connection ended", ""),
    get("h2: a status in a request", &[METHOD, SCHEME, HOST, PATH, (":status", "200")], "reset", ""),
    get("h2: a pseudo-header after a field", &[METHOD, SCHEME, HOST, ("x", "y"), PATH], "reset", MALFORMED),
    get("h2: a host with a line break", &[METHOD, SCHEME, (":authority", "a\r\nX: y"), PATH], "reset", ""),
    get("h2: a host with a user", &[METHOD, SCHEME, (":authority", "u@a"), PATH], "400", "a host is a name and a port; nginx and HAProxy forward it"),
    get("h2: authority and another host", &[METHOD, SCHEME, HOST, PATH, ("host", "b")], "200", "the authority holds, and the upstream gets one host of our own; nginx refuses"),
    get("h2: no authority and two hosts", &[METHOD, SCHEME, PATH, ("host", "a"), ("host", "b")], "400", MALFORMED),
    get("h2: CONNECT", &[(":method", "CONNECT"), HOST], "405", ""),
];

/// Sends a case on stream 1.
pub(crate) async fn send(frames: &mut Frames, case: &Case, token: &str) {
    let fields: Vec<(&str, String)> = case
        .fields
        .iter()
        .map(|(name, value)| (*name, value.replace("{t}", token)))
        .collect();
    let fields: Vec<(&str, &str)> = fields
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let flags = match case.body {
        Some(_) => END_HEADERS,
        None => END_HEADERS | END_STREAM,
    };
    // Who refuses early may close before everything is written.
    let _ = frames.send(HEADERS, flags, 1, &block(&fields)).await;
    if let Some(body) = case.body {
        let _ = frames.send(DATA, END_STREAM, 1, body.as_bytes()).await;
    }
}
