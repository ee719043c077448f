//! Listeners come and go, and so do gateways, without anybody being cut off.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use futures_util::StreamExt as _;
use gatehouse_gateway_core::{Gateway, GatewayOptions, ListenerOptions, ListenerProtocol};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::oneshot,
};
use tokio_tungstenite::{accept_async, connect_async, tungstenite::Message};

use crate::support::{api, echo, gateway, get, status};

const GET: &[u8] = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n";

async fn read_until(stream: &mut TcpStream, text: &str) -> String {
    let mut read = Vec::new();
    while !String::from_utf8_lossy(&read).contains(text) {
        let length = stream.read_buf(&mut read).await.expect("readable");
        assert!(length > 0, "no {text:?} in {:?}", String::from_utf8_lossy(&read));
    }
    String::from_utf8_lossy(&read).into_owned()
}

/// An upstream whose answer goes on until it is told to end.
async fn stream_of_events() -> (SocketAddr, oneshot::Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (end, ended) = oneshot::channel();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        read_until(&mut stream, "\r\n\r\n").await;
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
        let start = format!("{head}5\r\nfirst\r\n");
        stream.write_all(start.as_bytes()).await.expect("sent");
        let _ = ended.await;
        let _ = stream.write_all(b"4\r\nlast\r\n0\r\n\r\n").await;
    });
    (address, end)
}

async fn gone(address: SocketAddr) {
    while TcpStream::connect(address).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_listener_is_added_and_taken_away_while_requests_go_on() {
    let gateway = gateway().await;
    gateway
        .put_api(api("a", echo().await, json!({})))
        .await
        .expect("applied");
    let (events, end) = stream_of_events().await;
    gateway
        .put_api(api("events", events, json!({})))
        .await
        .expect("applied");
    let options = ListenerOptions {
        protocol: ListenerProtocol::Http("127.0.0.1:0".parse().unwrap()),
        proxy_protocol: false,
    };
    let address = gateway.add_listener(options).await.expect("listening");
    let mut idle = TcpStream::connect(address).await.expect("a connection");
    idle.write_all(GET).await.expect("sent");
    read_until(&mut idle, "}").await;
    let mut streaming = TcpStream::connect(address).await.expect("a connection");
    streaming
        .write_all(b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .expect("sent");
    read_until(&mut streaming, "first").await;

    assert!(gateway.remove_listener(address).await);
    assert!(!gateway.remove_listener(address).await, "it is gone already");
    gone(address).await;
    // What was open goes on; a request that was on its way is answered, and is the last one.
    idle.write_all(GET).await.expect("sent");
    assert!(read_until(&mut idle, "}").await.contains("connection: close\r\n"));
    assert_eq!(idle.read(&mut [0; 8]).await.expect("closed"), 0);
    end.send(()).expect("the upstream waits");
    read_until(&mut streaming, "last\r\n0\r\n\r\n").await;
    assert_eq!(status(&get(&gateway, "/a").await), 200);
    // The address is free again.
    let again = ListenerOptions {
        protocol: ListenerProtocol::Http(address),
        proxy_protocol: false,
    };
    assert_eq!(gateway.add_listener(again).await.expect("listening"), address);
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    stream.write_all(GET).await.expect("sent");
    read_until(&mut stream, "}").await;
}

#[tokio::test]
async fn an_event_stream_that_ends_in_time_is_not_cut() {
    let gateway = gateway().await;
    let (upstream, end) = stream_of_events().await;
    gateway
        .put_api(api("a", upstream, json!({})))
        .await
        .expect("applied");
    let address = gateway.address();
    let mut caller = TcpStream::connect(address).await.expect("a connection");
    caller.write_all(GET).await.expect("sent");
    read_until(&mut caller, "first").await;
    let stopping = tokio::spawn(gateway.shutdown(Duration::from_secs(60)));
    gone(address).await;
    end.send(()).expect("the upstream waits");
    read_until(&mut caller, "last\r\n0\r\n\r\n").await;
    stopping.await.expect("stopped");
    assert_eq!(caller.read(&mut [0; 8]).await.expect("closed"), 0);
}

#[tokio::test]
async fn what_does_not_end_in_time_is_cut() {
    let gateway = gateway().await;
    let (upstream, _end) = stream_of_events().await;
    gateway
        .put_api(api("a", upstream, json!({})))
        .await
        .expect("applied");
    let mut caller = TcpStream::connect(gateway.address()).await.expect("a connection");
    caller.write_all(GET).await.expect("sent");
    read_until(&mut caller, "first").await;
    let started = Instant::now();
    gateway.shutdown(Duration::from_millis(100)).await;
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "{:?}",
        started.elapsed()
    );
    let mut rest = Vec::new();
    let _ = caller.read_to_end(&mut rest).await;
    assert!(
        !String::from_utf8_lossy(&rest).contains("0\r\n\r\n"),
        "it must not look whole"
    );
}

#[tokio::test]
async fn http_2_is_told_to_go_and_its_streams_end() {
    let gateway = gateway().await;
    let (upstream, end) = stream_of_events().await;
    gateway
        .put_api(api("a", upstream, json!({})))
        .await
        .expect("applied");
    let address = gateway.address();
    let stream = TcpStream::connect(address).await.expect("a connection");
    let executor = hyper_util::rt::TokioExecutor::new();
    let io = hyper_util::rt::TokioIo::new(stream);
    let (mut sender, connection) = hyper::client::conn::http2::handshake(executor, io)
        .await
        .expect("a handshake");
    let connection = tokio::spawn(connection);
    let request = http::Request::get(format!("http://{address}/a"));
    let request = request
        .body(http_body_util::Empty::<bytes::Bytes>::new())
        .expect("a request");
    let answer = sender.send_request(request.clone()).await.expect("an answer");
    let mut body = http_body_util::BodyDataStream::new(answer.into_body());
    assert_eq!(body.next().await.expect("data").expect("data"), "first");
    let stopping = tokio::spawn(gateway.shutdown(Duration::from_secs(60)));
    gone(address).await;
    // GOAWAY has come when no new stream can be opened.
    if sender.ready().await.is_ok() {
        let another = sender.send_request(request.clone()).await;
        assert!(
            another.is_err(),
            "a new stream was served after the gateway was told to stop"
        );
    }
    end.send(()).expect("the upstream waits");
    assert_eq!(body.next().await.expect("data").expect("data"), "last");
    // At most the empty frame that ends the stream.
    while let Some(rest) = body.next().await {
        assert_eq!(rest.expect("an orderly end"), "");
    }
    stopping.await.expect("stopped");
    connection.await.expect("no panic").expect("an orderly end");
}

#[tokio::test]
async fn a_websocket_lives_until_the_deadline_and_hears_that_the_gateway_goes() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let upstream = listener.local_addr().expect("an address");
    let heard = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a connection");
        let mut socket = accept_async(stream).await.expect("a handshake");
        socket.next().await
    });
    let gateway = gateway().await;
    gateway
        .put_api(api("a", upstream, json!({})))
        .await
        .expect("applied");
    let url = format!("ws://{}/a", gateway.address());
    let (mut socket, _) = connect_async(url).await.expect("a handshake");
    let started = Instant::now();
    gateway.shutdown(Duration::from_millis(300)).await;
    assert!(
        started.elapsed() >= Duration::from_millis(300),
        "it was cut early"
    );
    let closed = |message: Message| match message {
        Message::Close(Some(frame)) => u16::from(frame.code),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        closed(socket.next().await.expect("a frame").expect("a frame")),
        1001
    );
    let heard = heard.await.expect("no panic");
    assert_eq!(closed(heard.expect("a frame").expect("a frame")), 1001);
}

