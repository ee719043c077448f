//! gRPC calls: trailers both ways, deadlines, refusals in gRPC's own words.

use bytes::Bytes;
use gatehouse_gateway_core::Gateway;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;
use tokio::net::TcpStream;

use crate::support::{api, echo, gateway};

/// Makes a call over HTTP/2 without TLS.
pub(crate) async fn call(gateway: &Gateway, path: &str, headers: &[(&str, &str)]) -> Response<Incoming> {
    let stream = TcpStream::connect(gateway.address()).await.expect("a connection");
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .expect("a handshake");
    tokio::spawn(connection);
    let mut request = Request::post(format!("http://{}{path}", gateway.address()))
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let message = Bytes::from_static(b"\0\0\0\0\x02hi");
    let request = request.body(Full::new(message)).expect("a request");
    sender.send_request(request).await.expect("an answer")
}

fn said<'h>(headers: &'h HeaderMap, name: &str) -> &'h str {
    headers
        .get(name)
        .map_or("", |value| value.to_str().expect("text"))
}

#[tokio::test]
async fn refusals_are_said_as_grpc_does() {
    let gateway = gateway().await;
    let upstream = echo().await;
    let filter = json!([{"type": "ip.filter", "with": {"deny": ["127.0.0.0/8"]}}]);
    let limit = json!([{"type": "ratelimit", "with": {"limits": [{"requests": 1, "per": "hour"}]}}]);
    for (name, policies) in [("filtered", filter), ("limited", limit)] {
        gateway
            .put_api(api(name, upstream, json!({ "policies": policies })))
            .await
            .expect("applied");
    }
    call(&gateway, "/limited/a.B/C", &[]).await;
    for (path, expected) in [
        ("/filtered/a.B/C", "7"),
        ("/limited/a.B/C", "8"),
        ("/nothing/a.B/C", "12"),
    ] {
        let answer = call(&gateway, path, &[]).await;
        assert_eq!(answer.status(), 200, "{path}");
        assert_eq!(
            said(answer.headers(), "content-type"),
            "application/grpc",
            "{path}"
        );
        assert_eq!(said(answer.headers(), "grpc-status"), expected, "{path}");
        assert_ne!(said(answer.headers(), "grpc-message"), "", "{path}");
        assert_ne!(said(answer.headers(), "x-request-id"), "", "{path}");
        assert!(
            answer.collect().await.expect("a body").to_bytes().is_empty(),
            "{path}"
        );
    }
    let counted = gateway.metrics_text();
    assert!(counted.contains("4xx"), "refusals are counted as such: {counted}");
}

/// A server that says what it heard in its trailers, and hears trailers. Paths make it behave differently.
pub(crate) async fn server() -> (
    std::net::SocketAddr,
    std::sync::Arc<std::sync::atomic::AtomicUsize>,
) {
    use std::sync::atomic::Ordering;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = listener.local_addr().expect("an address");
    let connections = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = std::sync::Arc::clone(&connections);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::Relaxed);
            let service = hyper::service::service_fn(serve);
            let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), service);
            tokio::spawn(connection);
        }
    });
    (address, connections)
}

type Frames = http_body_util::combinators::BoxBody<Bytes, std::convert::Infallible>;

async fn serve(request: Request<Incoming>) -> Result<Response<Frames>, std::convert::Infallible> {
    use futures_util::StreamExt as _;
    use hyper::body::Frame;
    let (head, body) = request.into_parts();
    if head.uri.path().ends_with("/Slow") {
        std::future::pending::<()>().await;
    }
    let echoed = http_body_util::BodyDataStream::new(body)
        .map(|data| Ok(Frame::data(data.expect("the caller's message"))));
    let trailers = HeaderMap::from_iter([
        (
            http::HeaderName::from_static("grpc-status"),
            http::HeaderValue::from_static("0"),
        ),
        (
            http::HeaderName::from_static("heard"),
            format!(
                "{} {} {}",
                head.uri.path(),
                said(&head.headers, "te"),
                head.uri.authority().is_some()
            )
            .try_into()
            .expect("a value"),
        ),
    ]);
    let end = futures_util::stream::once(async { Ok(Frame::trailers(trailers)) });
    let body = http_body_util::StreamBody::new(echoed.chain(end));
    let mut response = Response::new(http_body_util::BodyExt::boxed(body));
    let kind = http::HeaderValue::from_static("application/grpc");
    response.headers_mut().insert("content-type", kind);
    Ok(response)
}

