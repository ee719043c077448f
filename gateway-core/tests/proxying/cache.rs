//! Kept answers, as callers meet them.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use gatehouse_gateway_core::{ApiConfig, Gateway, GatewayOptions};
use gatehouse_schemas::identity::ExternalRef;
use http::{HeaderName, HeaderValue, Response, StatusCode};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    sync::watch,
};

use crate::{
    policies::with_key,
    support::{Seen, api, gateway, raw, status, upstream},
};

type Lines = Vec<(&'static str, String)>;

/// An upstream that numbers its answers and says of them what it is told to.
#[derive(Clone)]
struct Origin {
    address: SocketAddr,
    says: Arc<Mutex<(StatusCode, Lines)>>,
    answers: Arc<AtomicUsize>,
    /// What the last request asked for beside the usual.
    last: Arc<Mutex<Option<Seen>>>,
}

impl Origin {
    async fn start(lines: &[(&'static str, &str)]) -> Self {
        let says = Arc::<Mutex<(StatusCode, Lines)>>::default();
        let answers = Arc::new(AtomicUsize::new(0));
        let last = Arc::new(Mutex::new(None));
        let (told, count, seen) = (Arc::clone(&says), Arc::clone(&answers), Arc::clone(&last));
        let address = upstream(move |request| {
            let number = count.fetch_add(1, Ordering::SeqCst) + 1;
            let (status, lines) = told.lock().expect("not poisoned").clone();
            let known = request.head.headers.get("if-none-match").cloned();
            *seen.lock().expect("not poisoned") = Some(request);
            let mut response = Response::new(number.to_string());
            *response.status_mut() = status;
            for (name, value) in lines {
                let value = HeaderValue::try_from(value).expect("a value");
                if name == "etag" && known.as_ref() == Some(&value) {
                    *response.status_mut() = StatusCode::NOT_MODIFIED;
                    response.body_mut().clear();
                }
                response
                    .headers_mut()
                    .append(HeaderName::from_static(name), value);
            }
            response
        })
        .await;
        let origin = Self {
            address,
            says,
            answers,
            last,
        };
        origin.say(StatusCode::OK, lines);
        origin
    }

    fn say(&self, status: StatusCode, lines: &[(&'static str, &str)]) {
        let lines = lines.iter().map(|(name, value)| (*name, (*value).to_owned()));
        *self.says.lock().expect("not poisoned") = (status, lines.collect());
    }

    fn answers(&self) -> usize {
        self.answers.load(Ordering::SeqCst)
    }

    fn api(&self, with: Value, more: &[Value]) -> ApiConfig {
        let mut policies = vec![cache(with)];
        policies.extend_from_slice(more);
        api("a", self.address, json!({"policies": policies}))
    }
}

fn cache(with: Value) -> Value {
    let mut parameters = json!({"ttlSeconds": 60});
    for (name, value) in with.as_object().expect("parameters") {
        parameters[name] = value.clone();
    }
    json!({"type": "cache", "with": parameters})
}

async fn ask(gateway: &Gateway, method: &str, path: &str, fields: &str) -> String {
    raw(
        gateway,
        &format!("{method} {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{fields}\r\n"),
    )
    .await
}

async fn get(gateway: &Gateway, path: &str) -> String {
    ask(gateway, "GET", path, "").await
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").expect("a head").1
}

fn header<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let head = answer.split_once("\r\n\r\n")?.0;
    head.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

#[tokio::test]
async fn an_answer_is_given_again_with_its_age_and_says_where_it_comes_from() {
    let (gateway, origin) = (
        gateway().await,
        Origin::start(&[("x-own", "1"), ("x-request-id", "theirs")]).await,
    );
    gateway
        .put_api(origin.api(json!({}), &[]))
        .await
        .expect("applied");
    let first = get(&gateway, "/a/b?c=1").await;
    assert_eq!(
        (body(&first), header(&first, "cache-status")),
        ("1", Some("gatehouse; fwd=miss; stored"))
    );
    let second = get(&gateway, "/a/b?c=1").await;
    assert_eq!(
        (body(&second), header(&second, "cache-status")),
        ("1", Some("gatehouse; hit"))
    );
    assert_eq!(
        (header(&second, "age"), header(&second, "x-own")),
        (Some("0"), Some("1"))
    );
    assert_eq!(
        header(&second, "x-request-id"),
        None,
        "that was another request's"
    );
    let head = ask(&gateway, "HEAD", "/a/b?c=1", "").await;
    assert_eq!(
        (status(&head), body(&head), header(&head, "content-length")),
        (200, "", Some("1"))
    );
    assert_eq!(body(&get(&gateway, "/a/b?c=2").await), "2");
    assert_eq!(origin.answers(), 2);
}

#[tokio::test]
async fn who_has_it_already_is_told_so() {
    let (gateway, origin) = (
        gateway().await,
        Origin::start(&[("etag", "\"7\""), ("x-own", "1")]).await,
    );
    gateway
        .put_api(origin.api(json!({}), &[]))
        .await
        .expect("applied");
    get(&gateway, "/a").await;
    let answer = ask(&gateway, "GET", "/a", "If-None-Match: W/\"7\"\r\n").await;
    assert_eq!(
        (status(&answer), body(&answer), header(&answer, "etag")),
        (304, "", Some("\"7\""))
    );
    assert_eq!(header(&answer, "x-own"), None);
    assert_eq!(
        body(&ask(&gateway, "GET", "/a", "If-None-Match: \"8\"\r\n").await),
        "1"
    );
    assert_eq!(origin.answers(), 1);
}

#[tokio::test]
async fn what_must_not_be_kept_is_not() {
    for (method, fields, status, lines) in [
        ("GET", "", 200, &[("cache-control", "no-store")][..]),
        ("GET", "", 200, &[("cache-control", "private")]),
        ("GET", "", 200, &[("set-cookie", "a=b")]),
        ("GET", "", 200, &[("vary", "*")]),
        ("GET", "", 404, &[]),
        ("POST", "Content-Length: 0\r\n", 200, &[]),
        ("GET", "Range: bytes=0-1\r\n", 200, &[]),
        ("GET", "Cache-Control: no-store\r\n", 200, &[]),
        ("GET", "X-HTTP-Method-Override: DELETE\r\n", 200, &[]),
        ("GET", "Cache-Control: no-cache\r\n", 200, &[]),
    ] {
        let (gateway, origin) = (gateway().await, Origin::start(&[]).await);
        origin.say(StatusCode::from_u16(status).expect("a status"), lines);
        gateway
            .put_api(origin.api(json!({}), &[]))
            .await
            .expect("applied");
        for expected in ["1", "2"] {
            assert_eq!(
                body(&ask(&gateway, method, "/a", fields).await),
                expected,
                "{method} {fields} {lines:?}"
            );
        }
    }
}

#[tokio::test]
async fn every_consumer_has_answers_of_their_own_unless_they_are_said_to_be_shared() {
    let keys = json!({"type": "auth.apiKey", "with": {"keys": [
        {"consumer": "ann", "secretRef": "ann-key"}, {"consumer": "bob", "secretRef": "bob-key"},
    ]}});
    for (per_consumer, bobs) in [(true, "2"), (false, "1")] {
        let (gateway, origin) = (gateway().await, Origin::start(&[]).await);
        let config = origin.api(json!({"perConsumer": per_consumer}), std::slice::from_ref(&keys));
        let config = with_key(with_key(config, "ann-key", "one"), "bob-key", "two");
        gateway.put_api(config).await.expect("applied");
        let answers = async |key: &str| ask(&gateway, "GET", "/a", &format!("X-Api-Key: {key}\r\n")).await;
        assert_eq!(body(&answers("one").await), "1");
        assert_eq!(body(&answers("two").await), bobs);
        assert_eq!(body(&answers("one").await), "1");
        // The cache answers nobody who does not pass.
        assert_eq!(status(&answers("three").await), 401);
        assert_eq!(status(&get(&gateway, "/a").await), 401);
    }
}

#[tokio::test]
async fn credentials_that_only_the_upstream_knows_keep_answers_apart() {
    for per_consumer in [true, false] {
        let (gateway, origin) = (gateway().await, Origin::start(&[]).await);
        gateway
            .put_api(origin.api(json!({"perConsumer": per_consumer}), &[]))
            .await
            .expect("applied");
        let first = ask(&gateway, "GET", "/a", "Authorization: Bearer one\r\n").await;
        let second = ask(&gateway, "GET", "/a", "Authorization: Bearer two\r\n").await;
        assert_eq!((body(&first), body(&second)), ("1", "2"));
    }
    // The upstream may say that they are the same for all.
    let (gateway, origin) = (
        gateway().await,
        Origin::start(&[("cache-control", "public, max-age=9")]).await,
    );
    gateway
        .put_api(origin.api(json!({"perConsumer": false}), &[]))
        .await
        .expect("applied");
    for token in ["one", "two"] {
        let answer = ask(
            &gateway,
            "GET",
            "/a",
            &format!("Authorization: Bearer {token}\r\n"),
        )
        .await;
        assert_eq!(body(&answer), "1");
    }
}

#[tokio::test]
async fn limits_count_answers_from_the_cache_too() {
    let (gateway, origin) = (gateway().await, Origin::start(&[]).await);
    let limit = json!({"type": "ratelimit", "with": {"limits": [{"requests": 2, "per": "hour"}]}});
    gateway
        .put_api(origin.api(json!({}), &[limit]))
        .await
        .expect("applied");
    let mut statuses = Vec::new();
    for left in [1, 0, 0] {
        let answer = get(&gateway, "/a").await;
        assert!(answer.contains(&format!("\"2-per-hour\";r={left};")), "{answer}");
        statuses.push(status(&answer));
    }
    assert_eq!((statuses, origin.answers()), (vec![200, 200, 429], 1));
}

#[tokio::test]
async fn answers_differ_by_what_the_policy_and_the_upstream_say() {
    let (gateway, origin) = (
        gateway().await,
        Origin::start(&[("vary", "Accept-Language")]).await,
    );
    let with = json!({"varyQuery": ["page"], "varyHeaders": ["X-Tenant"]});
    gateway.put_api(origin.api(with, &[])).await.expect("applied");
    for (path, fields, expected) in [
        ("/a?page=1&utm=1", "", "1"),
        ("/a?page=1&utm=2", "", "1"),
        ("/a?page=2", "", "2"),
        ("/a?page=1", "X-Tenant: t\r\n", "3"),
        ("/a?page=1", "Accept-Language: de\r\n", "4"),
        ("/a?page=1", "Accept-Language: en\r\n", "5"),
        ("/a?page=1", "Accept-Language: de\r\n", "4"),
        ("/a?page=1", "", "1"),
    ] {
        assert_eq!(
            body(&ask(&gateway, "GET", path, fields).await),
            expected,
            "{path} {fields}"
        );
    }
}

#[tokio::test]
async fn headers_that_policies_change_are_changed_on_kept_answers_for_each_caller() {
    let (gateway, origin) = (gateway().await, Origin::start(&[]).await);
    let cors = json!({"type": "cors", "with": {"allowOrigins": ["https://one.test", "https://two.test"]}});
    let headers = json!({"type": "headers", "with": {"response": {"set": {"x-added": "1"}}}});
    gateway
        .put_api(origin.api(json!({}), &[cors, headers]))
        .await
        .expect("applied");
    for name in ["https://one.test", "https://two.test"] {
        let answer = ask(&gateway, "GET", "/a", &format!("Origin: {name}\r\n")).await;
        assert_eq!(header(&answer, "access-control-allow-origin"), Some(name));
        assert_eq!((body(&answer), header(&answer, "x-added")), ("1", Some("1")));
    }
}

#[tokio::test]
async fn nothing_of_an_old_revision_is_given_and_purges_take_what_they_name() {
    let (gateway, origin) = (
        gateway().await,
        Origin::start(&[("surrogate-key", "orders order-7")]).await,
    );
    gateway
        .put_api(origin.api(json!({}), &[]))
        .await
        .expect("applied");
    let reference = ExternalRef("a".to_owned());
    assert_eq!(body(&get(&gateway, "/a").await), "1");
    let mut changed = origin.api(json!({}), &[]);
    changed.content.display_name = "changed".to_owned();
    gateway.put_api(changed).await.expect("applied");
    assert_eq!(body(&get(&gateway, "/a").await), "2");
    gateway.purge_cache(&reference, Some("order-8"));
    assert_eq!(body(&get(&gateway, "/a").await), "2");
    gateway.purge_cache(&ExternalRef("b".to_owned()), Some("order-7"));
    assert_eq!(body(&get(&gateway, "/a").await), "2");
    gateway.purge_cache(&reference, Some("order-7"));
    assert_eq!(body(&get(&gateway, "/a").await), "3");
    gateway.purge_cache(&reference, None);
    assert_eq!(body(&get(&gateway, "/a").await), "4");
    // A write ends what is kept of its target, unless it failed.
    origin.say(StatusCode::BAD_REQUEST, &[]);
    assert_eq!(body(&ask(&gateway, "DELETE", "/a", "").await), "5");
    assert_eq!(body(&get(&gateway, "/a").await), "4");
    origin.say(StatusCode::OK, &[]);
    assert_eq!(body(&ask(&gateway, "DELETE", "/a", "").await), "6");
    assert_eq!(body(&get(&gateway, "/a").await), "7");
}

#[tokio::test]
async fn programs_on_this_machine_purge_at_the_admin_listener_and_web_pages_do_not() {
    let gateway = Gateway::start(GatewayOptions {
        worker_threads: Some(1),
        admin_listen: Some("127.0.0.1:0".parse().unwrap()),
        ..GatewayOptions::default()
    });
    let gateway = gateway.await.expect("started");
    let origin = Origin::start(&[("cache-tag", "a b,c+d")]).await;
    gateway
        .put_api(origin.api(json!({}), &[]))
        .await
        .expect("applied");
    let admin = gateway.admin_address().expect("an admin listener");
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    for (query, page, expected, body_after) in [
        ("api=a&tag=x", false, 200, "1"),
        ("api=a&tag=c%2Bd", true, 403, "1"),
        ("api=a&tag=c%2Bd", false, 200, "2"),
        ("api=a", false, 200, "3"),
        ("api=b", false, 404, "3"),
        ("tag=a", false, 400, "3"),
    ] {
        get(&gateway, "/a").await;
        let mut request = client.post(format!("http://{admin}/cache/purge?{query}"));
        if page {
            request = request.header("origin", "https://evil.test");
        }
        let answer = request.send().await.expect("an answer");
        assert_eq!(answer.status(), expected, "{query}");
        assert_eq!(body(&get(&gateway, "/a").await), body_after, "{query}");
    }
    let answer = client
        .get(format!("http://{admin}/cache/purge?api=a"))
        .send()
        .await
        .expect("an answer");
    assert_eq!(answer.status(), 405);
}

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
