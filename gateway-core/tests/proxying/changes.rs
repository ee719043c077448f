//! Changes under load: no request fails, none is answered by a mixture of two revisions.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use gatehouse_gateway_core::ApiConfig;
use http::Response;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::support::{api, echo, gateway, get, status, upstream};

/// An upstream that answers with its own name and the revision that the gateway says it has.
async fn named(name: &'static str) -> SocketAddr {
    upstream(move |seen| {
        let revision = seen
            .head
            .headers
            .get("x-revision")
            .and_then(|value| value.to_str().ok());
        Response::new(format!("{name} {}", revision.unwrap_or_default()))
    })
    .await
}

fn revision(upstream: SocketAddr, name: &str) -> ApiConfig {
    let headers = json!({"type": "headers", "with": {
        "request": {"set": {"x-revision": name}}, "response": {"set": {"x-revision": name}},
    }});
    api("a", upstream, json!({"policies": [headers]}))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_changes_leave_no_request_failed_or_mixed() {
    let gateway = Arc::new(gateway().await);
    let revisions = [
        revision(named("one").await, "one"),
        revision(named("two").await, "two"),
    ];
    gateway.put_api(revisions[0].clone()).await.expect("applied");
    let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let callers: Vec<_> = (0..4)
        .map(|_| tokio::spawn(call(gateway.address(), Arc::clone(&stop), Arc::clone(&answered))))
        .collect();
    for number in 0..1_000 {
        gateway
            .put_api(revisions[(number + 1) % 2].clone())
            .await
            .expect("applied");
    }
    // The machine may be busy; what counts is that there was load.
    while answered.load(Ordering::Relaxed) < 100 {
        tokio::task::yield_now().await;
    }
    stop.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await.expect("all answers were whole and of one revision");
    }
}

async fn call(gateway: SocketAddr, stop: Arc<AtomicBool>, answered: Arc<AtomicUsize>) {
    let mut stream = TcpStream::connect(gateway).await.expect("a connection");
    let mut buffer = vec![0; 4096];
    while !stop.load(Ordering::Relaxed) {
        stream
            .write_all(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n")
            .await
            .expect("sent");
        let mut length = 0;
        let answer = loop {
            let read = stream.read(&mut buffer[length..]).await.expect("readable");
            assert!(read > 0, "the connection stays open");
            length += read;
            let answer = String::from_utf8_lossy(&buffer[..length]);
            if answer
                .split_once("\r\n\r\n")
                .is_some_and(|(_, body)| body.len() == 7)
            {
                break answer.into_owned();
            }
        };
        let whole = |name: &str| {
            answer.contains(&format!("x-revision: {name}\r\n")) && answer.ends_with(&format!("{name} {name}"))
        };
        assert!(
            answer.starts_with("HTTP/1.1 200") && (whole("one") || whole("two")),
            "{answer}"
        );
        answered.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn a_shutdown_lets_a_request_under_way_finish() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let gateway = gateway().await;
    let address = gateway.address();
    gateway
        .put_api(api("a", listener.local_addr().expect("an address"), json!({})))
        .await
        .expect("applied");
    let mut caller = TcpStream::connect(address).await.expect("a connection");
    caller
        .write_all(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .expect("sent");
    let (mut upstream, _) = listener.accept().await.expect("a connection");
    let stopping = tokio::spawn(gateway.shutdown(Duration::from_secs(10)));
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    upstream
        .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        .await
        .expect("sent");
    let mut answer = String::new();
    caller.read_to_string(&mut answer).await.expect("an answer");
    assert!(answer.ends_with("ok"), "{answer}");
    stopping.await.expect("it stops");
}

#[tokio::test]
async fn one_api_among_many_changes_alone() {
    let gateway = gateway().await;
    let upstream = echo().await;
    for number in 0..300 {
        gateway
            .put_api(api(&format!("a{number}"), upstream, json!({})))
            .await
            .expect("applied");
    }
    gateway
        .remove_api(&gateway.apis()[7].external_ref.clone())
        .await
        .expect("removed");
    assert_eq!(gateway.apis().len(), 299);
    assert_eq!(status(&get(&gateway, "/a299/x").await), 200);
}

#[tokio::test]
async fn connections_that_ask_for_nothing_do_not_hold_up_the_end() {
    let gateway = gateway().await;
    let silent = TcpStream::connect(gateway.address()).await.expect("a connection");
    // Connections are accepted in order, so the silent one has been when this one is answered.
    assert_eq!(status(&get(&gateway, "/").await), 404);
    let end = gateway.shutdown(Duration::from_secs(30));
    timeout(Duration::from_secs(5), end)
        .await
        .expect("nothing is waited for");
    drop(silent);
}
