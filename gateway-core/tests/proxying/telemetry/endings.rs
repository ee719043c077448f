//! When spans end, and how that is told: streams, calls that break off, gRPC and WebSockets.

use std::time::SystemTime;

use futures_util::StreamExt as _;
use gatehouse_gateway_core::Gateway;
use http_body_util::BodyExt as _;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use super::{header, nanoseconds, request, serving, told};
use crate::{
    collector::{Collector, attribute, by_kind},
    grpc,
    support::api,
};

/// Reads until the text has come.
async fn read_until(stream: &mut TcpStream, text: &str) {
    let mut read = Vec::new();
    while !String::from_utf8_lossy(&read).contains(text) {
        assert!(stream.read_buf(&mut read).await.expect("readable") > 0);
    }
}

/// A gateway whose upstream is a listener of the test's own.
async fn before_a_listener(collector: &Collector) -> (Gateway, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let gateway = serving(collector.options(), api("a", address, json!({}))).await;
    (gateway, listener)
}

/// A request on its way: the caller's end of it, and the upstream's.
async fn asked(gateway: &Gateway, listener: &TcpListener) -> (TcpStream, TcpStream) {
    let mut caller = TcpStream::connect(gateway.address()).await.expect("a connection");
    caller
        .write_all(request("/a", "").as_bytes())
        .await
        .expect("sent");
    let (mut upstream, _) = listener.accept().await.expect("a connection");
    read_until(&mut upstream, "\r\n\r\n").await;
    (caller, upstream)
}

#[tokio::test]
async fn spans_of_a_streamed_answer_end_when_its_body_does() {
    let collector = Collector::start().await;
    let (gateway, listener) = before_a_listener(&collector).await;
    let (mut caller, mut upstream) = asked(&gateway, &listener).await;
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n";
    upstream.write_all(head.as_bytes()).await.expect("sent");
    read_until(&mut caller, "first").await;
    let ending = nanoseconds(SystemTime::now());
    upstream.write_all(b"4\r\nlast\r\n0\r\n\r\n").await.expect("sent");
    read_until(&mut caller, "last\r\n0\r\n\r\n").await;
    let (servers, clients) = by_kind(collector.spans(2).await);
    assert!(servers[0].end_time_unix_nano > ending);
    assert_eq!(clients[0].end_time_unix_nano, servers[0].end_time_unix_nano);
    assert!(servers[0].status.is_none());
}

#[tokio::test]
async fn a_caller_that_leaves_and_an_upstream_that_breaks_off_can_be_told_apart() {
    let collector = Collector::start().await;
    let (gateway, listener) = before_a_listener(&collector).await;
    let (caller, _upstream) = asked(&gateway, &listener).await;
    drop(caller);
    let (servers, clients) = by_kind(collector.spans(2).await);
    assert_eq!(attribute(&servers[0], "error.type"), "cancelled");
    assert_eq!(attribute(&servers[0], "http.response.status_code"), "");
    assert_eq!(attribute(&servers[0], "gatehouse.api"), "a");
    assert_eq!(attribute(&clients[0], "error.type"), "cancelled");
    let (_caller, mut upstream) = asked(&gateway, &listener).await;
    let part = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf";
    upstream.write_all(part.as_bytes()).await.expect("sent");
    drop(upstream);
    let (servers, _) = by_kind(collector.spans(4).await);
    assert_eq!(attribute(&servers[1], "error.type"), "response_broken_off");
    assert_eq!(attribute(&servers[1], "http.response.status_code"), "200");
}

#[tokio::test]
async fn a_grpc_call_says_how_it_ended() {
    let collector = Collector::start().await;
    let (address, _) = grpc::server().await;
    let gateway = serving(collector.options(), api("a", address, grpc::http2(address))).await;
    let answer = grpc::call(&gateway, "/a/pkg.Service/Echo", &[]).await;
    let body = answer.collect().await.expect("a body");
    assert!(body.trailers().is_some());
    let (servers, clients) = by_kind(collector.spans(2).await);
    for (key, expected) in [
        ("rpc.system.name", "grpc"),
        ("rpc.method", "pkg.Service/Echo"),
        ("rpc.response.status_code", "OK"),
        ("network.protocol.version", "2"),
        ("error.type", ""),
    ] {
        assert_eq!(attribute(&servers[0], key), expected, "{key}");
    }
    assert_eq!(attribute(&clients[0], "network.protocol.version"), "2");
    let slow = grpc::call(&gateway, "/a/pkg.Service/Slow", &[("grpc-timeout", "50m")]).await;
    assert_eq!(header(slow.headers(), "grpc-status"), "4");
    let (servers, clients) = by_kind(collector.spans(4).await);
    assert_eq!(
        attribute(&servers[1], "rpc.response.status_code"),
        "DEADLINE_EXCEEDED"
    );
    assert_eq!(attribute(&servers[1], "error.type"), "upstream-timeout");
    assert_eq!(attribute(&clients[1], "error.type"), "timeout");
}

#[tokio::test]
async fn a_websocket_is_a_span_as_long_as_its_handshake() {
    let collector = Collector::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (saying, said) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a connection");
        let mut saying = Some(saying);
        #[expect(clippy::result_large_err, reason = "the callback's type is the library's")]
        let keep = |request: &http::Request<()>, answer| {
            let kept = header(request.headers(), "traceparent").to_owned();
            saying
                .take()
                .expect("one handshake")
                .send(kept)
                .expect("somebody listens");
            Ok(answer)
        };
        let mut socket = tokio_tungstenite::accept_hdr_async(stream, keep)
            .await
            .expect("a handshake");
        while socket.next().await.is_some() {}
    });
    let gateway = serving(collector.options(), api("a", address, json!({}))).await;
    let url = format!("ws://{}/a", gateway.address());
    let (_open, answer) = tokio_tungstenite::connect_async(url).await.expect("a handshake");
    assert_eq!(answer.status(), 101);
    let (servers, clients) = by_kind(collector.spans(2).await);
    assert_eq!(attribute(&servers[0], "http.response.status_code"), "101");
    assert_eq!(attribute(&clients[0], "http.response.status_code"), "101");
    assert_eq!(said.await.expect("a header"), told(&clients[0], "03"));
}
