//! Health, metrics, and what is served.

use std::net::SocketAddr;

use gatehouse_gateway_core::{Gateway, GatewayOptions};
use serde_json::{Value, json};

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
        "gatehouse_gateway_request_duration_seconds_count{api=\"orders\",status=\"2xx\"} 2\n",
        "gatehouse_gateway_apis 1\n",
        "the_embedders_own 1\n",
    ] {
        assert!(metrics.contains(expected), "{expected} in\n{metrics}");
    }
    assert!(!metrics.contains("/orders"), "no paths in\n{metrics}");
}

async fn fetch_json(address: SocketAddr, path: &str) -> Value {
    let (status, text) = fetch(address, path).await;
    assert_eq!(status, 200, "{path}: {text}");
    serde_json::from_str(&text).expect("JSON")
}

#[tokio::test]
async fn the_admin_listener_tells_what_is_served_and_no_secrets() {
    let options = GatewayOptions {
        admin_listen: Some("127.0.0.1:0".parse().unwrap()),
        worker_threads: Some(1),
        ..GatewayOptions::default()
    };
    let gateway = Gateway::start(options).await.expect("the gateway starts");
    let admin = gateway.admin_address().expect("an admin listener");
    let upstream = echo().await;
    for name in ["orders", "users"] {
        let operations = json!({
            "hostnames": ["a.test", "*.b.test"],
            "operations": [
                {"match": {"method": "GET", "path": "/{id}"}},
                {"match": {"method": "GET", "path": "/new"}},
            ],
            "policies": [
                {"type": "auth.apiKey", "with": {"in": "header", "name": "key", "keys": [{"consumer": "c", "secretRef": "s"}]}},
                {"type": "headers", "with": {"request": {"set": {"authorization": "Basic c2VjcmV0"}}}},
            ],
        });
        let mut config = api(name, upstream, operations);
        let hash = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";
        config
            .secret_hashes
            .insert("s".parse().expect("a name"), hash.to_owned());
        gateway.put_api(config).await.expect("applied");
    }
    let (_, text) = fetch(admin, "/config").await;
    assert!(text.contains("secretRef") && !text.contains("2bb80d53") && !text.contains("c2VjcmV0"));
    let config: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(config["apis"][0]["content"]["basePath"], "/orders");

    let all = fetch_json(admin, "/routes").await;
    assert_eq!(all["total"], 8);
    let mut paged = Vec::new();
    let mut next = Some("/routes?limit=3".to_owned());
    while let Some(path) = next {
        let page = fetch_json(admin, &path).await;
        paged.extend(page["routes"].as_array().expect("routes").clone());
        next = page["next"].as_str().map(str::to_owned);
    }
    assert_eq!(json!(paged), all["routes"]);
    assert_eq!(paged[2]["host"], "*.b.test");

    let explained = fetch_json(admin, "/explain?host=a.test&path=%2Forders%2Fnew&method=get").await;
    assert_eq!(explained["outcome"], "found");
    assert_eq!(explained["route"]["path"], "/orders/new");
    assert_eq!(explained["others"][0]["criterion"], "path");
    assert_eq!(
        explained["policies"][0]["origins"][0],
        "api/orders at /policies/0"
    );
    assert_eq!(fetch(admin, "/explain?host=a").await.0, 400);
    assert_eq!(fetch(admin, "/explain?path=/&hosts=a").await.0, 400);
}
