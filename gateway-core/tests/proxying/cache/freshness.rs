//! When kept answers are too old, and when several ask for the same thing at once.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use gatehouse_gateway_core::{Gateway, GatewayOptions};
use http::{Response, StatusCode};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    sync::watch,
};

use super::{Origin, ask, body, cache, get, header};
use crate::support::{api, gateway, raw, status, upstream};

#[tokio::test]
async fn a_stale_answer_is_given_while_a_newer_one_is_fetched() {
    let lines = [
        ("cache-control", "max-age=1, stale-while-revalidate=60"),
        ("age", "1"),
    ];
    let (gateway, origin) = (gateway().await, Origin::start(&lines).await);
    gateway
        .put_api(origin.api(json!({}), &[]))
        .await
        .expect("applied");
    assert_eq!(body(&get(&gateway, "/a").await), "1");
    origin.say(StatusCode::OK, &[]);
    let stale = get(&gateway, "/a").await;
    assert_eq!(
        (body(&stale), header(&stale, "cache-status")),
        ("1", Some("gatehouse; hit; detail=stale"))
    );
    let mut last = String::new();
    for _ in 0..500 {
        last = get(&gateway, "/a").await;
        if body(&last) == "2" {
            break;
        }
    }
    assert_eq!(
        (body(&last), header(&last, "cache-status")),
        ("2", Some("gatehouse; hit"))
    );
    assert_eq!(origin.answers(), 2, "one newer answer was enough");
}

#[tokio::test]
async fn a_stale_answer_stands_in_for_an_upstream_that_fails_if_that_is_allowed() {
    for (allowed, expected) in [
        ("max-age=1, stale-if-error=60", 200),
        ("max-age=1, stale-if-error=60, must-revalidate", 503),
    ] {
        let (gateway, origin) = (
            gateway().await,
            Origin::start(&[("cache-control", allowed)]).await,
        );
        gateway
            .put_api(origin.api(json!({}), &[]))
            .await
            .expect("applied");
        assert_eq!(body(&get(&gateway, "/a").await), "1");
        origin.say(StatusCode::SERVICE_UNAVAILABLE, &[]);
        let mut answer = get(&gateway, "/a").await;
        for _ in 0..300 {
            if header(&answer, "cache-status") != Some("gatehouse; hit") {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
            answer = get(&gateway, "/a").await;
        }
        assert_eq!(status(&answer), expected, "{answer}");
        if expected == 200 {
            assert_eq!(
                (body(&answer), header(&answer, "cache-status")),
                ("1", Some("gatehouse; hit; detail=stale-if-error"))
            );
        }
    }
}

#[tokio::test]
async fn an_answer_that_is_no_longer_fresh_is_asked_for_by_its_tag_and_lives_on() {
    let (gateway, origin) = (
        gateway().await,
        Origin::start(&[("etag", "\"7\""), ("cache-control", "max-age=1")]).await,
    );
    gateway
        .put_api(origin.api(json!({}), &[]))
        .await
        .expect("applied");
    assert_eq!(body(&get(&gateway, "/a").await), "1");
    origin.say(
        StatusCode::OK,
        &[("etag", "\"7\""), ("cache-control", "max-age=60"), ("x-new", "1")],
    );
    let insists = ask(&gateway, "GET", "/a", "Cache-Control: max-age=0\r\n");
    let mut answer = insists.await;
    for _ in 0..300 {
        if origin.answers() == 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        answer = get(&gateway, "/a").await;
    }
    assert_eq!(
        (status(&answer), body(&answer), header(&answer, "x-new")),
        (200, "1", Some("1")),
        "{answer}"
    );
    assert_eq!(
        header(&answer, "cache-status"),
        Some("gatehouse; hit; detail=revalidated")
    );
    let seen = origin
        .last
        .lock()
        .expect("not poisoned")
        .clone()
        .expect("a request");
    assert_eq!(seen.head.headers["if-none-match"], "\"7\"");
    let answer = get(&gateway, "/a").await;
    assert_eq!(
        (body(&answer), header(&answer, "cache-status")),
        ("1", Some("gatehouse; hit"))
    );
    assert_eq!(origin.answers(), 2);
}

#[tokio::test]
async fn a_caller_who_has_the_answer_already_keeps_it_fresh_for_all() {
    let lines = [
        ("etag", "\"7\""),
        ("cache-control", "max-age=1, stale-if-error=60"),
        ("age", "1"),
    ];
    let (gateway, origin) = (gateway().await, Origin::start(&lines).await);
    gateway
        .put_api(origin.api(json!({}), &[]))
        .await
        .expect("applied");
    assert_eq!(body(&get(&gateway, "/a").await), "1");
    origin.say(
        StatusCode::OK,
        &[("etag", "\"7\""), ("cache-control", "max-age=60")],
    );
    let known = ask(&gateway, "GET", "/a", "If-None-Match: \"7\"\r\n").await;
    assert_eq!(status(&known), 304, "{known}");
    let answer = get(&gateway, "/a").await;
    assert_eq!(
        (body(&answer), header(&answer, "cache-status")),
        ("1", Some("gatehouse; hit")),
        "{answer}"
    );
    assert_eq!(origin.answers(), 2);
    // Somebody with an older answer gets the whole one.
    let other = ask(&gateway, "GET", "/a", "If-None-Match: \"6\"\r\n").await;
    assert_eq!((status(&other), body(&other)), (200, "1"));
}

#[tokio::test]
async fn nothing_is_said_of_the_upstreams_body_in_an_answer_that_was_changed_even_after_it_was_asked_for_anew()
 {
    let lines = [
        ("accept-ranges", "bytes"),
        ("repr-digest", "sha-256=:AA==:"),
        ("content-type", "application/json"),
        ("etag", "\"7\""),
        ("last-modified", "Sun, 22 Nov 2026 10:00:00 GMT"),
        ("cache-control", "max-age=1, stale-if-error=60"),
        ("age", "1"),
    ];
    let (gateway, origin) = (gateway().await, Origin::start(&lines).await);
    let transform = json!({"type": "transform", "with": {"response": {"to": "xml", "root": "number"}}});
    gateway
        .put_api(origin.api(json!({}), &[transform]))
        .await
        .expect("applied");
    let first = get(&gateway, "/a").await;
    assert!(body(&first).contains("<number>1</number>"), "{first}");
    assert_eq!(header(&first, "etag"), None);
    let again = get(&gateway, "/a").await;
    assert_eq!(
        (
            header(&again, "cache-status"),
            header(&again, "etag"),
            body(&again)
        ),
        (Some("gatehouse; hit; detail=revalidated"), None, body(&first)),
        "{again}"
    );
    for answer in [first, again] {
        assert_eq!(header(&answer, "accept-ranges"), None, "{answer}");
        assert_eq!(header(&answer, "repr-digest"), None, "{answer}");
    }
}

#[tokio::test]
async fn who_wants_nothing_but_the_cache_gets_nothing_else() {
    let (gateway, origin) = (gateway().await, Origin::start(&[]).await);
    gateway
        .put_api(origin.api(json!({}), &[]))
        .await
        .expect("applied");
    let only = "Cache-Control: only-if-cached\r\n";
    assert_eq!(status(&ask(&gateway, "GET", "/a", only).await), 504);
    get(&gateway, "/a").await;
    assert_eq!(body(&ask(&gateway, "GET", "/a", only).await), "1");
    assert_eq!(origin.answers(), 1);
}

/// An upstream whose answer comes in two parts, the second when it is let go.
async fn in_two_parts(head: &'static str, go: watch::Receiver<bool>, asked: Arc<AtomicUsize>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (mut go, asked) = (go.clone(), Arc::clone(&asked));
            tokio::spawn(async move {
                let mut request = vec![0; 4096];
                let _ = stream.read(&mut request).await;
                asked.fetch_add(1, Ordering::SeqCst);
                let _ = stream
                    .write_all(format!("HTTP/1.1 200 OK\r\n{head}\r\nfirst ").as_bytes())
                    .await;
                let _ = go.wait_for(|go| *go).await;
                let _ = stream.write_all(b"second").await;
            });
        }
    });
    address
}

