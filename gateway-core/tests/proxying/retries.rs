//! Sending again what failed: when, where, how often, and with what body.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use crate::{
    balancing::upstreams,
    support::{api, gateway, get, raw, status, upstream},
};

/// An upstream that answers 503 to so many requests and then 200, and the bodies it saw.
async fn unavailable(times: usize) -> (SocketAddr, Arc<Mutex<Vec<Bytes>>>) {
    answering(StatusCode::SERVICE_UNAVAILABLE, times).await
}

async fn answering(failure: StatusCode, times: usize) -> (SocketAddr, Arc<Mutex<Vec<Bytes>>>) {
    let bodies = Arc::new(Mutex::new(Vec::new()));
    let seen_bodies = Arc::clone(&bodies);
    let address = upstream(move |seen| {
        let mut bodies = seen_bodies.lock().unwrap();
        bodies.push(seen.body);
        let mut answer = Response::new("ok".to_owned());
        if bodies.len() <= times {
            *answer.status_mut() = failure;
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
async fn answers_of_the_named_statuses_are_asked_for_again_and_no_others() {
    let gateway = gateway().await;
    let with = json!({"attempts": 2, "statuses": [500, 429], "backoffMs": 1});
    for (failure, times, expected, sent) in [
        (500, 2, 200, 3),
        (429, 1, 200, 2),
        (500, 3, 500, 3),
        (503, 1, 503, 1),
        (501, 1, 501, 1),
    ] {
        let failure = StatusCode::from_u16(failure).expect("a status");
        let (address, bodies) = answering(failure, times).await;
        let config = api("a", address, retry(json!({}), with.clone()));
        gateway.put_api(config).await.expect("applied");
        let answer = raw(&gateway, &request("PUT", "hello")).await;
        assert_eq!(status(&answer), expected, "{failure}, {times} times: {answer}");
        assert_eq!(
            *bodies.lock().unwrap(),
            vec![Bytes::from("hello"); sent],
            "{failure}"
        );
    }
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
    let began = Instant::now();
    for _ in 0..100 {
        assert_eq!(status(&get(&gateway, "/a").await), 503);
    }
    let seconds = usize::try_from(began.elapsed().as_secs()).expect("few");
    let expected = 100 + 20 + 10..=100 + 20 + 10 * (2 + seconds);
    assert!(
        expected.contains(&hits.load(SeqCst)),
        "{} of {expected:?}",
        hits.load(SeqCst)
    );
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

/// An upstream that says nothing to so many requests and then answers, and how many it got.
async fn silent(times: usize) -> (SocketAddr, Arc<AtomicUsize>) {
    let hits = Arc::new(AtomicUsize::new(0));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let count = Arc::clone(&hits);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let count = Arc::clone(&count);
            tokio::spawn(async move {
                let mut buffer = [0; 4096];
                let read = stream.read(&mut buffer).await;
                if read.is_ok_and(|length| length > 0) && count.fetch_add(1, SeqCst) >= times {
                    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
                    stream.write_all(answer).await.expect("the gateway reads");
                } else {
                    // Until the gateway gives up.
                    let _ = stream.read(&mut buffer).await;
                }
            });
        }
    });
    (address, hits)
}

fn with_timeout(address: SocketAddr, timeout_ms: u32, with: Value) -> Value {
    let fields =
        json!({"upstreams": {"main": {"url": format!("http://{address}"), "timeoutMs": timeout_ms}}});
    retry(fields, with)
}

#[tokio::test]
async fn an_attempt_that_takes_too_long_is_made_again_within_the_time_of_the_request() {
    let gateway = gateway().await;
    let patient = json!({"attempts": 2, "on": ["timeout"], "backoffMs": 0, "perTryTimeoutMs": 100});
    for (silences, method, status_expected, hits_expected) in [
        (2, "GET", 200, 3),
        (2, "PUT", 200, 3),
        (3, "GET", 504, 3),
        // It might do harm.
        (1, "POST", 504, 1),
    ] {
        let (address, hits) = silent(silences).await;
        let fields = with_timeout(address, 1_000, patient.clone());
        gateway.put_api(api("a", address, fields)).await.expect("applied");
        let answer = raw(&gateway, &request(method, "x")).await;
        assert_eq!(status(&answer), status_expected, "{method}: {answer}");
        assert_eq!(hits.load(SeqCst), hits_expected, "{method}");
    }
}

#[tokio::test]
async fn all_attempts_together_take_no_longer_than_the_request_may() {
    let gateway = gateway().await;
    let (address, hits) = silent(usize::MAX).await;
    let with = json!({"attempts": 10, "on": ["timeout"], "backoffMs": 0, "perTryTimeoutMs": 200});
    let fields = with_timeout(address, 500, with);
    gateway.put_api(api("a", address, fields)).await.expect("applied");
    let began = Instant::now();
    assert_eq!(status(&get(&gateway, "/a").await), 504);
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(500), "{took:?}");
    assert!((2..=3).contains(&hits.load(SeqCst)), "{took:?} for {hits:?}");
}

#[tokio::test]
async fn an_answer_that_has_begun_is_not_held_to_the_time_of_an_attempt() {
    let gateway = gateway().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let with = json!({"attempts": 2, "on": ["timeout"], "backoffMs": 0, "perTryTimeoutMs": 100});
    let fields = with_timeout(address, 1_000, with);
    gateway.put_api(api("a", address, fields)).await.expect("applied");
    let slow = async {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let _ = stream.read(&mut [0; 4096]).await;
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nhe";
        stream.write_all(head).await.expect("the gateway reads");
        tokio::time::sleep(Duration::from_millis(300)).await;
        stream.write_all(b"re").await.expect("the gateway still reads");
    };
    let (answer, ()) = tokio::join!(get(&gateway, "/a"), slow);
    assert_eq!(status(&answer), 200, "{answer}");
    assert!(answer.ends_with("here"), "{answer}");
}

#[tokio::test]
async fn a_body_that_cannot_be_sent_again_is_not_cut_short() {
    let gateway = gateway().await;
    let slow = upstream(|_| {
        std::thread::sleep(Duration::from_millis(300));
        Response::new("ok".to_owned())
    })
    .await;
    let with = json!({"attempts": 1, "on": ["timeout"], "perTryTimeoutMs": 100});
    let fields = with_timeout(slow, 5_000, with);
    gateway.put_api(api("a", slow, fields)).await.expect("applied");
    let large = "x".repeat(300 * 1024);
    let answer = raw(&gateway, &request("PUT", &large)).await;
    assert_eq!(status(&answer), 200, "{answer}");
}