pub(crate) fn http2(address: std::net::SocketAddr) -> serde_json::Value {
    json!({"upstreams": {"main": {"url": format!("http://{address}"), "protocol": "http2"}}})
}

#[tokio::test]
async fn messages_and_trailers_pass_both_ways() {
    let gateway = gateway().await;
    let (address, connections) = server().await;
    gateway
        .put_api(api("a", address, http2(address)))
        .await
        .expect("applied");
    let calls = (0..20).map(|_| call(&gateway, "/a/pkg.Service/Echo", &[]));
    for answer in futures_util::future::join_all(calls).await {
        assert_eq!(answer.status(), 200, "{:?}", answer.headers());
        let body = answer.collect().await.expect("a body");
        let trailers = body.trailers().expect("trailers").clone();
        assert_eq!(body.to_bytes(), &b"\0\0\0\0\x02hi"[..]);
        assert_eq!(said(&trailers, "grpc-status"), "0");
        assert_eq!(said(&trailers, "heard"), "/pkg.Service/Echo trailers true");
    }
    assert_eq!(
        connections.load(std::sync::atomic::Ordering::Relaxed),
        1,
        "they share a connection"
    );
}

/// A message is echoed while the caller has not ended its own stream.
#[tokio::test]
async fn streams_are_not_held_back() {
    use futures_util::StreamExt as _;
    let gateway = gateway().await;
    let (address, _) = server().await;
    gateway
        .put_api(api("a", address, http2(address)))
        .await
        .expect("applied");
    let stream = TcpStream::connect(gateway.address()).await.expect("a connection");
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .expect("a handshake");
    tokio::spawn(connection);
    let (messages, outgoing) = futures_channel();
    let request = Request::post(format!("http://{}/a/pkg.Service/Echo", gateway.address()))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(http_body_util::StreamBody::new(outgoing))
        .expect("a request");
    messages.send(Bytes::from_static(b"one")).expect("open");
    let answer = sender.send_request(request).await.expect("an answer");
    let mut echoed = http_body_util::BodyDataStream::new(answer.into_body());
    assert_eq!(echoed.next().await.expect("data").expect("data"), "one");
    messages.send(Bytes::from_static(b"two")).expect("open");
    assert_eq!(echoed.next().await.expect("data").expect("data"), "two");
}

type Outgoing = std::pin::Pin<
    Box<dyn futures_util::Stream<Item = Result<hyper::body::Frame<Bytes>, std::convert::Infallible>> + Send>,
>;

fn futures_channel() -> (tokio::sync::mpsc::UnboundedSender<Bytes>, Outgoing) {
    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
    let stream = futures_util::stream::unfold(receiver, |mut receiver| async move {
        let data: Bytes = receiver.recv().await?;
        Some((Ok(hyper::body::Frame::data(data)), receiver))
    });
    (sender, Box::pin(stream))
}

#[tokio::test]
async fn a_call_takes_no_longer_than_its_caller_waits() {
    let gateway = gateway().await;
    let (address, _) = server().await;
    gateway
        .put_api(api("a", address, http2(address)))
        .await
        .expect("applied");
    let started = std::time::Instant::now();
    let answer = call(&gateway, "/a/pkg.Service/Slow", &[("grpc-timeout", "200m")]).await;
    assert_eq!(said(answer.headers(), "grpc-status"), "4");
    let took = started.elapsed();
    assert!(
        took >= std::time::Duration::from_millis(200) && took < std::time::Duration::from_secs(10),
        "{took:?}"
    );
}

