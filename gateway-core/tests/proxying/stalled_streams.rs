//! Streams of HTTP/2 that stand still: uploads that stop coming, and answers that nobody takes.

use std::time::{Duration, Instant};

use bytes::Bytes;
use gatehouse_gateway_core::{Gateway, GatewayOptions};
use h2::client::SendRequest;
use http::{Request, Response};
use serde_json::json;
use tokio::{net::TcpStream, time::sleep};

use crate::support::{api, echo, upstream};

const STALL: Duration = Duration::from_millis(600);
const PAUSE: Duration = Duration::from_millis(200);

async fn impatient() -> Gateway {
    let options = GatewayOptions {
        worker_threads: Some(1),
        stall_timeout: STALL,
        ..GatewayOptions::default()
    };
    Gateway::start(options).await.expect("the gateway starts")
}

async fn connect(gateway: &Gateway) -> SendRequest<Bytes> {
    let stream = TcpStream::connect(gateway.address()).await.expect("a connection");
    let (sender, connection) = h2::client::handshake(stream).await.expect("a handshake");
    tokio::spawn(connection);
    sender.ready().await.expect("open")
}

fn request(gateway: &Gateway, method: &str, path: &str, content_type: &str) -> Request<()> {
    let request = Request::builder()
        .method(method)
        .uri(format!("http://{}{path}", gateway.address()))
        .header("content-type", content_type);
    request.body(()).expect("a request")
}

/// Whether the connection still serves others.
async fn serves_others(gateway: &Gateway, sender: &mut SendRequest<Bytes>) {
    let (answer, _) = sender
        .send_request(request(gateway, "GET", "/a", "text/plain"), true)
        .expect("open");
    assert_eq!(answer.await.expect("an answer").status(), 200);
}

#[tokio::test]
async fn an_upload_that_stops_coming_is_not_waited_for_and_the_connection_goes_on() {
    let gateway = impatient().await;
    gateway
        .put_api(api("a", echo().await, json!({})))
        .await
        .expect("applied");
    let retried =
        json!({"policies": [{"type": "retry", "with": {"attempts": 2, "on": ["timeout", "unavailable"]}}]});
    gateway
        .put_api(api("retried", echo().await, retried))
        .await
        .expect("applied");
    let mut sender = connect(&gateway).await;
    for path in ["/a", "/retried"] {
        let began = Instant::now();
        let (answer, mut body) = sender
            .send_request(request(&gateway, "PUT", path, "text/plain"), false)
            .expect("open");
        body.send_data(Bytes::from_static(b"he"), false).expect("open");
        let answer = answer.await.expect("an answer");
        assert_eq!(answer.status(), 408, "{path}: {answer:?}");
        let took = began.elapsed();
        assert!(
            took >= STALL && took < Duration::from_secs(10),
            "{path}: {took:?}"
        );
        serves_others(&gateway, &mut sender).await;
    }
    let metrics = gateway.metrics_text();
    assert!(
        !metrics.contains("kind=\"broken\"} 1"),
        "it is not the upstream's fault: {metrics}"
    );
}

#[tokio::test]
async fn an_upload_that_pauses_and_goes_on_is_taken() {
    let gateway = impatient().await;
    gateway
        .put_api(api("a", echo().await, json!({})))
        .await
        .expect("applied");
    let mut sender = connect(&gateway).await;
    let (answer, mut body) = sender
        .send_request(request(&gateway, "PUT", "/a", "text/plain"), false)
        .expect("open");
    for _ in 0..6 {
        body.send_data(Bytes::from_static(b"x"), false).expect("open");
        sleep(PAUSE).await;
    }
    body.send_data(Bytes::new(), true).expect("open");
    assert_eq!(answer.await.expect("an answer").status(), 200);
}

#[tokio::test]
async fn a_grpc_call_may_be_silent() {
    let gateway = impatient().await;
    gateway
        .put_api(api("a", echo().await, json!({})))
        .await
        .expect("applied");
    let mut sender = connect(&gateway).await;
    let (answer, mut body) = sender
        .send_request(request(&gateway, "POST", "/a", "application/grpc"), false)
        .expect("open");
    sleep(STALL * 2).await;
    body.send_data(Bytes::from_static(b"x"), true).expect("open");
    let answer = answer.await.expect("an answer");
    assert!(!answer.headers().contains_key("grpc-status"), "{answer:?}");
}

/// A gateway with an API whose answers are larger than what a caller takes at first.
async fn voluble() -> Gateway {
    let gateway = impatient().await;
    let large = upstream(|seen| {
        let length = if seen.head.uri.path() == "/large" {
            4 << 20
        } else {
            2
        };
        Response::new("x".repeat(length))
    });
    gateway
        .put_api(api("a", large.await, json!({})))
        .await
        .expect("applied");
    gateway
}

#[tokio::test]
async fn an_answer_that_nobody_takes_is_given_up_and_the_connection_goes_on() {
    let gateway = voluble().await;
    let mut sender = connect(&gateway).await;
    let (answer, _) = sender
        .send_request(request(&gateway, "GET", "/a/large", "text/plain"), true)
        .expect("open");
    let mut body = answer.await.expect("an answer").into_body();
    let mut other = sender.clone();
    // What is not given back to the window is not taken, as far as the other side can tell.
    let ended = async {
        while let Some(data) = body.data().await {
            if let Err(error) = data {
                return error;
            }
        }
        panic!("the whole answer came");
    };
    let error = tokio::time::timeout(Duration::from_secs(20), ended)
        .await
        .expect("it is given up");
    assert!(error.is_reset(), "{error:?}");
    // The window of the connection is for all; what the stream took of it is given back.
    drop(body);
    serves_others(&gateway, &mut other).await;
}

#[tokio::test]
async fn an_answer_that_is_taken_slowly_comes_whole() {
    let gateway = voluble().await;
    let mut sender = connect(&gateway).await;
    let (answer, _) = sender
        .send_request(request(&gateway, "GET", "/a/large", "text/plain"), true)
        .expect("open");
    let mut body = answer.await.expect("an answer").into_body();
    let (mut taken, mut since) = (0, 0);
    while let Some(data) = body.data().await {
        let length = data.expect("data").len();
        taken += length;
        since += length;
        // For as long as it takes to be sure that it is not patience that is tried here, but slowness.
        if since > 60 * 1024 {
            if taken < (1 << 20) {
                sleep(PAUSE).await;
            }
            since = 0;
        }
        body.flow_control().release_capacity(length).expect("open");
    }
    assert_eq!(taken, 4 << 20);
}
