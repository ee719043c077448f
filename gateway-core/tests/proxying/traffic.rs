//! Several upstreams for one route: shares, the same one for the same caller, copies; and callers sent elsewhere.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use gatehouse_gateway_core::Gateway;
use http::Response;
use serde_json::{Value, json};

use crate::support::{api, document, echo, gateway, get, raw, status, upstream};

/// An upstream that answers with its name.
async fn named(name: &'static str) -> SocketAddr {
    upstream(move |seen| {
        let canary = seen.head.headers.contains_key("x-canary");
        Response::new(json!({"name": name, "canary": canary}).to_string())
    })
    .await
}

async fn split(traffic: Value) -> Gateway {
    let gateway = gateway().await;
    let (first, second) = (named("first").await, named("second").await);
    let fields = json!({
        "upstreams": {
            "main": {"url": format!("http://{first}")},
            "next": {"url": format!("http://{second}")},
        },
        "operations": [{"match": {"method": "*", "path": "/{rest...}"}, "traffic": traffic}],
    });
    gateway.put_api(api("a", first, fields)).await.expect("applied");
    gateway
}

async fn answered(gateway: &Gateway, cookie: &str) -> String {
    let request =
        format!("GET /a/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\nCookie: other=1; id={cookie}\r\n\r\n");
    let answer = document(&raw(gateway, &request).await);
    let name = answer["name"].as_str().expect("a name").to_owned();
    assert_eq!(
        answer["canary"],
        name == "second",
        "the header is for the second alone"
    );
    name
}

#[tokio::test]
async fn upstreams_share_requests_by_their_weights() {
    let headers = json!({"set": {"x-canary": "yes"}});
    let shares =
        json!([{"upstream": "main", "weight": 3}, {"upstream": "next", "weight": 1, "headers": headers}]);
    let gateway = split(json!({"split": shares})).await;
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for _ in 0..80 {
        *counts.entry(answered(&gateway, "x").await).or_default() += 1;
    }
    assert!((58..=62).contains(&counts["first"]), "{counts:?}");
}

#[tokio::test]
async fn the_same_caller_gets_the_same_upstream() {
    let headers = json!({"set": {"x-canary": "yes"}});
    let shares =
        json!([{"upstream": "main", "weight": 1}, {"upstream": "next", "weight": 1, "headers": headers}]);
    let gateway = split(json!({"split": shares, "sticky": {"cookie": "id"}})).await;
    let mut names = BTreeMap::new();
    for caller in 0..12 {
        let caller = format!("caller-{caller}");
        let first = answered(&gateway, &caller).await;
        for _ in 0..3 {
            assert_eq!(answered(&gateway, &caller).await, first, "{caller}");
        }
        *names.entry(first).or_insert(0) += 1;
    }
    assert_eq!(names.len(), 2, "callers are spread: {names:?}");
}

#[tokio::test]
async fn a_split_among_unknown_upstreams_is_not_served() {
    let gateway = gateway().await;
    let split = json!({"split": [{"upstream": "nowhere", "weight": 1}]});
    let fields = json!({"operations": [{"match": {"method": "GET", "path": "/"}, "traffic": split}]});
    let refused = gateway.put_api(api("a", echo().await, fields)).await;
    let refused = refused.expect_err("no such upstream").to_string();
    assert!(refused.contains("there is no upstream `nowhere`"), "{refused}");
}

/// A gateway that copies requests to an upstream, and how many bytes that one has seen of bodies.
async fn mirrored(shadow: SocketAddr) -> Gateway {
    let gateway = gateway().await;
    let main = echo().await;
    let fields = json!({
        "upstreams": {
            "main": {"url": format!("http://{main}")},
            "shadow": {"url": format!("http://{shadow}/shadow")},
        },
        "operations": [{
            "match": {"method": "*", "path": "/{rest...}"},
            "traffic": {"mirror": [{"upstream": "shadow"}]},
        }],
    });
    gateway.put_api(api("a", main, fields)).await.expect("applied");
    gateway
}

async fn until(what: &str, is: impl Fn() -> bool) {
    let waiting = async {
        while !is() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(20), waiting).await;
    waited.unwrap_or_else(|_| panic!("{what} did not happen"));
}

