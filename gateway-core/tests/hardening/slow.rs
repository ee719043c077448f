//! Callers who begin and never finish: heads, bodies, and answers that nobody takes.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use http::Response;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{
    attempts::{send, statuses},
    impatient_gateway, serves_others,
    support::{echo, upstream},
};

#[tokio::test]
async fn a_head_that_comes_byte_by_byte_is_not_waited_for() {
    let gateway = impatient_gateway(echo().await).await;
    let mut stream = TcpStream::connect(gateway.address())
        .await
        .expect("somebody listens");
    let began = Instant::now();
    let head = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}", "y".repeat(10_000));
    for byte in head.as_bytes() {
        tokio::time::sleep(Duration::from_millis(20)).await;
        if stream.write_all(&[*byte]).await.is_err() {
            break;
        }
        assert!(
            began.elapsed() < Duration::from_secs(15),
            "the head is still taken"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_stops_coming_is_not_waited_for() {
    let gateway = impatient_gateway(echo().await).await;
    let bodies = [
        "Content-Length: 5\r\n\r\n",
        "Content-Length: 5\r\n\r\nhe",
        "Transfer-Encoding: chunked\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhe",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
    ];
    let heads = bodies.map(|body| format!("POST / HTTP/1.1\r\nHost: a\r\n{body}"));
    let answers = join_all(heads.iter().map(|head| send(gateway.address(), head.as_bytes()))).await;
    for (head, answer) in heads.iter().zip(answers) {
        assert!(!statuses(&answer).contains(&200), "{head:?} is answered");
    }
    serves_others(&gateway).await;
}

#[tokio::test]
async fn a_body_that_pauses_and_goes_on_is_taken() {
    let gateway = impatient_gateway(echo().await).await;
    let mut stream = TcpStream::connect(gateway.address())
        .await
        .expect("somebody listens");
    let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\nConnection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).await.expect("taken");
    // Longer than the gateway's patience in all, but never at once.
    for byte in b"patience" {
        tokio::time::sleep(Duration::from_millis(300)).await;
        stream.write_all(&[*byte]).await.expect("taken");
    }
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("an answer");
    assert_eq!(statuses(&answer), [200], "{}", String::from_utf8_lossy(&answer));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_nobody_takes_does_not_hold_its_connection_for_ever() {
    let upstream = upstream(|_| Response::new("x".repeat(32 * 1024 * 1024))).await;
    let gateway = impatient_gateway(upstream).await;
    let mut stream = TcpStream::connect(gateway.address())
        .await
        .expect("somebody listens");
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .expect("taken");
    let began = Instant::now();
    // Writing tells that the connection is closed, without taking anything of the answer.
    while stream.write_all(b"\r\n").await.is_ok() {
        assert!(
            began.elapsed() < Duration::from_secs(15),
            "the connection is still open"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_callers_who_never_finish_leave_room_for_others() {
    let gateway = impatient_gateway(echo().await).await;
    let mut waiting = Vec::new();
    for number in 0..2_000 {
        let mut stream = TcpStream::connect(gateway.address())
            .await
            .expect("somebody listens");
        let start = match number % 2 {
            0 => "GET / HTTP/1.1\r\nHost: a\r\nX",
            _ => "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nx",
        };
        stream.write_all(start.as_bytes()).await.expect("taken");
        waiting.push(stream);
    }
    serves_others(&gateway).await;
    let closed = waiting.iter_mut().map(|stream| async {
        let mut rest = Vec::new();
        let read = stream.read_to_end(&mut rest);
        tokio::time::timeout(Duration::from_secs(20), read).await.is_ok()
    });
    assert!(join_all(closed).await.into_iter().all(|closed| closed));
}
