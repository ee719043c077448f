//! What consumers are answered: the policies as Kong enforces them.

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    apis::{content, desired},
    callers::{
        only_the_keys_of_the_api_open_it, passwords_open_an_api,
        tokens_are_good_that_a_key_of_the_issuer_signed,
    },
    stage::Stage,
    under_test::Kind,
};

/// What is seen on every kind of Kong.
pub(crate) async fn everything(kind: &Kind) {
    operations_are_served_and_nothing_else(kind).await;
    only_the_keys_of_the_api_open_it(kind).await;
    passwords_open_an_api(kind).await;
    tokens_are_good_that_a_key_of_the_issuer_signed(kind).await;
    requests_and_answers_are_changed(kind).await;
    operations_have_policies_of_their_own(kind).await;
    browsers_are_told_before_they_call_and_nobody_else_gets_through(kind).await;
    rates_and_sizes_are_limited(kind).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_are_enforced_with_a_database() {
    everything(&Kind::Database).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_are_enforced_without_a_database() {
    everything(&Kind::WithoutDatabase).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_are_enforced_where_routes_are_expressions() {
    everything(&Kind::Expressions).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_are_enforced_on_an_older_version() {
    everything(&Kind::Older).await;
}

async fn operations_are_served_and_nothing_else(kind: &Kind) {
    let mut stage = Stage::new(kind).await;
    stage.deploy(1, &json!([])).await;
    for (path, forwarded) in [
        ("", "/api/"),
        ("/items", "/api/items"),
        ("/items/7", "/api/items/7"),
        ("/items/mine", "/api/items/mine"),
        ("/items/a%20b", "/api/items/a%20b"),
        ("/export/all.json", "/api/export/all.json"),
        ("/files/a/b/c", "/api/files/a/b/c"),
    ] {
        assert_eq!(stage.asked(path).await["path"], forwarded, "{kind:?}");
    }
    assert_eq!(
        stage.asked("/items?page=2&page=3").await["query"],
        "page=2&page=3"
    );
    for (method, path) in [
        (Method::GET, "/items/7/parts"),
        (Method::DELETE, "/items"),
        (Method::GET, "/itemsandmore"),
        (Method::GET, "/export/all.xml"),
        (Method::POST, ""),
        (Method::OPTIONS, "/items"),
    ] {
        let status = stage.status(stage.request(method.clone(), path)).await;
        assert_eq!(status, 404, "{kind:?} {method} {path}");
    }
}

async fn requests_and_answers_are_changed(kind: &Kind) {
    let mut stage = Stage::new(kind).await;
    let policies = json!([
        {"type": "headers", "with": {
            "request": {"remove": ["x-debug"], "set": {"x-from": "kong"}, "add": {"x-via": "gatehouse"}},
            "response": {"set": {"x-frame-options": "DENY"}}}},
        {"type": "rewrite", "with": {"query": {"remove": ["debug"], "set": {"source": "kong"}}}},
    ]);
    stage.deploy(1, &policies).await;
    let request = stage.request(Method::GET, "/items?debug=1&page=2");
    let request = request
        .header("x-debug", "1")
        .header("x-from", "me")
        .header("x-via", "proxy");
    let response = request.send().await.unwrap();
    assert_eq!(response.headers()["x-frame-options"], "DENY");
    let asked: Value = response.json().await.unwrap();
    assert_eq!(
        (&asked["headers"]["x-from"], asked["headers"].get("x-debug")),
        (&json!("kong"), None)
    );
    let query = asked["query"].as_str().unwrap_or_default();
    assert!(
        query.contains("page=2") && query.contains("source=kong") && !query.contains("debug"),
        "{query}"
    );
}

async fn operations_have_policies_of_their_own(kind: &Kind) {
    let mut stage = Stage::new(kind).await;
    let mut written = content(&format!("{}/api", stage.upstream.url), &json!([]));
    written["operations"][3]["policies"] = json!([{"type": "rewrite", "with": {"path": "/v2/{id}/whole"}}]);
    written["operations"][4]["policies"] = json!([{"type": "respond", "with": {
        "status": 203, "headers": {"content-type": "text/plain"}, "body": "mine"}}]);
    stage.deploy_this(&desired(1, &written)).await;
    assert_eq!(
        stage.asked("/items/7").await["path"],
        "/api/v2/7/whole",
        "{kind:?}"
    );
    let answer = stage.get("/items/mine").await;
    assert_eq!(answer.status(), 203, "{kind:?}");
    assert_eq!(answer.text().await.unwrap(), "mine");
    assert_eq!(stage.asked("/items").await["path"], "/api/items");
}

async fn browsers_are_told_before_they_call_and_nobody_else_gets_through(kind: &Kind) {
    let mut stage = Stage::new(kind).await;
    let policies = json!([
        {"type": "auth.apiKey", "with": {"keys": [{"consumer": "shop", "secretRef": "shop-key"}]}},
        {"type": "cors", "with": {"allowOrigins": ["https://app.example.com"], "allowMethods": ["GET"], "maxAgeSeconds": 60}},
    ]);
    stage.deploy(1, &policies).await;
    let preflight = stage.request(Method::OPTIONS, "/items/7");
    let preflight = preflight
        .header("origin", "https://app.example.com")
        .header("access-control-request-method", "GET");
    let answer = preflight.send().await.unwrap();
    assert_eq!(answer.status(), 200, "{kind:?}");
    assert_eq!(
        answer.headers()["access-control-allow-origin"],
        "https://app.example.com"
    );
    let plain = stage.status(stage.request(Method::OPTIONS, "/items/7")).await;
    assert!(matches!(plain, 401 | 404), "{kind:?}: {plain}");
    assert_eq!(
        stage.status(stage.request(Method::GET, "/items/7")).await,
        401,
        "{kind:?}"
    );
}

async fn rates_and_sizes_are_limited(kind: &Kind) {
    let mut stage = Stage::new(kind).await;
    let policies = json!([
        {"type": "ratelimit", "with": {"limits": [{"requests": 3, "per": "hour"}]}},
        {"type": "request.size", "with": {"maxBytes": 10}},
    ]);
    stage.deploy(1, &policies).await;
    let large = stage.request(Method::POST, "/items").body("more than ten bytes");
    assert_eq!(stage.status(large).await, 413);
    let mut refused = None;
    for _ in 0..4 {
        let answer = stage.get("/items").await;
        if answer.status() == 429 {
            refused = Some(answer);
        }
    }
    assert!(
        refused
            .expect("the limit is reached")
            .headers()
            .contains_key("retry-after")
    );
}
