//! HTTP/2 callers who send more than they ever mean to have answered.

use std::time::Duration;

use http::Response;

use crate::{
    frames::{CONTINUATION, DATA, END_HEADERS, END_STREAM, Frames, HEADERS, RST_STREAM, block, frame},
    impatient_gateway, resident_mib, serves_others,
    support::{echo, upstream},
};

const CANCEL: [u8; 4] = [0, 0, 0, 8];

fn head() -> Vec<u8> {
    block(&[
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "a"),
        (":path", "/"),
    ])
}

/// CVE-2023-44487: requests that are taken back as soon as they are sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_who_resets_its_streams_at_once_loses_its_connection() {
    let gateway = impatient_gateway(echo().await).await;
    let before = resident_mib();
    let mut frames = Frames::connect(gateway.address()).await;
    let mut flood = Vec::new();
    for number in 0..20_000 {
        let stream = number * 2 + 1;
        flood.extend(frame(HEADERS, END_STREAM | END_HEADERS, stream, &head()));
        flood.extend(frame(RST_STREAM, 0, stream, &CANCEL));
    }
    // The connection may end before everything is sent.
    let _ = tokio::time::timeout(Duration::from_secs(20), frames.send_all(&flood)).await;
    frames.read_until(|frames| frames.goaway.is_some()).await;
    assert!(frames.goaway.is_some() || frames.closed, "{frames:?}");
    assert!(
        resident_mib() < before + 64,
        "{} MiB after {before} MiB",
        resident_mib()
    );
    serves_others(&gateway).await;
}

/// CVE-2024-27316 and its like: a head that never ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_of_endless_continuations_ends_the_connection() {
    let gateway = impatient_gateway(echo().await).await;
    let before = resident_mib();
    let empty = Vec::new();
    let filled = block(&[("x", &"y".repeat(1_000))]);
    for part in [&empty, &filled] {
        let mut frames = Frames::connect(gateway.address()).await;
        let mut flood = frame(HEADERS, END_STREAM, 1, &head());
        for _ in 0..20_000 {
            flood.extend(frame(CONTINUATION, 0, 1, part));
        }
        let _ = tokio::time::timeout(Duration::from_secs(20), frames.send_all(&flood)).await;
        frames.read_until(|frames| frames.goaway.is_some()).await;
        assert!(frames.goaway.is_some() || frames.closed, "{frames:?}");
    }
    assert!(
        resident_mib() < before + 96,
        "{} MiB after {before} MiB",
        resident_mib()
    );
    serves_others(&gateway).await;
}

/// CVE-2025-8671: frames that make the server reset the streams itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_who_has_its_streams_reset_loses_its_connection() {
    let gateway = impatient_gateway(echo().await).await;
    let mut frames = Frames::connect(gateway.address()).await;
    let mut flood = Vec::new();
    for number in 0..20_000 {
        let stream = number * 2 + 1;
        flood.extend(frame(HEADERS, END_STREAM | END_HEADERS, stream, &head()));
        // A window that grows by nothing is an error of that stream.
        flood.extend(frame(8, 0, stream, &[0; 4]));
    }
    let _ = tokio::time::timeout(Duration::from_secs(20), frames.send_all(&flood)).await;
    frames.read_until(|frames| frames.goaway.is_some()).await;
    assert!(frames.goaway.is_some() || frames.closed, "{frames:?}");
    serves_others(&gateway).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_streams_at_once_are_served_than_were_offered() {
    let (entered, count) = (std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0)), 1_000);
    let seen = std::sync::Arc::clone(&entered);
    let upstream = upstream(move |_| {
        seen.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        Response::new("x".repeat(100_000))
    })
    .await;
    let gateway = impatient_gateway(upstream).await;
    let before = resident_mib();
    let mut frames = Frames::connect(gateway.address()).await;
    // Nothing is ever taken of the answers: each stream's window is used up, and stays so.
    let mut flood = Vec::new();
    for number in 0..count {
        flood.extend(frame(HEADERS, END_STREAM | END_HEADERS, number * 2 + 1, &head()));
    }
    frames.send_all(&flood).await.expect("taken");
    frames
        .read_until(|frames| frames.resets.len() >= 700 || frames.goaway.is_some())
        .await;
    let entered = entered.load(std::sync::atomic::Ordering::SeqCst);
    assert!(entered <= 300, "{entered} requests reached the upstream");
    assert!(
        resident_mib() < before + 128,
        "{} MiB after {before} MiB",
        resident_mib()
    );
    serves_others(&gateway).await;
}

#[tokio::test]
async fn frames_that_mean_nothing_end_the_connection_and_nothing_else() {
    let gateway = impatient_gateway(echo().await).await;
    let cases: [(&str, Vec<u8>); 7] = [
        ("data before a head", frame(DATA, 0, 1, b"x")),
        ("a head on stream 0", frame(HEADERS, END_HEADERS, 0, &head())),
        (
            "a head on an even stream",
            frame(HEADERS, END_HEADERS | END_STREAM, 2, &head()),
        ),
        (
            "a continuation of nothing",
            frame(CONTINUATION, END_HEADERS, 1, &head()),
        ),
        ("a frame that is too large", frame(DATA, 0, 1, &vec![0; 20_000])),
        (
            "a broken head",
            frame(HEADERS, END_HEADERS | END_STREAM, 1, &[0xff; 20]),
        ),
        (
            "a setting that is too large",
            frame(4, 0, 0, &[0, 4, 0xff, 0xff, 0xff, 0xff]),
        ),
    ];
    for (what, bytes) in cases {
        let mut frames = Frames::connect(gateway.address()).await;
        let _ = frames.send_all(&bytes).await;
        frames.read_until(|frames| frames.goaway.is_some()).await;
        assert!(frames.goaway.is_some() || frames.closed, "{what}: {frames:?}");
    }
    serves_others(&gateway).await;
}

/// Pings and settings that ask for answers which nobody reads.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_questions_takes_a_bounded_amount_of_memory() {
    let gateway = impatient_gateway(echo().await).await;
    let before = resident_mib();
    for kind in [6, 4] {
        let mut frames = Frames::connect(gateway.address()).await;
        let payload: &[u8] = if kind == 6 { &[0; 8] } else { &[] };
        let flood = frame(kind, 0, 0, payload).repeat(100_000);
        for _ in 0..20 {
            let sent = tokio::time::timeout(Duration::from_secs(5), frames.send_all(&flood)).await;
            if !matches!(sent, Ok(Ok(()))) {
                break;
            }
        }
    }
    assert!(
        resident_mib() < before + 64,
        "{} MiB after {before} MiB",
        resident_mib()
    );
    serves_others(&gateway).await;
}