/// A new gateway takes over the address of an old one while callers keep calling.
#[tokio::test]
async fn a_new_gateway_takes_over_without_a_failed_call() {
    let upstream = echo().await;
    let start = async |listen: SocketAddr| {
        let options = GatewayOptions {
            listen,
            share_ports: true,
            worker_threads: Some(1),
            ..GatewayOptions::default()
        };
        let prepared = Gateway::prepare(options).await.expect("prepared");
        prepared
            .put_api(api("a", upstream, json!({})))
            .await
            .expect("applied");
        prepared.serve().await.expect("started")
    };
    let mut gateway = start("127.0.0.1:0".parse().unwrap()).await;
    let address = gateway.address();
    let (stop, mut stopped) = tokio::sync::watch::channel(false);
    let (answered, mut calls) = tokio::sync::watch::channel(0);
    let calling = tokio::spawn(async move {
        while !*stopped.borrow_and_update() {
            // A new connection each time, and one that is used twice.
            let mut stream = TcpStream::connect(address).await.expect("somebody listens");
            for _ in 0..2 {
                stream.write_all(GET).await.expect("nobody closed it");
                let answer = read_until(&mut stream, "}").await;
                assert_eq!(status(&answer), 200, "{answer}");
                answered.send_modify(|calls| *calls += 1);
                if answer.contains("connection: close") {
                    break;
                }
            }
        }
    });
    for round in 1..=5 {
        let new = start(address).await;
        std::mem::replace(&mut gateway, new)
            .shutdown(Duration::from_secs(10))
            .await;
        calls
            .wait_for(|calls| *calls >= round * 10)
            .await
            .expect("every call is answered");
    }
    stop.send(true).expect("the caller listens");
    calling.await.expect("every call is answered");
}