#[tokio::test]
async fn a_mirror_gets_copies_with_small_bodies_and_large_ones_go_on_alone() {
    let seen: Arc<std::sync::Mutex<Vec<String>>> = Arc::default();
    let noted = Arc::clone(&seen);
    let shadow = upstream(move |request| {
        let line = format!(
            "{} {} {}",
            request.head.method,
            request.head.uri,
            request.body.len()
        );
        noted.lock().expect("a lock").push(line);
        Response::new("nobody reads this".to_owned())
    })
    .await;
    let gateway = mirrored(shadow).await;
    for length in [5, 64 * 1024, 64 * 1024 + 1, 0] {
        let body = "x".repeat(length);
        let request = format!(
            "POST /a/x?y=1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        let answer = document(&raw(&gateway, &request).await);
        assert_eq!(answer["body"].as_str().map(str::len), Some(length));
    }
    until("three copies", || seen.lock().expect("a lock").len() == 3).await;
    let mut seen = seen.lock().expect("a lock").clone();
    seen.sort();
    assert_eq!(
        seen,
        [
            "POST /shadow/x?y=1 0",
            "POST /shadow/x?y=1 5",
            "POST /shadow/x?y=1 65536"
        ]
    );
}

#[tokio::test]
async fn a_mirror_that_never_answers_holds_up_nobody_and_gets_no_more_than_its_cap() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let shadow = listener.local_addr().expect("an address");
    let accepted = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&accepted);
    tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            kept.push(stream);
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
    let gateway = mirrored(shadow).await;
    for _ in 0..100 {
        assert_eq!(status(&get(&gateway, "/a/x").await), 200);
    }
    until("the copies", || accepted.load(Ordering::SeqCst) == 64).await;
    for _ in 0..20 {
        assert_eq!(status(&get(&gateway, "/a/x").await), 200);
    }
    assert_eq!(accepted.load(Ordering::SeqCst), 64, "no more than the cap");
}

#[tokio::test]
async fn a_redirect_says_where_and_the_upstream_sees_the_host_that_it_is_told() {
    let gateway = gateway().await;
    let policy = |kind: &str, with: Value| json!([{"type": kind, "with": with}]);
    let redirect = json!({"status": 308, "redirect": {"scheme": "https", "path": "/new/{rest}"}});
    let operation =
        |path: &str, policies: Value| json!({"match": {"method": "*", "path": path}, "policies": policies});
    let fields = json!({"operations": [
        operation("/old/{rest...}", policy("respond", redirect)),
        operation("/callers", policy("rewrite", json!({"host": "{host}"}))),
        operation("/fixed", policy("rewrite", json!({"host": "b.test:81"}))),
    ]});
    gateway
        .put_api(api("a", echo().await, fields))
        .await
        .expect("applied");
    let answer = get(&gateway, "/a/old/x/?y=1").await;
    assert_eq!(status(&answer), 308);
    assert!(
        answer.contains("location: https://example.com/new/x/?y=1\r\n"),
        "{answer}"
    );
    let callers = document(&get(&gateway, "/a/callers").await);
    assert_eq!(callers["headers"]["host"], json!(["example.com"]));
    assert_eq!(callers["target"], "/callers");
    let fixed = document(&get(&gateway, "/a/fixed").await);
    assert_eq!(fixed["headers"]["host"], json!(["b.test:81"]));
    assert_eq!(fixed["headers"]["x-forwarded-host"], json!(["example.com"]));
}

#[tokio::test]
async fn copies_are_spread_over_the_endpoints_that_work_and_connections_are_kept() {
    let gateway = gateway().await;
    let main = echo().await;
    let hits: [Arc<AtomicUsize>; 2] = Default::default();
    let mut shadows = Vec::new();
    for hit in &hits {
        let hit = Arc::clone(hit);
        let shadow = upstream(move |seen| {
            assert_eq!(seen.head.uri.path(), "/shadow/x");
            hit.fetch_add(1, Ordering::SeqCst);
            Response::new("nobody reads this".to_owned())
        });
        shadows.push(shadow.await);
    }
    let nobody = SocketAddr::from(([127, 0, 0, 1], 1));
    let fields = json!({
        "upstreams": {
            "main": {"url": format!("http://{main}")},
            "shadow": {
                "url": format!("http://{nobody}/shadow"),
                "endpoints": [
                    {"url": format!("http://{}", shadows[0])},
                    {"url": format!("http://{}", shadows[1])},
                ],
                "loadBalancing": {"algorithm": "round-robin"},
                "outlier": {"consecutiveErrors": 1, "ejectionSeconds": 3600},
            },
        },
        "operations": [{
            "match": {"method": "*", "path": "/{rest...}"},
            "traffic": {"mirror": [{"upstream": "shadow"}]},
        }],
    });
    gateway.put_api(api("a", main, fields)).await.expect("applied");
    let all = || hits[0].load(Ordering::SeqCst) + hits[1].load(Ordering::SeqCst);
    for sent in 1..=30 {
        assert_eq!(status(&get(&gateway, "/a/x").await), 200);
        // All but the one that found out that nobody listens at one of them.
        until("the copy", || all() + 1 >= sent).await;
    }
    until("the copies", || all() == 29).await;
    for hit in &hits {
        assert!((13..=16).contains(&hit.load(Ordering::SeqCst)), "{hits:?}");
    }
}