#[tokio::test]
async fn those_who_ask_for_the_same_at_once_share_one_answer_and_the_first_is_not_held_up() {
    let (go, going) = watch::channel(false);
    let asked = Arc::new(AtomicUsize::new(0));
    let address = in_two_parts(
        "Content-Length: 12\r\nConnection: close\r\n",
        going,
        Arc::clone(&asked),
    )
    .await;
    let options = GatewayOptions {
        worker_threads: Some(2),
        ..GatewayOptions::default()
    };
    let gateway = Arc::new(Gateway::start(options).await.expect("started"));
    gateway
        .put_api(api("a", address, json!({"policies": [cache(json!({}))]})))
        .await
        .expect("applied");
    let mut first = tokio::net::TcpStream::connect(gateway.address())
        .await
        .expect("connected");
    first
        .write_all(b"GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .await
        .expect("sent");
    let mut begun = Vec::new();
    while !String::from_utf8_lossy(&begun).contains("first") {
        let mut part = [0; 1024];
        let read = first.read(&mut part).await.expect("the first part comes at once");
        assert!(read > 0);
        begun.extend_from_slice(&part[..read]);
    }
    let others: Vec<_> = (0..20)
        .map(|_| {
            let gateway = Arc::clone(&gateway);
            tokio::spawn(async move { get(&gateway, "/a").await })
        })
        .collect();
    // Others are answered in the meantime, so those are not merely late.
    assert_eq!(
        status(
            &raw(
                &gateway,
                "GET /b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
            )
            .await
        ),
        404
    );
    go.send_replace(true);
    for other in others {
        assert_eq!(body(&other.await.expect("no panic")), "first second");
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn an_answer_that_broke_off_or_is_too_large_is_not_kept() {
    let (_go, going) = watch::channel(true);
    for head in [
        // Longer than what comes.
        "Content-Length: 13\r\nConnection: close\r\n",
        // Without an end that could be told from a break.
        "Connection: close\r\n",
    ] {
        let asked = Arc::new(AtomicUsize::new(0));
        let gateway = gateway().await;
        let address = in_two_parts(head, going.clone(), Arc::clone(&asked)).await;
        gateway
            .put_api(api("a", address, json!({"policies": [cache(json!({}))]})))
            .await
            .expect("applied");
        get(&gateway, "/a").await;
        get(&gateway, "/a").await;
        assert_eq!(asked.load(Ordering::SeqCst), 2, "{head}");
    }
    let gateway = Gateway::start(GatewayOptions {
        worker_threads: Some(1),
        cache_bytes: 64 * 1024,
        ..GatewayOptions::default()
    });
    let gateway = gateway.await.expect("started");
    let large = upstream(|_| Response::new("x".repeat(2_000))).await;
    gateway
        .put_api(api("a", large, json!({"policies": [cache(json!({}))]})))
        .await
        .expect("applied");
    for _ in 0..2 {
        let answer = get(&gateway, "/a").await;
        assert_eq!(
            (body(&answer).len(), header(&answer, "cache-status")),
            (2_000, Some("gatehouse; fwd=miss"))
        );
    }
}
