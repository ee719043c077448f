//! Sending again what failed: when, where, how often, and with what body.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::{
    balancing::upstreams,
    support::{api, gateway, get, raw, status, upstream},
};

/// An upstream that answers 503 to so many requests and then 200, and the bodies it saw.
async fn unavailable(times: usize) -> (SocketAddr, Arc<Mutex<Vec<Bytes>>>) {
    let bodies = Arc::new(Mutex::new(Vec::new()));
    let seen_bodies = Arc::clone(&bodies);
    let address = upstream(move |seen| {
        let mut bodies = seen_bodies.lock().unwrap();
        bodies.push(seen.body);
        let mut answer = Response::new("ok".to_owned());
        if bodies.len() <= times {
            *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        }
        answer
    })
    .await;
    (address, bodies)
}

/// An address where nobody listens.
async fn nobody() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    listener.local_addr().expect("an address")
}

fn retry(mut fields: Value, with: Value) -> Value {
    fields["policies"] = json!([{"type": "retry", "with": with}]);
    fields
}

fn request(method: &str, body: &str) -> String {
    format!(
        "{method} /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[tokio::test]
async fn a_request_that_reaches_nobody_is_sent_to_another_endpoint() {
    let gateway = gateway().await;
    let (good, _) = unavailable(0).await;
    let dead = nobody().await;
    let fields = upstreams(
        &[dead, good],
        json!({"loadBalancing": {"algorithm": "round-robin"}, "outlier": {"consecutiveErrors": 0}}),
    );
    let config = api(
        "a",
        dead,
        retry(
            fields,
            json!({"attempts": 1, "backoffMs": 0, "methods": ["GET", "POST"]}),
        ),
    );
    gateway.put_api(config).await.expect("applied");
    for _ in 0..4 {
        assert_eq!(status(&get(&gateway, "/a").await), 200);
        assert_eq!(status(&raw(&gateway, &request("POST", "hello")).await), 200);
    }
    let metrics = gateway.metrics_text();
    assert!(
        metrics.contains("upstream_retries_total{api=\"a\"} 4"),
        "{metrics}"
    );
}

#[tokio::test]
async fn a_body_is_sent_again_whole() {
    let gateway = gateway().await;
    let (address, bodies) = unavailable(2).await;
    let with = json!({"attempts": 2, "on": ["unavailable"], "backoffMs": 1});
    let config = api("a", address, retry(json!({}), with));
    gateway.put_api(config).await.expect("applied");
    let body = "x".repeat(100_000);
    assert_eq!(status(&raw(&gateway, &request("PUT", &body)).await), 200);
    assert_eq!(*bodies.lock().unwrap(), vec![Bytes::from(body); 3]);
}

#[tokio::test]
async fn what_may_not_be_repeated_is_sent_once() {
    let gateway = gateway().await;
    for (name, with, method, body) in [
        (
            "another method",
            json!({"attempts": 2, "on": ["unavailable"]}),
            "POST",
            "hello".to_owned(),
        ),
        (
            "another failure",
            json!({"attempts": 2, "on": ["timeout"]}),
            "PUT",
            "hello".to_owned(),
        ),
        (
            "too large a body",
            json!({"attempts": 2, "on": ["unavailable"]}),
            "PUT",
            "x".repeat(300_000),
        ),
    ] {
        let (address, bodies) = unavailable(1).await;
        let config = api("a", address, retry(json!({}), with));
        gateway.put_api(config).await.expect("applied");
        let answer = raw(&gateway, &request(method, &body)).await;
        assert_eq!(status(&answer), 503, "{name}");
        assert_eq!(*bodies.lock().unwrap(), [Bytes::from(body)], "{name}");
    }
}

#[tokio::test]
async fn an_upstream_that_is_down_gets_a_fifth_more_requests_and_a_reserve() {
    let gateway = gateway().await;
    let hits = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&hits);
    let address = upstream(move |_| {
        count.fetch_add(1, SeqCst);
        let mut answer = Response::new(String::new());
        *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        answer
    })
    .await;
    let with = json!({"attempts": 3, "on": ["unavailable"], "backoffMs": 0});
    let config = api("a", address, retry(json!({}), with));
    gateway.put_api(config).await.expect("applied");
    for _ in 0..100 {
        assert_eq!(status(&get(&gateway, "/a").await), 503);
    }
    assert_eq!(hits.load(SeqCst), 100 + 20 + 10);
}

#[tokio::test]
async fn no_answer_in_time_is_a_reason_of_its_own() {
    let gateway = gateway().await;
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let silent_address = silent.local_addr().expect("an address");
    let (good, _) = unavailable(0).await;
    let fields = json!({"timeoutMs": 200, "loadBalancing": {"algorithm": "round-robin"}});
    let fields = upstreams(&[silent_address, good], fields);
    let with = json!({"attempts": 1, "on": ["timeout"], "backoffMs": 0});
    let config = api("a", good, retry(fields, with));
    gateway.put_api(config).await.expect("applied");
    assert_eq!(status(&get(&gateway, "/a").await), 200);
}
