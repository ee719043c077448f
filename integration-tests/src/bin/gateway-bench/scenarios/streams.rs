//! Server-sent events and WebSockets that are held across many changes of their route, and then a drain: none may be cut
//! before the deadline.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_tungstenite::{accept_async, connect_async, tungstenite::Message};

use super::Effort;
use crate::{
    data_plane::{DataPlane, api},
    figures::{Outcome, number, quantile},
};

const SWAPS: usize = 1_000;
/// Of each kind.
const STREAMS: usize = 50;
const TICK: Duration = Duration::from_millis(50);
const GRACE: Duration = Duration::from_secs(5);

pub(super) async fn measure(effort: &Effort) -> anyhow::Result<Outcome> {
    let (events, sockets) = (serve_events().await?, serve_sockets().await?);
    let mut plane = DataPlane::start(None).await?;
    plane.put(held("events", events, 0)).await?;
    plane.put(held("sockets", sockets, 0)).await?;
    let open = Arc::new(AtomicUsize::new(0));
    let messages = Arc::new(AtomicU64::new(0));
    let mut streams = JoinSet::new();
    for _ in 0..STREAMS {
        let (url, address) = (plane.url("/events/x"), plane.address());
        streams.spawn(hold_events(url, Arc::clone(&open), Arc::clone(&messages)));
        streams.spawn(hold_socket(address, Arc::clone(&open), Arc::clone(&messages)));
    }
    while open.load(Ordering::SeqCst) < 2 * STREAMS {
        anyhow::ensure!(streams.len() == 2 * STREAMS, "a stream could not be opened");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let swaps = effort.of(SWAPS);
    for swap in 0..swaps {
        plane.put(held("events", events, swap + 1)).await?;
        plane.put(held("sockets", sockets, swap + 1)).await?;
    }
    // What was cut would have been told by now: each stream has something to say many times a second.
    let before = messages.load(Ordering::SeqCst);
    while messages.load(Ordering::SeqCst) < before + 4 * STREAMS as u64 {
        tokio::time::sleep(TICK).await;
    }
    let mut outcome = Outcome::default();
    let cut = number(2 * STREAMS - open.load(Ordering::SeqCst));
    outcome.figure(
        "streams held, half of them WebSockets",
        number(2 * STREAMS),
        "",
        "",
    );
    outcome.figure("swaps", number(swaps), "", "1,000");
    outcome.figure("streams cut by a swap", cut, "", "0");
    drain(&mut outcome, plane, streams).await?;
    Ok(outcome)
}

/// Drains the gateway with everything still open; when did each stream end?
async fn drain(
    outcome: &mut Outcome,
    mut plane: DataPlane,
    mut streams: JoinSet<anyhow::Result<Instant>>,
) -> anyhow::Result<()> {
    let began = Instant::now();
    plane.shutdown(GRACE).await?;
    let took = began.elapsed().as_secs_f64();
    drop(plane);
    let mut ends = Vec::new();
    while let Some(ended) = streams.join_next().await {
        ends.push(ended??.saturating_duration_since(began).as_secs_f64());
    }
    let early = ends
        .iter()
        .filter(|end| **end < GRACE.as_secs_f64() * 0.98)
        .count();
    outcome.figure("drain: streams cut before the deadline", number(early), "", "0");
    outcome.figure("drain: deadline", GRACE.as_secs_f64(), "s", "");
    outcome.figure("drain: first stream ended after", quantile(&ends, 0.0), "s", "");
    outcome.figure("drain: complete after", took, "s", "");
    Ok(())
}

fn held(name: &str, upstream: SocketAddr, state: usize) -> Value {
    let headers = json!({"type": "headers", "with": {"response": {"set": {"x-state": state.to_string()}}}});
    api(
        name,
        &format!("http://{upstream}"),
        json!({"policies": [headers]}),
    )
}

// ---- callers, each of which returns when its stream ended ----------------------------------------

async fn hold_events(
    url: String,
    open: Arc<AtomicUsize>,
    messages: Arc<AtomicU64>,
) -> anyhow::Result<Instant> {
    let http = reqwest::Client::builder().no_proxy().build()?;
    let response = http.get(url).send().await?.error_for_status()?;
    open.fetch_add(1, Ordering::SeqCst);
    let mut body = response.bytes_stream();
    while let Some(Ok(_)) = body.next().await {
        messages.fetch_add(1, Ordering::SeqCst);
    }
    open.fetch_sub(1, Ordering::SeqCst);
    Ok(Instant::now())
}

async fn hold_socket(
    gateway: SocketAddr,
    open: Arc<AtomicUsize>,
    messages: Arc<AtomicU64>,
) -> anyhow::Result<Instant> {
    let (mut socket, _) = connect_async(format!("ws://{gateway}/sockets/x")).await?;
    open.fetch_add(1, Ordering::SeqCst);
    loop {
        if socket.send(Message::text("tick")).await.is_err() {
            break;
        }
        match socket.next().await {
            Some(Ok(message)) if message.is_text() => messages.fetch_add(1, Ordering::SeqCst),
            _ => break,
        };
        tokio::time::sleep(TICK).await;
    }
    open.fetch_sub(1, Ordering::SeqCst);
    Ok(Instant::now())
}

// ---- upstreams -----------------------------------------------------------------------------------

/// Server-sent events without end.
async fn serve_events() -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(events(stream));
        }
    });
    Ok(address)
}

async fn events(mut stream: TcpStream) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    }
    let start = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    stream.write_all(start.as_bytes()).await?;
    loop {
        let event = "data: tick\n\n";
        let chunk = format!("{:x}\r\n{event}\r\n", event.len());
        stream.write_all(chunk.as_bytes()).await?;
        tokio::time::sleep(TICK).await;
    }
}

/// WebSockets that send back what they get.
async fn serve_sockets() -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let Ok(mut socket) = accept_async(stream).await else {
                    return;
                };
                while let Some(Ok(message)) = socket.next().await {
                    if message.is_text() && socket.send(message).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    Ok(address)
}
