//! Kept answers, as callers meet them.

mod freshness;

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use gatehouse_gateway_core::{ApiConfig, Gateway, GatewayOptions};
use gatehouse_schemas::identity::ExternalRef;
use http::{HeaderName, HeaderValue, Response, StatusCode};
use serde_json::{Value, json};

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
            let since = request.head.headers.get("if-modified-since").cloned();
            *seen.lock().expect("not poisoned") = Some(request);
            let mut response = Response::new(number.to_string());
            *response.status_mut() = status;
            for (name, value) in lines {
                let value = HeaderValue::try_from(value).expect("a value");
                let known = match name {
                    "etag" => known.as_ref(),
                    "last-modified" => since.as_ref(),
                    _ => None,
                };
                if known == Some(&value) {
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
async fn a_header_that_the_upstream_does_not_see_makes_no_difference() {
    let (gateway, origin) = (gateway().await, Origin::start(&[]).await);
    let api = origin.api(json!({"varyHeaders": ["X-Tenant"]}), &[]);
    gateway.put_api(api).await.expect("applied");
    let hidden = "X-Tenant: north\r\nConnection: x-tenant\r\n";
    assert_eq!(body(&ask(&gateway, "GET", "/a", hidden).await), "1");
    let north = ask(&gateway, "GET", "/a", "X-Tenant: north\r\n").await;
    assert_eq!(
        body(&north),
        "2",
        "not what somebody without a tenant was answered"
    );
    assert_eq!(body(&get(&gateway, "/a").await), "1");
}

#[tokio::test]
async fn a_write_ends_what_is_kept_whatever_of_its_query_makes_no_difference() {
    let (gateway, origin) = (gateway().await, Origin::start(&[]).await);
    let api = origin.api(json!({"varyQuery": []}), &[]);
    gateway.put_api(api).await.expect("applied");
    assert_eq!(body(&get(&gateway, "/a/x?from=mail").await), "1");
    assert_eq!(body(&get(&gateway, "/a/x").await), "1");
    assert_eq!(
        body(&ask(&gateway, "PUT", "/a/%78", "Content-Length: 0\r\n").await),
        "2"
    );
    assert_eq!(body(&get(&gateway, "/a/x").await), "3");
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
