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
