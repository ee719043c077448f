//! Four endpoints of one upstream, of which one begins to reset its connections and later recovers; nothing is retried.
//! Counts what callers see, second by second.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
};

use super::Effort;
use crate::{
    data_plane::{DataPlane, api},
    figures::{Outcome, number},
};

const ENDPOINTS: usize = 4;
const PATHS: u64 = 256;
/// Between two requests: 200 in a second.
const PACE: Duration = Duration::from_millis(5);

pub(super) async fn measure(effort: &Effort) -> anyhow::Result<Outcome> {
    let mut outcome = Outcome::default();
    let mut endpoints = Vec::new();
    for _ in 0..ENDPOINTS {
        endpoints.push(Endpoint::start().await?);
    }
    let mut plane = DataPlane::start(None).await?;
    if let Err(error) = plane.put(balanced(&endpoints)).await {
        outcome.left_out.push(format!(
            "this build takes no upstream with several endpoints ({error:#})"
        ));
        return Ok(outcome);
    }
    let phase = Duration::from_secs(u64::from(effort.seconds_or(20)));
    let seen = Arc::new(Seen::default());
    let load = tokio::spawn(load(plane.url("/balanced"), Arc::clone(&seen)));
    let Some(flipping) = endpoints.first() else {
        return Ok(outcome);
    };
    let began = Instant::now();
    tokio::time::sleep(phase / 4).await;
    let bad = began.elapsed();
    flipping.resets.send_replace(true);
    tokio::time::sleep(phase).await;
    flipping.resets.send_replace(false);
    let (good, served) = (Instant::now(), flipping.served.load(Ordering::Relaxed));
    let recovered = recovered(flipping, served, phase).await;
    let recovered = recovered.map(|()| good.elapsed().as_secs_f64());
    load.abort();
    report(&mut outcome, &seen, bad, recovered, (began, good));
    Ok(outcome)
}

fn balanced(endpoints: &[Endpoint]) -> Value {
    let urls: Vec<Value> = endpoints
        .iter()
        .map(|endpoint| json!({"url": format!("http://{}", endpoint.address), "weight": 1}))
        .collect();
    let first = endpoints
        .first()
        .map(|endpoint| format!("http://{}", endpoint.address));
    let upstreams = json!({"main": {"url": first, "endpoints": urls}});
    api("balanced", "", json!({"upstreams": upstreams}))
}

/// Waits until the endpoint that was bad serves again.
async fn recovered(endpoint: &Endpoint, served: u64, patience: Duration) -> Option<()> {
    let again = async {
        while endpoint.served.load(Ordering::Relaxed) == served {
            tokio::time::sleep(PACE).await;
        }
    };
    tokio::time::timeout(patience * 3, again).await.ok()
}

// ---- callers -------------------------------------------------------------------------------------

/// What callers saw, by the moment they asked.
#[derive(Debug, Default)]
struct Seen(Mutex<Vec<(Instant, bool)>>);

async fn load(url: String, seen: Arc<Seen>) -> reqwest::Result<()> {
    let http = reqwest::Client::builder().no_proxy().build()?;
    let mut pace = tokio::time::interval(PACE);
    for number in 0_u64.. {
        pace.tick().await;
        let request = http.get(format!("{url}/{}", number % PATHS));
        let seen = Arc::clone(&seen);
        tokio::spawn(async move {
            let began = Instant::now();
            let good = matches!(request.send().await, Ok(response) if response.status() == 200);
            seen.0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push((began, good));
        });
    }
    Ok(())
}

fn report(
    outcome: &mut Outcome,
    seen: &Seen,
    bad: Duration,
    recovered: Option<f64>,
    (began, good): (Instant, Instant),
) {
    let seen = seen.0.lock().unwrap_or_else(PoisonError::into_inner);
    let errors: Vec<f64> = seen
        .iter()
        .filter(|(_, good)| !good)
        .map(|(at, _)| at.duration_since(began).as_secs_f64())
        .collect();
    let bad = bad.as_secs_f64();
    let between = |from: f64, to: f64| number(errors.iter().filter(|at| (from..to).contains(*at)).count());
    let end = good.duration_since(began).as_secs_f64();
    outcome.figure("requests", number(seen.len()), "", "");
    outcome.figure("errors before the endpoint resets", between(0.0, bad), "", "0");
    outcome.figure(
        "errors in the first second of it",
        between(bad, bad + 1.0),
        "",
        "",
    );
    outcome.figure("errors after that", between(bad + 1.0, f64::INFINITY), "", "0");
    match recovered {
        Some(seconds) => outcome.figure("used again after its recovery", seconds, "s", "≤ 2 s"),
        None => outcome
            .left_out
            .push("the endpoint was not used again while this was watched".to_owned()),
    }
    let mut per_second = Vec::new();
    let mut second = 0.0;
    while second < end {
        per_second.push((second, between(second, second + 1.0)));
        second += 1.0;
    }
    outcome.series("errors per second", "seconds", "errors", per_second);
}

// ---- endpoints -----------------------------------------------------------------------------------

/// A server that answers 200 until it is told to reset every connection.
#[derive(Debug)]
struct Endpoint {
    address: SocketAddr,
    resets: watch::Sender<bool>,
    served: Arc<AtomicU64>,
}

impl Endpoint {
    async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (resets, watched) = watch::channel(false);
        let served = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&served);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, watched.clone(), Arc::clone(&count)));
            }
        });
        Ok(Self {
            address,
            resets,
            served,
        })
    }
}

async fn serve(mut stream: TcpStream, mut resets: watch::Receiver<bool>, served: Arc<AtomicU64>) {
    tokio::select! {
        _ = answer(&mut stream, &served) => {}
        _ = resets.wait_for(|resets| *resets) => {
            // Closing it now resets it.
            drop(stream.set_zero_linger());
        }
    }
}

/// Answers requests without bodies, one after the other.
async fn answer(stream: &mut TcpStream, served: &AtomicU64) -> std::io::Result<()> {
    let mut read = Vec::new();
    loop {
        while !read.ends_with(b"\r\n\r\n") {
            if stream.read_buf(&mut read).await? == 0 {
                return Ok(());
            }
        }
        read.clear();
        served.fetch_add(1, Ordering::Relaxed);
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            .await?;
    }
}
