//! Rates and quotas of one gateway: what answers say of them, by what they count, and what outlives a restart.

use std::path::Path;

use gatehouse_gateway_core::{Gateway, GatewayOptions};
use serde_json::{Value, json};

use crate::support::{api, document, echo, gateway, get, raw, status};

/// The value of a header in a raw answer.
fn header<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let head = answer.split("\r\n\r\n").next()?;
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    lines
        .find(|(other, _)| other.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
}

fn limited(policies: Value) -> Value {
    json!({"policies": policies})
}

#[tokio::test]
async fn answers_say_where_limits_stand_whether_or_not_they_let_the_request_through() {
    let gateway = gateway().await;
    let policies = json!([
        {"type": "quota", "with": {"requests": 100, "per": "month", "key": "api"}},
        {"type": "ratelimit", "with": {"limits": [{"requests": 2, "per": "day"}]}},
    ]);
    gateway
        .put_api(api("a", echo().await, limited(policies)))
        .await
        .expect("applied");
    let policy = r#""quota-100-per-month";q=100, "2-per-day";q=2;w=86400"#;
    let first = get(&gateway, "/a").await;
    assert_eq!(status(&first), 200);
    assert_eq!(header(&first, "RateLimit-Policy"), Some(policy));
    let state = header(&first, "RateLimit").expect("a state");
    assert!(
        state.starts_with(r#""2-per-day";r=1;t=43200, "quota-100-per-month";r=99;t="#),
        "{state}"
    );
    assert_eq!(status(&get(&gateway, "/a").await), 200);
    let refused = get(&gateway, "/a").await;
    assert_eq!(status(&refused), 429);
    assert_eq!(document(&refused)["title"], "Too many requests");
    assert_eq!(header(&refused, "RateLimit-Policy"), Some(policy));
    let state = header(&refused, "RateLimit").expect("a state");
    assert!(state.starts_with(r#""2-per-day";r=0;t=86"#), "{state}");
    let wait: u64 = header(&refused, "Retry-After")
        .expect("a wait")
        .parse()
        .expect("a number");
    assert!((43_100..=43_200).contains(&wait), "{wait}");
}

#[tokio::test]
async fn headers_of_limits_can_be_taken_away_and_routes_without_limits_have_none() {
    let gateway = gateway().await;
    let upstream = echo().await;
    let policies = json!([
        {"type": "ratelimit", "with": {"limits": [{"requests": 2, "per": "day"}]}},
        {"type": "headers", "with": {"response": {"remove": ["RateLimit", "RateLimit-Policy"]}}},
    ]);
    gateway
        .put_api(api("a", upstream, limited(policies)))
        .await
        .expect("applied");
    gateway
        .put_api(api("b", upstream, json!({})))
        .await
        .expect("applied");
    for path in ["/a", "/b"] {
        let answer = get(&gateway, path).await;
        assert_eq!(status(&answer), 200);
        assert_eq!(header(&answer, "RateLimit"), None);
        assert_eq!(header(&answer, "RateLimit-Policy"), None);
    }
}

async fn keeping(folder: &Path) -> Gateway {
    let options = GatewayOptions {
        worker_threads: Some(1),
        state_dir: Some(folder.to_owned()),
        ..GatewayOptions::default()
    };
    Gateway::start(options).await.expect("the gateway starts")
}

#[tokio::test]
async fn a_quota_goes_on_after_a_restart_and_after_it_was_raised() {
    let folder = tempfile::tempdir().expect("a folder");
    let upstream = echo().await;
    let quota = |requests: u64| {
        let quota = json!({"requests": requests, "per": "month", "key": {"header": "X-Tenant"}});
        api("a", upstream, limited(json!([{"type": "quota", "with": quota}])))
    };
    async fn call(gateway: &Gateway, tenant: &str) -> String {
        let head = format!("GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Tenant: {tenant}\r\n\r\n");
        raw(gateway, &head).await
    }
    let gateway = keeping(folder.path()).await;
    gateway.put_api(quota(3)).await.expect("applied");
    for _ in 0..2 {
        assert_eq!(status(&call(&gateway, "one").await), 200);
    }
    gateway.shutdown(std::time::Duration::from_secs(5)).await;

    let gateway = keeping(folder.path()).await;
    assert_eq!(status(&call(&gateway, "one").await), 200);
    let refused = call(&gateway, "one").await;
    assert_eq!(status(&refused), 429);
    assert_eq!(
        document(&refused)["type"],
        "https://gatehouse.dev/problems/gateway/quota-exceeded"
    );
    let wait: u64 = header(&refused, "Retry-After")
        .expect("a wait")
        .parse()
        .expect("a number");
    assert!((1..=31 * 86_400).contains(&wait), "{wait}");
    assert_eq!(status(&call(&gateway, "two").await), 200);
    gateway.put_api(quota(4)).await.expect("applied");
    assert_eq!(status(&call(&gateway, "one").await), 200);
    assert_eq!(status(&call(&gateway, "one").await), 429);
}
