//! Bodies that are changed on their way.

use gatehouse_gateway_core::{Gateway, GatewayOptions};
use http::{HeaderValue, Response, header};
use serde_json::{Value, json};

use crate::support::{api, document, echo, gateway, get, raw, status, upstream};

fn transform(with: Value) -> Value {
    json!({"policies": [{"type": "transform", "with": with}]})
}

async fn with_echo(fields: Value) -> Gateway {
    let gateway = gateway().await;
    gateway
        .put_api(api("a", echo().await, fields))
        .await
        .expect("applied");
    gateway
}

/// A gateway before an upstream that always answers this.
async fn answering(
    fields: Value,
    headers: &'static [(&'static str, &'static str)],
    body: &'static str,
) -> Gateway {
    let gateway = gateway().await;
    let address = upstream(move |_| {
        let mut response = Response::new(body.to_owned());
        for (name, value) in headers {
            response
                .headers_mut()
                .insert(*name, HeaderValue::from_static(value));
        }
        response
    });
    gateway
        .put_api(api("a", address.await, fields))
        .await
        .expect("applied");
    gateway
}

fn post(fields: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{fields}Content-Length: {length}\r\n\r\n{body}"
    )
}

const JSON: &str = "Content-Type: application/json\r\n";

#[tokio::test]
async fn the_upstream_gets_the_changed_body_with_its_own_length_and_type() {
    let change =
        json!({"request": {"remove": ["/secret"], "set": {"/from": "web"}, "to": "xml", "root": "order"}});
    let gateway = with_echo(transform(change)).await;
    let sent = post(
        &format!("{JSON}Digest: x\r\n"),
        r#"{"n": 1, "secret": "s", "lines": ["a", "b"]}"#,
    );
    let seen = document(&raw(&gateway, &sent).await);
    let body = r#"<?xml version="1.0" encoding="UTF-8"?><order><from>web</from><lines>a</lines><lines>b</lines><n>1</n></order>"#;
    assert_eq!(seen["body"], body);
    assert_eq!(seen["headers"]["content-type"], json!(["application/xml"]));
    assert_eq!(seen["headers"]["content-length"], json!([body.len().to_string()]));
    assert_eq!(seen["headers"]["digest"], Value::Null);
    assert_eq!(document(&get(&gateway, "/a").await)["body"], "");
}

