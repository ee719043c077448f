//! Health and metrics.

use std::net::SocketAddr;

use gatehouse_gateway_core::{Gateway, GatewayOptions};
use serde_json::json;

use crate::support::{api, echo, get};

async fn fetch(address: SocketAddr, path: &str) -> (u16, String) {
    let answer = reqwest::get(format!("http://{address}{path}"))
        .await
        .expect("an answer");
    (answer.status().as_u16(), answer.text().await.expect("text"))
}

#[tokio::test]
async fn readiness_waits_for_a_configuration_and_metrics_count_by_api() {
    let options = GatewayOptions {
        admin_listen: Some("127.0.0.1:0".parse().unwrap()),
        worker_threads: Some(2),
        ..GatewayOptions::default()
    };
    let gateway = Gateway::start(options).await.expect("the gateway starts");
    let admin = gateway.admin_address().expect("an admin listener");
    assert_eq!(fetch(admin, "/healthz").await.0, 200);
    assert_eq!(fetch(admin, "/readyz").await.0, 503);
    gateway.mark_ready();
    assert_eq!(fetch(admin, "/readyz").await.0, 200);
    assert_eq!(fetch(admin, "/other").await.0, 404);

    gateway
        .put_api(api("orders", echo().await, json!({})))
        .await
        .expect("applied");
    for path in ["/orders/1", "/orders/2", "/missing"] {
        get(&gateway, path).await;
    }
    gateway.add_metrics(|| "the_embedders_own 1\n".to_owned());
    let (_, metrics) = fetch(admin, "/metrics").await;
    for expected in [
        "gatehouse_gateway_requests_total{api=\"orders\",status=\"2xx\"} 2\n",
        "gatehouse_gateway_requests_total{api=\"\",status=\"4xx\"} 1\n",
        "gatehouse_gateway_request_duration_seconds_count{api=\"orders\"} 2\n",
        "gatehouse_gateway_apis 1\n",
        "the_embedders_own 1\n",
    ] {
        assert!(metrics.contains(expected), "{expected} in\n{metrics}");
    }
    assert!(!metrics.contains("/orders"), "no paths in\n{metrics}");
}
