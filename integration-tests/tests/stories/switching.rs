//! A thousand switches between two revisions under constant load: no request fails, and none is answered by a
//! mixture of both.

use gatehouse_integration_tests::{
    database::Database,
    load::Load,
    stack::{Stack, api},
    upstream::Upstream,
};
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

const DEPLOYS: u64 = 1_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_switches_under_load_fail_no_request_and_mix_no_revisions() {
    let stack = Stack::start(Database::Sqlite).await;
    let one = Upstream::start("one").await;
    let two = Upstream::start("two").await;
    stack.admin.apply(json!([revision("one", &one)])).await;
    stack.admin.apply(json!([revision("two", &two)])).await;
    stack.admin.deploy_and_wait("orders", Some(1), "local").await;

    let load = Load::start(8, &stack.gateway.url("/orders/1"), describe);
    for number in 0..DEPLOYS {
        let (wanted, name) = if number % 2 == 0 { (2, "two") } else { (1, "one") };
        stack.admin.deploy_and_wait("orders", Some(wanted), "local").await;
        let response = stack.gateway.call("/orders/1").await;
        assert_eq!(
            response.headers()["x-upstream"],
            name,
            "deploy {number}: once a revision is reported deployed, it answers"
        );
    }
    let answers = load.finish().await;

    let expected = ["200 one one one", "200 two two two"];
    let seen: Vec<&str> = answers.keys().map(String::as_str).collect();
    assert_eq!(seen, expected, "{answers:?}");
    println!("{DEPLOYS} deploys, answers: {answers:?}");
}

/// A revision that shows in three places: where the request goes, what the request carries, what the answer carries.
fn revision(name: &str, upstream: &Upstream) -> Value {
    let mut document = api("orders", &upstream.url());
    document["spec"]["policies"] = json!([{"type": "headers", "with": {
        "request": {"set": {"x-request-revision": name}},
        "response": {"set": {"x-response-revision": name}},
    }}]);
    document
}

fn describe(status: u16, headers: &HeaderMap, body: &Value) -> String {
    let header = headers.get("x-response-revision");
    format!(
        "{status} {} {} {}",
        body["upstream"].as_str().unwrap_or("?"),
        body["headers"]["x-request-revision"].as_str().unwrap_or("?"),
        header.and_then(|value| value.to_str().ok()).unwrap_or("?"),
    )
}
