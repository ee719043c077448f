//! HTTP/2 connections to upstreams, which requests share: how they are opened, and when they are given up.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::future::join_all;
use http::{Response, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::{
    grpc::call,
    support::{api, gateway, get, status},
};

fn upstream(url: String, fields: Value) -> Value {
    let mut main = json!({"url": url, "protocol": "http2"});
    for (field, value) in fields.as_object().expect("fields") {
        main[field] = value.clone();
    }
    json!({"upstreams": {"main": main}})
}

#[tokio::test]
async fn calls_that_wait_for_a_connection_give_up_when_connecting_may() {
    let gateway = gateway().await;
    // It takes connections and never says a word of TLS.
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = silent.local_addr().expect("an address");
    let fields = upstream(format!("https://{address}"), json!({"connectTimeoutMs": 500}));
    gateway.put_api(api("a", address, fields)).await.expect("applied");
    let began = Instant::now();
    let answers = join_all((0..40).map(|_| call(&gateway, "/a/a.B/C", &[]))).await;
    for answer in answers {
        assert_eq!(answer.headers()["grpc-status"], "14");
    }
    let took = began.elapsed();
    assert!(took < Duration::from_secs(10), "one after the other: {took:?}");
}

/// Answers so many requests of each connection, then hears and says nothing on it any more. What is asked at `/slow` has
/// no answer at all.
async fn falling_silent(requests: usize) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let connections = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&connections);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            count.fetch_add(1, SeqCst);
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(stream).await.expect("a handshake");
                let mut unanswered = Vec::new();
                let mut answered = 0;
                while answered < requests {
                    let Some(Ok((request, mut respond))) = connection.accept().await else {
                        return;
                    };
                    if request.uri().path() == "/slow" {
                        unanswered.push(respond);
                        continue;
                    }
                    let mut body = respond.send_response(Response::new(()), false).expect("open");
                    body.send_data(Bytes::from_static(b"ok"), true).expect("open");
                    answered += 1;
                }
                // What was said is on its way; from here on nothing moves.
                std::future::poll_fn(|context| {
                    let _ = connection.poll_closed(context);
                    std::task::Poll::Ready(())
                })
                .await;
                std::future::pending::<()>().await;
            });
        }
    });
    (address, connections)
}

#[tokio::test]
async fn a_connection_that_brings_nothing_while_a_request_waits_gets_no_others() {
    let gateway = gateway().await;
    let (address, connections) = falling_silent(1).await;
    let fields = upstream(format!("http://{address}"), json!({"timeoutMs": 300}));
    gateway.put_api(api("a", address, fields)).await.expect("applied");
    for expected in [200, 504, 200, 504] {
        assert_eq!(status(&get(&gateway, "/a").await), expected);
    }
    assert_eq!(connections.load(SeqCst), 2);
}

#[tokio::test]
async fn a_connection_that_brings_other_answers_is_kept_when_one_does_not_come() {
    let gateway = gateway().await;
    let (address, connections) = falling_silent(usize::MAX).await;
    let fields = upstream(format!("http://{address}"), json!({"timeoutMs": 300}));
    gateway.put_api(api("a", address, fields)).await.expect("applied");
    let slow = get(&gateway, "/a/slow");
    let lively = async {
        // Answers come for as long as the other one is waited for.
        let until = Instant::now() + Duration::from_millis(400);
        while Instant::now() < until {
            assert_eq!(status(&get(&gateway, "/a").await), StatusCode::OK);
        }
    };
    let (slow, ()) = tokio::join!(slow, lively);
    assert_eq!(status(&slow), 504);
    assert_eq!(status(&get(&gateway, "/a").await), 200);
    assert_eq!(connections.load(SeqCst), 1);
}
