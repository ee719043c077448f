//! `ext.authz`: a service decides.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use gatehouse_gateway_core::{Gateway, GatewayOptions};
use http::Response;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use crate::support::{Seen, api, document, echo, gateway, raw, status, upstream};

/// A service that lets in whoever says `Bearer good`, and acts up for others.
async fn service() -> SocketAddr {
    upstream(|seen| {
        let said = |name: &str| {
            let value = seen.head.headers.get(name).and_then(|value| value.to_str().ok());
            value.unwrap_or_default().to_owned()
        };
        let answer = Response::builder();
        match said("authorization").as_str() {
            "Bearer good" => answer
                .header("x-user", "alice")
                .header("x-asked", asked(&seen))
                .body(String::new()),
            "Bearer guest" => answer.body(String::new()),
            "Bearer browser" => answer
                .status(302)
                .header("location", "https://login.example/")
                .body(String::new()),
            "Bearer trouble" => answer.status(500).body("secret trace".to_owned()),
            _ => answer
                .status(401)
                .header("www-authenticate", "Bearer realm=\"shop\"")
                .header("x-internal", "1")
                .body("who are you?".to_owned()),
        }
        .expect("an answer")
    })
    .await
}

/// What the service was asked, in one line.
fn asked(seen: &Seen) -> String {
    let names = [
        "x-forwarded-method",
        "x-forwarded-proto",
        "x-forwarded-host",
        "x-forwarded-uri",
        "x-forwarded-for",
        "cookie",
        "x-secret",
    ];
    let said = |name: &&str| {
        let values = seen.head.headers.get_all(*name).iter();
        values
            .map(|value| value.to_str().expect("text").to_owned())
            .collect::<Vec<_>>()
            .join("+")
    };
    format!(
        "{} {} {}",
        seen.head.method,
        seen.head.uri,
        names.iter().map(said).collect::<Vec<_>>().join(" ")
    )
}

async fn guarded(service: SocketAddr, more: Value) -> Gateway {
    let gateway = gateway().await;
    let mut with = json!({"url": format!("http://{service}/check?of=shop"), "upstreamHeaders": ["x-user", "x-asked"], "consumerHeader": "x-user"});
    for (name, value) in more.as_object().expect("fields") {
        with[name] = value.clone();
    }
    let policies = json!([
        {"type": "ext.authz", "with": with},
        {"type": "ratelimit", "with": {"limits": [{"requests": 2, "per": "hour"}], "key": "consumer"}},
    ]);
    let api = api("shop", echo().await, json!({"policies": policies}));
    gateway.put_api(api).await.expect("it can be served");
    gateway
}

async fn send(gateway: &Gateway, token: &str) -> String {
    raw(
        gateway,
        &format!(
            "POST /shop/items?page=2 HTTP/1.1\r\nHost: shop.example\r\nAuthorization: {token}\r\nCookie: a=b\r\nX-Secret: s\r\nX-User: admin\r\nX-Forwarded-For: 203.0.113.9\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi"
        ),
    )
    .await
}

#[tokio::test]
async fn a_request_goes_on_with_what_the_service_says_of_it() {
    let gateway = guarded(service().await, json!({})).await;
    let answer = send(&gateway, "Bearer good").await;
    assert_eq!(status(&answer), 200, "{answer}");
    let seen = document(&answer);
    assert_eq!(seen["body"], "hi");
    assert_eq!(seen["headers"]["x-user"], json!(["alice"]));
    assert_eq!(
        seen["headers"]["x-asked"],
        json!(["GET /check?of=shop POST http shop.example /shop/items?page=2 127.0.0.1 a=b"])
    );
    // The service says nothing of a guest; nobody else may.
    let answer = send(&gateway, "Bearer guest").await;
    assert_eq!(document(&answer)["headers"]["x-user"], Value::Null);
}

#[tokio::test]
async fn the_service_is_asked_about_the_path_that_the_upstream_gets() {
    let gateway = guarded(service().await, json!({})).await;
    let answer = raw(
        &gateway,
        "GET /shop/x/..//%69tems?page=%32 HTTP/1.1\r\nHost: shop.example\r\nAuthorization: Bearer good\r\nConnection: close\r\n\r\n",
    )
    .await;
    assert_eq!(status(&answer), 200, "{answer}");
    assert_eq!(
        document(&answer)["headers"]["x-asked"],
        json!(["GET /check?of=shop GET http shop.example /shop/items?page=%32 127.0.0.1"])
    );
}

#[tokio::test]
async fn a_connection_to_the_service_is_used_again() {
    let connections = Arc::new(AtomicUsize::new(0));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let opened = Arc::clone(&connections);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.expect("a caller");
            opened.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                let mut buffer = [0; 4096];
                // Each question comes in one piece.
                while stream.read(&mut buffer).await.is_ok_and(|length| length > 0) {
                    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
                    stream.write_all(answer).await.expect("written");
                }
            });
        }
    });
    let options = GatewayOptions {
        worker_threads: Some(1),
        ..GatewayOptions::default()
    };
    let gateway = Gateway::start(options).await.expect("it starts");
    let policies = json!([{"type": "ext.authz", "with": {"url": format!("http://{address}/")}}]);
    let api = api("shop", echo().await, json!({"policies": policies}));
    gateway.put_api(api).await.expect("it can be served");
    for _ in 0..5 {
        assert_eq!(status(&send(&gateway, "Bearer any").await), 200);
    }
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn the_consumer_that_the_service_names_is_counted() {
    let gateway = guarded(service().await, json!({})).await;
    let mut seen = Vec::new();
    for token in ["Bearer good", "Bearer good", "Bearer good", "Bearer guest"] {
        seen.push(status(&send(&gateway, token).await));
    }
    assert_eq!(seen, [200, 200, 429, 200]);
}

#[tokio::test]
async fn a_refusal_is_the_services_own() {
    let gateway = guarded(service().await, json!({})).await;
    let answer = send(&gateway, "Bearer nobody").await;
    assert_eq!(status(&answer), 401);
    assert!(
        answer.contains("www-authenticate: Bearer realm=\"shop\""),
        "{answer}"
    );
    assert!(answer.ends_with("who are you?"), "{answer}");
    assert!(!answer.contains("x-internal"), "{answer}");
    let answer = send(&gateway, "Bearer browser").await;
    assert_eq!(status(&answer), 302);
    assert!(answer.contains("location: https://login.example/"), "{answer}");
}

#[tokio::test]
async fn nobody_gets_in_while_nobody_decides() {
    let troubled = guarded(service().await, json!({})).await;
    let answer = send(&troubled, "Bearer trouble").await;
    assert_eq!(status(&answer), 503);
    assert!(!answer.contains("secret trace"), "{answer}");
    assert_eq!(
        document(&answer)["type"],
        "https://gatehouse.dev/problems/gateway/authorizer-unavailable"
    );

    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let silent = listener.local_addr().expect("an address");
    let waiting = guarded(silent, json!({"timeoutMs": 50})).await;
    assert_eq!(status(&send(&waiting, "Bearer good").await), 503);
    drop(listener);
    assert_eq!(status(&send(&waiting, "Bearer good").await), 503);
}