#[tokio::test]
async fn what_cannot_be_changed_does_not_reach_the_upstream() {
    let gateway = with_echo(transform(json!({"request": {"template": {"id": "{/id}"}}}))).await;
    let answer = async |fields: &str, body: &str| status(&raw(&gateway, &post(fields, body)).await);
    assert_eq!(answer(JSON, r#"{"id": 1}"#).await, 200);
    assert_eq!(answer(JSON, "{}").await, 400);
    assert_eq!(answer(JSON, "{").await, 400);
    assert_eq!(answer("Content-Type: text/plain\r\n", r#"{"id": 1}"#).await, 415);
    assert_eq!(answer("", r#"{"id": 1}"#).await, 415);
    assert_eq!(
        answer(&format!("{JSON}Content-Encoding: gzip\r\n"), r#"{"id": 1}"#).await,
        415
    );
}

#[tokio::test]
async fn a_body_is_checked_as_the_caller_sent_it() {
    let gateway = gateway().await;
    let policies = json!({"policies": [
        {"type": "transform", "with": {"request": {"set": {"/n": "text"}}}},
        {"type": "request.validate", "with": {"bodySchema": {"properties": {"n": {"type": "integer"}}}}},
    ]});
    gateway
        .put_api(api("a", echo().await, policies))
        .await
        .expect("applied");
    assert_eq!(
        document(&raw(&gateway, &post(JSON, r#"{"n":1}"#)).await)["body"],
        r#"{"n":"text"}"#
    );
    assert_eq!(status(&raw(&gateway, &post(JSON, r#"{"n":"1"}"#)).await), 400);
}

#[tokio::test]
async fn callers_get_the_changed_answer() {
    let change = json!({"response": {"from": "xml", "remove": ["/order/internal"]}});
    let headers = &[("content-type", "text/xml"), ("etag", "\"1\"")];
    let body = "<order><id>7</id><internal>x</internal></order>";
    let gateway = answering(transform(change), headers, body).await;
    let answer = get(&gateway, "/a").await;
    assert_eq!(status(&answer), 200);
    assert_eq!(document(&answer), json!({"order": {"id": "7"}}));
    assert!(answer.contains("content-type: application/json"), "{answer}");
    assert!(answer.contains("content-length: 20"), "{answer}");
    assert!(!answer.contains("etag"), "{answer}");
    let head = raw(
        &gateway,
        "HEAD /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    )
    .await;
    assert_eq!(status(&head), 200);
    assert!(head.contains("text/xml"), "{head}");
}

#[tokio::test]
async fn the_upstream_is_asked_for_whole_answers_that_are_not_compressed() {
    let change = json!({"response": {"template": "{/headers}"}});
    let gateway = gateway().await;
    let address = upstream(|seen| {
        let names: serde_json::Map<String, Value> = seen
            .head
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), json!(value.to_str().expect("text"))))
            .collect();
        let mut response = Response::new(json!({"headers": names}).to_string());
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        response
    });
    gateway
        .put_api(api("a", address.await, transform(change)))
        .await
        .expect("applied");
    let request = "GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAccept-Encoding: gzip\r\nRange: bytes=0-1\r\n\r\n";
    let seen = document(&raw(&gateway, request).await);
    assert_eq!(seen["accept-encoding"], "identity");
    assert_eq!(seen["range"], Value::Null);
}

#[tokio::test]
async fn an_answer_that_cannot_be_changed_is_not_given_and_one_of_another_type_stays() {
    let change = || transform(json!({"response": {"remove": ["/internal"]}}));
    let json_type = &[("content-type", "application/json")];
    let broken = answering(change(), json_type, r#"{"internal": "#).await;
    let answer = get(&broken, "/a").await;
    assert_eq!(status(&answer), 502);
    assert!(!answer.contains("internal\""), "{answer}");
    let compressed = &[("content-type", "application/json"), ("content-encoding", "br")];
    assert_eq!(
        status(&get(&answering(change(), compressed, "{}").await, "/a").await),
        502
    );
    let untold = answering(change(), &[], r#"{"internal": 1, "a": 2}"#).await;
    assert_eq!(document(&get(&untold, "/a").await), json!({"a": 2}));
    let events = answering(change(), &[("content-type", "text/event-stream")], "data: 1\n\n").await;
    assert!(get(&events, "/a").await.ends_with("data: 1\n\n"));
}

#[tokio::test]
async fn the_cache_keeps_what_was_made_of_an_answer() {
    let policies = json!({"policies": [
        {"type": "transform", "with": {"response": {"remove": ["/internal"]}}},
        {"type": "cache", "with": {"ttlSeconds": 60}},
    ]});
    let json_type = &[("content-type", "application/json")];
    let gateway = answering(policies, json_type, r#"{"internal": 1, "a": 2}"#).await;
    for told in ["fwd=miss; stored", "hit"] {
        let answer = get(&gateway, "/a").await;
        assert!(answer.contains(told), "{answer}");
        assert_eq!(document(&answer), json!({"a": 2}));
    }
}

#[tokio::test]
async fn bodies_give_their_memory_back_and_find_none_when_there_is_none() {
    let options = GatewayOptions {
        worker_threads: Some(1),
        held_body_bytes: 4096,
        ..GatewayOptions::default()
    };
    let gateway = Gateway::start(options).await.expect("the gateway starts");
    let fields = transform(json!({"request": {"set": {"/n": 1}}}));
    gateway
        .put_api(api("a", echo().await, fields))
        .await
        .expect("applied");
    for _ in 0..5 {
        assert_eq!(status(&raw(&gateway, &post(JSON, r#"{"a": "x"}"#)).await), 200);
    }
    let large = format!(r#"{{"a": "{}"}}"#, "x".repeat(8_000));
    assert_eq!(status(&raw(&gateway, &post(JSON, &large)).await), 503);
    assert!(
        gateway
            .metrics_text()
            .contains("gatehouse_gateway_held_body_bytes 0\n")
    );
}