#[tokio::test]
async fn a_call_is_not_made_again_when_its_caller_no_longer_waits() {
    let gateway = gateway().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = listener.local_addr().expect("an address");
    let calls = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = std::sync::Arc::clone(&calls);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let counted = std::sync::Arc::clone(&counted);
            let service = hyper::service::service_fn(move |request| {
                counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                serve(request)
            });
            let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), service);
            tokio::spawn(connection);
        }
    });
    let mut fields = http2(address);
    let with = json!({"attempts": 3, "on": ["timeout"], "methods": ["POST"], "backoffMs": 0});
    fields["policies"] = json!([{"type": "retry", "with": with}]);
    gateway.put_api(api("a", address, fields)).await.expect("applied");
    let answer = call(&gateway, "/a/pkg.Service/Slow", &[("grpc-timeout", "200m")]).await;
    assert_eq!(said(answer.headers(), "grpc-status"), "4");
    assert_eq!(calls.load(std::sync::atomic::Ordering::SeqCst), 1);
}

#[tokio::test]
async fn connecting_takes_no_longer_than_the_caller_waits() {
    let gateway = gateway().await;
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = silent.local_addr().expect("an address");
    let fields = json!({"upstreams": {"main": {
        "url": format!("https://{address}"), "protocol": "http2", "connectTimeoutMs": 60_000,
    }}});
    gateway.put_api(api("a", address, fields)).await.expect("applied");
    let answer = call(&gateway, "/a/pkg.Service/Echo", &[("grpc-timeout", "200m")]);
    let answer = tokio::time::timeout(std::time::Duration::from_secs(20), answer).await;
    assert_eq!(said(answer.expect("an end").headers(), "grpc-status"), "4");
}

/// How long a caller waits says nothing of who is asked.
#[tokio::test]
async fn callers_that_wait_too_short_a_time_eject_nobody() {
    let gateway = gateway().await;
    let ((one, _), (other, _)) = (server().await, server().await);
    let mut fields = http2(one);
    fields["upstreams"]["main"]["endpoints"] = json!([{"url": format!("http://{other}")}]);
    fields["upstreams"]["main"]["outlier"] = json!({"consecutiveErrors": 2});
    gateway.put_api(api("a", one, fields)).await.expect("applied");
    for _ in 0..10 {
        let answer = call(&gateway, "/a/pkg.Service/Slow", &[("grpc-timeout", "1m")]).await;
        assert_eq!(said(answer.headers(), "grpc-status"), "4");
    }
    let metrics = gateway.metrics_text();
    assert!(
        metrics.contains("upstream_endpoints{api=\"a\",state=\"available\"} 2"),
        "{metrics}"
    );
}

#[tokio::test]
async fn a_server_that_is_gone_is_unavailable() {
    let gateway = gateway().await;
    let address = "127.0.0.1:1".parse().unwrap();
    gateway
        .put_api(api("a", address, http2(address)))
        .await
        .expect("applied");
    let answer = call(&gateway, "/a/pkg.Service/Echo", &[]).await;
    assert_eq!(said(answer.headers(), "grpc-status"), "14");
}

/// A server may go away at any time; what it has not begun belongs to its successor.
#[tokio::test]
async fn a_call_that_a_leaving_server_did_not_take_goes_to_the_next_connection() {
    let gateway = gateway().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = listener.local_addr().expect("an address");
    gateway
        .put_api(api("a", address, http2(address)))
        .await
        .expect("applied");
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a connection");
        let mut leaving = h2::server::handshake(stream).await.expect("a handshake");
        let (_request, mut refused) = leaving.accept().await.expect("a stream").expect("a stream");
        refused.send_reset(h2::Reason::REFUSED_STREAM);
        leaving.graceful_shutdown();
        tokio::spawn(async move { while leaving.accept().await.is_some() {} });
        while let Ok((stream, _)) = listener.accept().await {
            let service = hyper::service::service_fn(serve);
            let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), service);
            tokio::spawn(connection);
        }
    });
    let answer = call(&gateway, "/a/pkg.Service/Echo", &[]).await;
    let body = answer.collect().await.expect("a body");
    assert_eq!(said(body.trailers().expect("trailers"), "grpc-status"), "0");
}
