//! WebSockets through the gateway.

use futures_util::{SinkExt as _, StreamExt as _};
use http::Response;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use tokio_tungstenite::{accept_async, connect_async, tungstenite::Message};

use crate::support::{api, gateway, raw, upstream};

#[tokio::test]
async fn messages_go_back_and_forth_after_the_handshake() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a connection");
        let mut socket = accept_async(stream).await.expect("a handshake");
        while let Some(Ok(message)) = socket.next().await {
            if message.is_text() {
                socket.send(message).await.expect("sent");
            }
        }
    });
    let gateway = gateway().await;
    gateway
        .put_api(api(
            "a",
            address,
            json!({"upstreams": {"main": {"url": format!("http://{address}"), "timeoutMs": 300}}}),
        ))
        .await
        .expect("applied");
    let url = format!("ws://{}/a/socket", gateway.address());
    let (mut socket, answer) = connect_async(url).await.expect("a handshake");
    assert_eq!(answer.status(), 101);
    // What looks like contradictory lengths is only text here.
    let odd = "POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n";
    for text in ["one", odd, &"x".repeat(100_000)] {
        socket.send(Message::text(text)).await.expect("sent");
        let echoed = socket.next().await.expect("a message").expect("a message");
        assert_eq!(echoed.into_text().expect("text").as_str(), text);
    }
    // The upstream's time to answer says nothing of how long a socket may live.
    tokio::time::sleep(std::time::Duration::from_millis(350)).await;
    socket.send(Message::text("late")).await.expect("sent");
    let echoed = socket.next().await.expect("a message").expect("a message");
    assert_eq!(echoed.into_text().expect("text").as_str(), "late");
    socket.close(None).await.expect("closed");
}

#[tokio::test]
async fn a_socket_holds_its_place_at_the_endpoint_until_it_closes() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let mut socket = accept_async(stream).await.expect("a handshake");
            tokio::spawn(async move { while let Some(Ok(_)) = socket.next().await {} });
        }
    });
    let gateway = gateway().await;
    let main = json!({"url": format!("http://{address}"), "maxConnections": 1, "maxPending": 1, "connectTimeoutMs": 60_000});
    let config = api("a", address, json!({"upstreams": {"main": main}}));
    gateway.put_api(config).await.expect("applied");
    let url = format!("ws://{}/a/socket", gateway.address());
    let (mut first, answer) = connect_async(&url).await.expect("a handshake");
    assert_eq!(answer.status(), 101);
    let second = connect_async(&url);
    tokio::pin!(second);
    // The second one waits as long as the first one is open.
    let early = tokio::time::timeout(std::time::Duration::from_millis(100), &mut second).await;
    assert!(early.is_err(), "{early:?}");
    first.close(None).await.expect("closed");
    drop(first);
    let (_second, answer) = second.await.expect("a handshake");
    assert_eq!(answer.status(), 101);
}

#[tokio::test]
async fn a_refused_handshake_ends_the_connection() {
    let upstream = upstream(|_| Response::new("no socket here".to_owned())).await;
    let gateway = gateway().await;
    gateway
        .put_api(api("a", upstream, json!({})))
        .await
        .expect("applied");
    let mut stream = TcpStream::connect(gateway.address()).await.expect("a connection");
    let handshake = "GET /a HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let next =
        "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    stream
        .write_all(format!("{handshake}{next}").as_bytes())
        .await
        .expect("sent");
    let mut answers = String::new();
    let _ = stream.read_to_string(&mut answers).await;
    assert_eq!(answers.matches("HTTP/1.1 ").count(), 1, "{answers}");
    assert!(answers.contains("connection: close\r\n"), "{answers}");
}

/// Whoever asks to switch protocols is no longer watched for contradictory requests. So the connection ends
/// whatever the answer is, unless it is yes.
#[tokio::test]
async fn a_switch_that_does_not_come_about_ends_the_connection() {
    let upstream = upstream(|_| Response::new("no socket here".to_owned())).await;
    let gateway = gateway().await;
    gateway
        .put_api(api("a", upstream, json!({})))
        .await
        .expect("applied");
    let next =
        "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    for first in [
        "GET /a HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n",
        "GET /b HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        "GET /%zz HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        "POST /a HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 0\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nUpgrade: websocket\r\n\r\n",
    ] {
        let answers = raw(&gateway, &format!("{first}{next}")).await;
        assert_eq!(answers.matches("HTTP/1.1 ").count(), 1, "{first:?}: {answers}");
        assert!(answers.contains("connection: close\r\n"), "{first:?}: {answers}");
    }
}
