//! Bodies that are taken in to be checked, and the memory they may take up.

use std::time::Duration;

use gatehouse_gateway_core::{Gateway, GatewayOptions};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::support::{api, document, echo, raw, status};

const UPLOADS: usize = 2_000;
const BUDGET: u64 = 8 * 1024 * 1024;
/// What each upload sends before it stands still: together four times the budget.
const SENT: usize = 16 * 1024;

async fn start() -> Gateway {
    let options = GatewayOptions {
        worker_threads: Some(1),
        held_body_bytes: BUDGET,
        ..GatewayOptions::default()
    };
    let gateway = Gateway::start(options).await.expect("the gateway starts");
    let validate = json!({"type": "request.validate", "with": {"bodySchema": {"type": "array"}}});
    let config = api("a", echo().await, json!({"policies": [validate]}));
    gateway.put_api(config).await.expect("applied");
    gateway
}

/// A figure of the gateway's metrics.
fn figure(gateway: &Gateway, name: &str) -> u64 {
    let text = gateway.metrics_text();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.expect(name).parse().expect("a number")
}

fn held(gateway: &Gateway) -> u64 {
    figure(gateway, "gatehouse_gateway_held_body_bytes")
}

fn head(length: usize) -> String {
    format!(
        "POST /a HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    )
}

async fn upload(gateway: &Gateway) -> TcpStream {
    let mut stream = TcpStream::connect(gateway.address()).await.expect("connected");
    stream.write_all(head(SENT * 2).as_bytes()).await.expect("sent");
    // Whoever is refused may not read to the end.
    let _ = stream.write_all(&vec![b' '; SENT]).await;
    stream
}

#[tokio::test]
async fn two_thousand_slow_uploads_stay_within_the_budget_and_the_gateway_serves_on() {
    let gateway = start().await;
    let mut waiting = Vec::new();
    let mut refused = 0;
    for _ in 0..UPLOADS {
        waiting.push(upload(&gateway).await);
    }
    let answered = |stream: &mut TcpStream| {
        let mut answer = vec![0; 64];
        match stream.try_read(&mut answer) {
            Ok(read) => Some(String::from_utf8_lossy(&answer[..read]).into_owned()),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => None,
            // The end of a connection whose answer was not read in time.
            Err(_) => Some(String::new()),
        }
    };
    // What was sent came, and was either held or refused.
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    while held(&gateway) + refused * (SENT as u64) < (UPLOADS * SENT) as u64 {
        assert!(
            std::time::Instant::now() < deadline,
            "{} held, {refused} refused",
            held(&gateway)
        );
        assert!(held(&gateway) <= BUDGET);
        tokio::task::yield_now().await;
        waiting.retain_mut(|stream| match answered(stream) {
            None => true,
            Some(answer) => {
                assert!(
                    answer.is_empty() || answer.starts_with("HTTP/1.1 503 "),
                    "{answer}"
                );
                refused += 1;
                false
            }
        });
    }
    assert!(refused > 0);
    assert!(figure(&gateway, "gatehouse_gateway_held_body_bytes_most") <= BUDGET);
    assert!(figure(&gateway, "gatehouse_gateway_held_body_refused_total") >= refused);
    // Those that were let in are served when they go on, and all memory comes back.
    let mut first = waiting.swap_remove(0);
    let mut rest = vec![b' '; SENT];
    rest[..2].copy_from_slice(b"[]");
    first.write_all(&rest).await.expect("sent");
    let mut answer = vec![0; 12];
    first.read_exact(&mut answer).await.expect("an answer");
    assert_eq!(answer, b"HTTP/1.1 200");
    drop((first, waiting));
    while held(&gateway) > 0 {
        assert!(std::time::Instant::now() < deadline, "{} held", held(&gateway));
        tokio::task::yield_now().await;
    }
    let whole = format!(
        "{}[]",
        head(2).replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")
    );
    assert_eq!(status(&raw(&gateway, &whole).await), 200);
}

#[tokio::test]
async fn a_body_that_there_is_no_room_for_is_refused_with_the_time_to_come_back() {
    let options = GatewayOptions {
        worker_threads: Some(1),
        held_body_bytes: 10,
        ..GatewayOptions::default()
    };
    let gateway = Gateway::start(options).await.expect("the gateway starts");
    let validate = json!({"type": "request.validate", "with": {"bodySchema": {"type": "array"}}});
    let fields = json!({"operations": [
        {"match": {"method": "POST", "path": "/"}, "policies": [validate]},
        {"match": {"method": "PUT", "path": "/"}},
    ]});
    gateway
        .put_api(api("a", echo().await, fields))
        .await
        .expect("applied");
    let answer = raw(&gateway, &format!("{}[1, 2, 3, 4]", head(12))).await;
    assert_eq!(status(&answer), 503);
    assert!(answer.contains("retry-after: 1\r\n"), "{answer}");
    assert_eq!(
        document(&answer)["type"],
        "https://gatehouse.dev/problems/gateway/overloaded"
    );
    // What is not held needs no room.
    let put = head(12)
        .replace("POST", "PUT")
        .replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
    assert_eq!(status(&raw(&gateway, &format!("{put}[1, 2, 3, 4]")).await), 200);
}
