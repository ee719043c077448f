//! What consumers meet when an upstream fails, and what the gateway tells its operators.

use gatehouse_integration_tests::{
    database::Database,
    ports::free_address,
    stack::{Stack, api},
    upstream::Upstream,
    wait,
};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_is_down_is_a_502_and_its_return_is_noticed() {
    let stack = Stack::start(Database::Sqlite).await;
    let address = free_address();
    stack
        .admin
        .apply(json!([api("orders", &format!("http://{address}"))]))
        .await;
    stack.admin.deploy_and_wait("orders", None, "local").await;
    expect_problem(stack.gateway.call("/orders/1").await, 502).await;

    let upstream = Upstream::listen("orders", address).await;
    assert_eq!(stack.gateway.call("/orders/1").await.status(), 200);
    drop(upstream);
    wait::until_true("the upstream is down again", async || {
        stack.gateway.call("/orders/1").await.status() == 502
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_is_slow_is_a_504() {
    let stack = Stack::start(Database::Sqlite).await;
    let upstream = Upstream::start("orders").await;
    let mut document = api("orders", &upstream.url());
    document["spec"]["upstreams"]["main"]["timeoutMs"] = json!(200);
    stack.admin.apply(json!([document])).await;
    stack.admin.deploy_and_wait("orders", None, "local").await;
    expect_problem(stack.gateway.call("/orders/never").await, 504).await;
    assert_eq!(
        stack.gateway.call("/orders/1").await.status(),
        200,
        "others are served"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn no_route_is_told_from_an_upstream_that_knows_no_such_thing() {
    let stack = Stack::start(Database::Sqlite).await;
    let problem = expect_problem(stack.gateway.call("/nobody/home").await, 404).await;
    let kind = problem["type"].as_str().unwrap();
    assert!(kind.contains("no-route") || kind.contains("route"), "{problem:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateway_and_the_control_plane_tell_health_and_metrics() {
    let stack = Stack::start(Database::Sqlite).await;
    let upstream = Upstream::start("orders").await;
    stack.admin.apply(json!([api("orders", &upstream.url())])).await;
    stack.admin.deploy_and_wait("orders", None, "local").await;
    assert_eq!(stack.gateway.call("/orders/1").await.status(), 200);
    for base in [stack.gateway.admin_url(""), stack.control_plane.admin_url()] {
        for path in ["/healthz", "/readyz", "/metrics"] {
            let response = reqwest::get(format!("{base}{path}")).await.unwrap();
            assert_eq!(response.status(), 200, "{base}{path}");
        }
    }
    let metrics = reqwest::get(stack.gateway.admin_url("/metrics")).await.unwrap();
    let metrics = metrics.text().await.unwrap();
    assert!(
        metrics.contains("orders"),
        "requests are counted per API:\n{metrics}"
    );
}

async fn expect_problem(response: reqwest::Response, status: u16) -> Value {
    assert_eq!(response.status(), status);
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let problem: Value = response.json().await.unwrap();
    assert_eq!(problem["status"], status, "{problem:#}");
    problem
}
