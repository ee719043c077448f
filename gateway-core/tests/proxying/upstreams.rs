//! Upstreams that are slow, gone, or close kept connections.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use rustls::pki_types::PrivateKeyDer;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use crate::support::{api, document, gateway, get, raw, status};

#[tokio::test]
async fn a_dead_upstream_is_502_and_a_slow_one_504() {
    let gateway = gateway().await;
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let dead = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let dead_address = dead.local_addr().expect("an address");
    drop(dead);
    gateway
        .put_api(api("dead", dead_address, json!({})))
        .await
        .expect("applied");
    let url = format!("http://{}", silent.local_addr().expect("an address"));
    let slow = json!({"upstreams": {"main": {"url": url, "timeoutMs": 50}}});
    gateway
        .put_api(api("slow", dead_address, slow))
        .await
        .expect("applied");
    let secure = json!({"upstreams": {"main": {"url": format!("https://{}", silent.local_addr().unwrap()), "connectTimeoutMs": 50}}});
    gateway
        .put_api(api("secure", dead_address, secure))
        .await
        .expect("applied");
    for (path, expected, kind) in [
        ("/dead", 502, "upstream-unreachable"),
        ("/slow", 504, "upstream-timeout"),
        ("/secure", 502, "upstream-unreachable"),
    ] {
        let answer = get(&gateway, path).await;
        assert_eq!(status(&answer), expected, "{path}");
        let problem = document(&answer);
        assert_eq!(
            problem["type"],
            format!("https://gatehouse.dev/problems/gateway/{kind}")
        );
        let id = problem["requestId"].as_str().expect("an id");
        assert!(answer.contains(&format!("x-request-id: {id}\r\n")), "{answer}");
    }
    let metrics = gateway.metrics_text();
    assert!(
        metrics.contains("upstream_failures_total{api=\"slow\",kind=\"timeout\"} 1"),
        "{metrics}"
    );
}

/// An upstream that answers one request per connection and closes on the next without a word.
async fn fickle() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut buffer = [0; 4096];
                let _ = stream.read(&mut buffer).await;
                let _ = stream
                    .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                    .await;
                let _ = stream.read(&mut buffer).await;
            });
        }
    });
    address
}

#[tokio::test]
async fn a_kept_connection_that_closes_is_replaced_if_repeating_is_safe() {
    let gateway = gateway().await;
    gateway
        .put_api(api("a", fickle().await, json!({})))
        .await
        .expect("applied");
    for _ in 0..5 {
        assert_eq!(status(&get(&gateway, "/a").await), 200);
    }
    let post = "POST /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi";
    let answer = raw(&gateway, post).await;
    assert_eq!(
        document(&answer)["type"],
        "https://gatehouse.dev/problems/gateway/upstream-failed"
    );
    assert_eq!(status(&raw(&gateway, post).await), 200);
}

/// An upstream that counts its connections and closes each of them after so many answers.
async fn closing_after(answers: usize) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(async move {
                let mut buffer = [0; 4096];
                for _ in 0..answers {
                    let read = stream.read(&mut buffer).await.unwrap_or(0);
                    let mut length = read;
                    // Bodies end with a full stop.
                    while buffer[..length].starts_with(b"POST") && buffer[length - 1] != b'.' {
                        length += stream.read(&mut buffer[length..]).await.expect("the body");
                    }
                    let answer = format!(
                        "HTTP/1.1 200 OK\r\nContent-Length: 20000\r\n\r\n{}",
                        "x".repeat(20_000)
                    );
                    stream.write_all(answer.as_bytes()).await.expect("written");
                }
            });
        }
    });
    (address, connections)
}

#[tokio::test]
async fn callers_with_and_without_bodies_take_turns_on_a_kept_connection() {
    let gateway = gateway().await;
    let (upstream, connections) = closing_after(usize::MAX).await;
    gateway
        .put_api(api("turns", upstream, json!({})))
        .await
        .expect("applied");
    for turn in 0..4 {
        let body = "POST /turns HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 5\r\n\r\nbody.";
        for answer in [
            get(&gateway, "/turns").await,
            get(&gateway, "/turns").await,
            raw(&gateway, body).await,
        ] {
            assert_eq!(status(&answer), 200, "{answer}");
            assert!(answer.ends_with(&"x".repeat(20_000)), "whole, in turn {turn}");
        }
    }
    assert_eq!(connections.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_kept_connection_that_has_closed_is_not_used_for_what_cannot_be_repeated() {
    let gateway = gateway().await;
    let (upstream, connections) = closing_after(1).await;
    gateway
        .put_api(api("closing", upstream, json!({})))
        .await
        .expect("applied");
    let patch = "PATCH /closing HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    for expected in 1..=10 {
        assert_eq!(status(&raw(&gateway, patch).await), 200);
        assert_eq!(connections.load(Ordering::Relaxed), expected);
    }
}

#[tokio::test]
async fn an_upstream_whose_certificate_nobody_vouches_for_is_not_used() {
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).expect("a key");
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| {
            builder
                .with_no_client_auth()
                .with_single_cert(vec![cert.der().clone()], key)
        })
        .expect("a configuration");
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let handshake = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a connection");
        acceptor.accept(stream).await.map(drop)
    });
    let gateway = gateway().await;
    let url = format!("https://localhost:{}", address.port());
    let fields = json!({"upstreams": {"main": {"url": url}}});
    gateway.put_api(api("a", address, fields)).await.expect("applied");
    assert_eq!(status(&get(&gateway, "/a").await), 502);
    handshake
        .await
        .expect("no panic")
        .expect_err("the gateway breaks the handshake off");
}
