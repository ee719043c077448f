//! What is spoken to upstreams over TLS: what is asked for, or what they agree to.

use std::{net::SocketAddr, sync::atomic::Ordering::SeqCst};

use gatehouse_gateway_core::Gateway;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use crate::{
    authority::{Authority, authority as an_authority},
    secure_upstream::{Secure, Terms, certify, secure},
    support::{api, document, echo, gateway, get, status},
};

const HTTP1: &[&[u8]] = &[b"http/1.1"];
const HTTP2: &[&[u8]] = &[b"h2"];
const BOTH: &[&[u8]] = &[b"h2", b"http/1.1"];
const NO_ALPN: &[&[u8]] = &[];

fn terms(authority: &Authority, protocols: &'static [&'static [u8]]) -> Terms {
    Terms {
        certified: certify(authority, "localhost"),
        callers: None,
        protocols,
    }
}

fn upstream(authority: &Authority, upstreams: &[&Secure], protocol: &str) -> Value {
    let url = |upstream: &&Secure| format!("https://localhost:{}", upstream.address.port());
    let mut main = json!({
        "url": url(&upstreams[0]), "protocol": protocol, "tls": {"authorities": [authority.pem()]},
    });
    if upstreams.len() > 1 {
        let others: Vec<Value> = upstreams[1..].iter().map(|it| json!({"url": url(it)})).collect();
        main["endpoints"] = json!(others);
        main["loadBalancing"] = json!({"algorithm": "round-robin"});
    }
    json!({"upstreams": {"main": main}})
}

async fn version(gateway: &Gateway) -> String {
    let answer = get(gateway, "/a").await;
    assert_eq!(status(&answer), 200, "{answer}");
    document(&answer)["version"]
        .as_str()
        .expect("a version")
        .to_owned()
}

#[tokio::test]
async fn http2_is_spoken_over_tls_on_one_connection() {
    let gateway = gateway().await;
    let authority = an_authority("ours");
    let secure = secure(&terms(&authority, BOTH)).await;
    let fields = upstream(&authority, &[&secure], "http2");
    gateway
        .put_api(api("a", secure.address, fields))
        .await
        .expect("applied");
    let requests = (0..20).map(|_| version(&gateway));
    for version in futures_util::future::join_all(requests).await {
        assert_eq!(version, "HTTP/2.0");
    }
    assert_eq!(secure.connections.load(SeqCst), 1, "they share a connection");
}

#[tokio::test]
async fn an_upstream_that_speaks_http1_only_is_said_not_to_speak_http2() {
    let gateway = gateway().await;
    let authority = an_authority("ours");
    for protocols in [HTTP1, NO_ALPN] {
        let secure = secure(&terms(&authority, protocols)).await;
        let fields = upstream(&authority, &[&secure], "http2");
        gateway
            .put_api(api("a", secure.address, fields))
            .await
            .expect("applied");
        refused(&get(&gateway, "/a").await);
    }
    let plain = puzzled().await;
    let fields = json!({"upstreams": {"main": {"url": format!("http://{plain}"), "protocol": "http2"}}});
    gateway.put_api(api("a", plain, fields)).await.expect("applied");
    refused(&get(&gateway, "/a").await);
}

/// An upstream that answers what it does not understand, as most servers for HTTP/1.1 do.
async fn puzzled() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            let _ = stream.read(&mut [0; 1024]).await;
            let _ = stream.write_all(answer).await;
        }
    });
    address
}

fn refused(answer: &str) {
    assert_eq!(status(answer), 502, "{answer}");
    let problem = document(answer);
    assert_eq!(
        problem["type"],
        "https://gatehouse.dev/problems/gateway/upstream-failed"
    );
    assert_eq!(
        problem["detail"],
        "The upstream of API `a` does not speak HTTP/2."
    );
}

#[tokio::test]
async fn auto_speaks_what_each_endpoint_agrees_to_and_keeps_connections() {
    let gateway = gateway().await;
    let authority = an_authority("ours");
    let endpoints = [
        secure(&terms(&authority, BOTH)).await,
        secure(&terms(&authority, HTTP1)).await,
        secure(&terms(&authority, NO_ALPN)).await,
        secure(&terms(&authority, HTTP2)).await,
    ];
    let all: Vec<&Secure> = endpoints.iter().collect();
    let fields = upstream(&authority, &all, "auto");
    gateway
        .put_api(api("a", endpoints[0].address, fields))
        .await
        .expect("applied");
    let mut versions = Vec::new();
    for _ in 0..8 {
        versions.push(version(&gateway).await);
    }
    versions.sort_unstable();
    let expected = [["HTTP/1.1"; 4], ["HTTP/2.0"; 4]].concat();
    assert_eq!(versions, expected);
    for endpoint in &endpoints {
        assert_eq!(
            endpoint.connections.load(SeqCst),
            1,
            "the second request found it open"
        );
    }
}

#[tokio::test]
async fn requests_that_come_together_share_the_connection_that_auto_settles_on() {
    let gateway = gateway().await;
    let authority = an_authority("ours");
    let secure = secure(&terms(&authority, BOTH)).await;
    let fields = upstream(&authority, &[&secure], "auto");
    gateway
        .put_api(api("a", secure.address, fields))
        .await
        .expect("applied");
    let requests = (0..20).map(|_| version(&gateway));
    for version in futures_util::future::join_all(requests).await {
        assert_eq!(version, "HTTP/2.0");
    }
    assert_eq!(secure.connections.load(SeqCst), 1);
}

#[tokio::test]
async fn auto_follows_an_endpoint_that_agrees_to_something_else() {
    let gateway = gateway().await;
    let authority = an_authority("ours");
    let secure = secure(&terms(&authority, BOTH)).await;
    let fields = upstream(&authority, &[&secure], "auto");
    gateway
        .put_api(api("a", secure.address, fields))
        .await
        .expect("applied");
    assert_eq!(version(&gateway).await, "HTTP/2.0");
    for (protocols, expected) in [(HTTP1, "HTTP/1.1"), (BOTH, "HTTP/2.0")] {
        secure.change(&terms(&authority, protocols));
        // One request may be lost with the connection that it is on.
        while status(&get(&gateway, "/a").await) != 200 {}
        assert_eq!(version(&gateway).await, expected);
    }
}

#[tokio::test]
async fn a_request_that_may_be_repeated_survives_a_kept_connection_that_breaks() {
    let gateway = gateway().await;
    let authority = an_authority("ours");
    let secure = secure(&terms(&authority, HTTP2)).await;
    let fields = upstream(&authority, &[&secure], "http2");
    gateway
        .put_api(api("a", secure.address, fields))
        .await
        .expect("applied");
    for _ in 0..20 {
        assert_eq!(version(&gateway).await, "HTTP/2.0");
        secure.change(&terms(&authority, HTTP2));
    }
    assert_eq!(secure.connections.load(SeqCst), 20);
}

#[tokio::test]
async fn auto_without_tls_is_http1() {
    let gateway = gateway().await;
    let plain = echo().await;
    let fields = json!({"upstreams": {"main": {"url": format!("http://{plain}"), "protocol": "auto"}}});
    gateway.put_api(api("a", plain, fields)).await.expect("applied");
    assert_eq!(status(&get(&gateway, "/a").await), 200);
}
