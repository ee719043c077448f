//! Heads that are too large, in one request or all at once.

use futures_util::future::join_all;

use crate::{
    attempts::{send, statuses},
    frames::{CONTINUATION, END_HEADERS, END_STREAM, Frames, HEADERS, block},
    impatient_gateway, resident_mib, serves_others,
    support::echo,
};

#[tokio::test]
async fn too_many_or_too_long_fields_are_refused() {
    let gateway = impatient_gateway(echo().await).await;
    let many = "X: y\r\n".repeat(101);
    let long = format!("X: {}\r\n", "y".repeat(1024 * 1024));
    let long_name = format!("{}: y\r\n", "x".repeat(1024 * 1024));
    let endless = "y".repeat(4 * 1024 * 1024);
    for (what, head) in [
        ("many fields", format!("GET / HTTP/1.1\r\nHost: a\r\n{many}\r\n")),
        ("a long value", format!("GET / HTTP/1.1\r\nHost: a\r\n{long}\r\n")),
        (
            "a long name",
            format!("GET / HTTP/1.1\r\nHost: a\r\n{long_name}\r\n"),
        ),
        (
            "a long target",
            format!("GET /{endless} HTTP/1.1\r\nHost: a\r\n\r\n"),
        ),
        (
            "a long method",
            format!("{endless} / HTTP/1.1\r\nHost: a\r\n\r\n"),
        ),
        ("a long version", format!("GET / {endless}\r\nHost: a\r\n\r\n")),
        ("endless empty lines", "\r\n".repeat(1024 * 1024)),
        (
            "a long chunk extension",
            format!(
                "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2;x={endless}\r\nab\r\n0\r\n\r\n"
            ),
        ),
        (
            "many trailers",
            format!(
                "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n{}\r\n",
                "X: y\r\n".repeat(100_000)
            ),
        ),
    ] {
        let answers = statuses(&send(gateway.address(), head.as_bytes()).await);
        // A reset can overtake the answer when much is still being sent.
        assert!(
            answers.iter().all(|status| matches!(status, 400 | 414 | 431)) && answers.len() <= 1,
            "{what}: {answers:?}"
        );
    }
    serves_others(&gateway).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_large_heads_at_once_take_a_bounded_amount_of_memory() {
    let gateway = impatient_gateway(echo().await).await;
    let before = resident_mib();
    let head = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}", "y".repeat(60_000));
    let waiting = (0..500).map(|_| send(gateway.address(), head.as_bytes()));
    let answers = join_all(waiting).await;
    // Each of these was held until its time was over: 500 × 64 KiB, on both sides.
    assert!(
        resident_mib() < before + 160,
        "{} MiB after {before} MiB",
        resident_mib()
    );
    assert!(answers.iter().all(|answer| !statuses(answer).contains(&200)));
    serves_others(&gateway).await;
}

#[tokio::test]
async fn an_http_2_head_that_is_too_large_is_refused() {
    let gateway = impatient_gateway(echo().await).await;
    let mut frames = Frames::connect(gateway.address()).await;
    let value = "y".repeat(10_000);
    let mut fields = vec![
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "a"),
        (":path", "/"),
    ];
    fields.extend([("x", value.as_str()); 12]);
    let block = block(&fields);
    let parts: Vec<&[u8]> = block.chunks(16_000).collect();
    for (number, part) in parts.iter().enumerate() {
        let (kind, mut flags) = if number == 0 {
            (HEADERS, END_STREAM)
        } else {
            (CONTINUATION, 0)
        };
        if number + 1 == parts.len() {
            flags |= END_HEADERS;
        }
        let _ = frames.send(kind, flags, 1, part).await;
    }
    let outcome = frames.outcome(1).await;
    assert!(
        matches!(outcome.as_str(), "431" | "reset" | "connection ended"),
        "{outcome}"
    );
    serves_others(&gateway).await;
}

/// A few bytes that unpack to much: one large field in the table, and then again and again its index.
#[tokio::test]
async fn a_compression_bomb_is_not_unpacked() {
    let gateway = impatient_gateway(echo().await).await;
    let before = resident_mib();
    let mut frames = Frames::connect(gateway.address()).await;
    let value = "y".repeat(4_000);
    let start = block(&[
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "a"),
        (":path", "/"),
    ]);
    // A literal that is put into the table (RFC 7541, section 6.2.1): it has index 62 then.
    let mut field = block(&[("x", &value)]);
    field[0] = 0x40;
    let bomb = [start, field, vec![0x80 | 62; 12_000]].concat();
    let _ = frames.send(HEADERS, END_STREAM | END_HEADERS, 1, &bomb).await;
    let outcome = frames.outcome(1).await;
    assert!(
        matches!(outcome.as_str(), "431" | "reset" | "connection ended" | "closed"),
        "{outcome}"
    );
    assert!(
        resident_mib() < before + 32,
        "{} MiB after {before} MiB",
        resident_mib()
    );
    serves_others(&gateway).await;
}
