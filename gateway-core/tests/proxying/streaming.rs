//! Bodies pass through piece by piece, no faster than they are taken.

use std::time::Duration;

use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::timeout,
};

use crate::support::{api, gateway};

/// Reads until the text has come.
async fn read_until(stream: &mut TcpStream, text: &str) -> String {
    let mut read = Vec::new();
    while !String::from_utf8_lossy(&read).contains(text) {
        let length = stream.read_buf(&mut read).await.expect("readable");
        assert!(length > 0, "no {text:?} in {:?}", String::from_utf8_lossy(&read));
    }
    String::from_utf8_lossy(&read).into_owned()
}

#[tokio::test]
async fn a_response_arrives_before_the_request_has_ended() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let gateway = gateway().await;
    let config = api("a", listener.local_addr().expect("an address"), json!({}));
    gateway.put_api(config).await.expect("applied");
    let mut caller = TcpStream::connect(gateway.address()).await.expect("a connection");
    let head = "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n";
    caller.write_all(head.as_bytes()).await.expect("sent");
    let (mut upstream, _) = listener.accept().await.expect("a connection");
    read_until(&mut upstream, "one\r\n").await;
    let answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n";
    upstream.write_all(answer.as_bytes()).await.expect("sent");
    read_until(&mut caller, "first\r\n").await;
    caller.write_all(b"3\r\ntwo\r\n0\r\n\r\n").await.expect("sent");
    read_until(&mut upstream, "two\r\n0\r\n\r\n").await;
    upstream.write_all(b"4\r\nlast\r\n0\r\n\r\n").await.expect("sent");
    read_until(&mut caller, "last\r\n0\r\n\r\n").await;
}

#[tokio::test]
async fn a_caller_that_does_not_read_holds_the_upstream_back() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let gateway = gateway().await;
    let config = api("a", listener.local_addr().expect("an address"), json!({}));
    gateway.put_api(config).await.expect("applied");
    let mut caller = TcpStream::connect(gateway.address()).await.expect("a connection");
    caller
        .write_all(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .expect("sent");
    let (mut upstream, _) = listener.accept().await.expect("a connection");
    read_until(&mut upstream, "\r\n\r\n").await;
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n";
    upstream.write_all(head.as_bytes()).await.expect("sent");
    let piece = vec![0; 1 << 20];
    let mut written = 0;
    // The kernel's buffers take some megabytes; after that nothing may move.
    while timeout(Duration::from_millis(200), upstream.write_all(&piece))
        .await
        .is_ok()
    {
        written += piece.len();
        assert!(written < 64 << 20, "{written} bytes went somewhere");
    }
    drop(caller);
    // When the caller goes away, so does the request.
    let ended = timeout(Duration::from_secs(5), async {
        while upstream.write_all(&piece).await.is_ok() {}
    });
    ended.await.expect("the upstream connection ends");
}

#[tokio::test]
async fn a_response_that_breaks_off_is_not_made_to_look_whole() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let gateway = gateway().await;
    let config = api("a", listener.local_addr().expect("an address"), json!({}));
    gateway.put_api(config).await.expect("applied");
    let mut caller = TcpStream::connect(gateway.address()).await.expect("a connection");
    caller
        .write_all(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .expect("sent");
    let (mut upstream, _) = listener.accept().await.expect("a connection");
    read_until(&mut upstream, "\r\n\r\n").await;
    let answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n";
    upstream.write_all(answer.as_bytes()).await.expect("sent");
    drop(upstream);
    let mut answer = Vec::new();
    let _ = caller.read_to_end(&mut answer).await;
    assert!(!String::from_utf8_lossy(&answer).contains("0\r\n\r\n"));
}

#[tokio::test]
async fn a_response_may_take_longer_than_its_head_may() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let gateway = gateway().await;
    let fields = json!({"upstreams": {"main": {"url": format!("http://{address}"), "timeoutMs": 300}}});
    gateway.put_api(api("a", address, fields)).await.expect("applied");
    let mut caller = TcpStream::connect(gateway.address()).await.expect("a connection");
    caller
        .write_all(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .expect("sent");
    let (mut upstream, _) = listener.accept().await.expect("a connection");
    read_until(&mut upstream, "\r\n\r\n").await;
    let answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n";
    upstream.write_all(answer.as_bytes()).await.expect("sent");
    read_until(&mut caller, "first\r\n").await;
    // What is tested is that nothing happens in this time.
    tokio::time::sleep(Duration::from_millis(350)).await;
    upstream.write_all(b"4\r\nlast\r\n0\r\n\r\n").await.expect("sent");
    read_until(&mut caller, "last\r\n0\r\n\r\n").await;
}

#[tokio::test]
async fn an_upload_that_outlives_its_answer_holds_nobody_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let gateway = gateway().await;
    let config = api("a", listener.local_addr().expect("an address"), json!({}));
    gateway.put_api(config).await.expect("applied");
    let mut slow = TcpStream::connect(gateway.address()).await.expect("a connection");
    slow.write_all(b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\none")
        .await
        .expect("sent");
    let (mut first, _) = listener.accept().await.expect("a connection");
    read_until(&mut first, "one").await;
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nearly";
    first.write_all(answer).await.expect("sent");
    read_until(&mut slow, "early").await;
    let mut other = TcpStream::connect(gateway.address()).await.expect("a connection");
    other
        .write_all(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .expect("sent");
    let accepted = timeout(Duration::from_secs(5), listener.accept()).await;
    let (mut second, _) = accepted
        .expect("the other caller does not wait")
        .expect("a connection");
    read_until(&mut second, "\r\n\r\n").await;
    second.write_all(answer).await.expect("sent");
    read_until(&mut other, "early").await;
}
