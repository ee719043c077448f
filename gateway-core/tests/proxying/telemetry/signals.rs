//! The access log and the metrics.

use std::time::Duration;

use gatehouse_gateway_core::TelemetryOptions;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use serde_json::json;

use super::{request, serving, shop_key};
use crate::{
    collector::{Collector, attributes, by_kind},
    policies::with_key,
    support::{api, echo, get, raw},
};

#[tokio::test]
async fn the_exported_access_log_belongs_to_the_span() {
    let collector = Collector::start().await;
    let log = json!({"type": "log", "with": {"requestHeaders": ["X-Tenant"]}});
    let config = api("a", echo().await, json!({"policies": [log, shop_key()]}));
    let gateway = serving(collector.options(), with_key(config, "shop-key", "s3cret")).await;
    let headers = "X-API-Key: s3cret\r\nX-Tenant: t-1\r\nX-Other: s3cret\r\n";
    raw(&gateway, &request("/a/b?c=s3cret", headers)).await;
    let (servers, _) = by_kind(collector.spans(2).await);
    let logs = collector.logs(1).await;
    assert_eq!(logs[0].trace_id, servers[0].trace_id);
    assert_eq!(logs[0].span_id, servers[0].span_id);
    let said = attributes(&logs[0].attributes);
    for (key, expected) in [
        ("http.request.method", "GET"),
        ("url.path", "/a/b"),
        ("http.response.status_code", "200"),
        ("gatehouse.api", "a"),
        ("gatehouse.consumer", "shop"),
        ("gatehouse.complete", "true"),
        ("http.request.header.x-tenant", "t-1"),
    ] {
        assert_eq!(said[key], expected, "{key}");
    }
    assert!(!format!("{logs:?}").contains("s3cret"), "{logs:?}");
}

#[tokio::test]
async fn metrics_are_those_of_the_metrics_page() {
    let collector = Collector::start().await;
    let options = TelemetryOptions {
        metric_interval: Duration::from_millis(200),
        ..collector.options()
    };
    let gateway = serving(options, api("a", echo().await, json!({}))).await;
    for _ in 0..3 {
        get(&gateway, "/a").await;
    }
    gateway.shutdown(Duration::from_secs(5)).await;
    let metrics = collector.metrics().await;
    let duration = metrics
        .iter()
        .find(|metric| metric.name == "http.server.request.duration")
        .unwrap_or_else(|| panic!("{metrics:?}"));
    let Some(Data::Histogram(histogram)) = &duration.data else {
        panic!("{duration:?}");
    };
    let counted: Vec<_> = histogram
        .data_points
        .iter()
        .map(|point| (attributes(&point.attributes), point.count))
        .filter(|(attributes, _)| attributes["gatehouse.api"] == "a")
        .collect();
    let [(labels, 3)] = &counted[..] else {
        panic!("{counted:?}");
    };
    assert_eq!(labels["gatehouse.status_class"], "2xx");
    assert!(
        metrics
            .iter()
            .any(|metric| metric.name == "gatehouse_gateway_requests")
    );
    assert!(
        metrics
            .iter()
            .any(|metric| metric.name == "gatehouse_gateway_apis")
    );
}
