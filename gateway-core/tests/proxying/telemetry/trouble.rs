//! Collectors that are away, slow or unwilling, and the end of the gateway.

use std::time::{Duration, Instant};

use gatehouse_gateway_core::{Gateway, TelemetryOptions};
use http::{Response, StatusCode};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceResponse,
};
use prost::Message as _;
use serde_json::json;

use super::{nobody, serving};
use crate::{
    collector::{self, Collector, all_to},
    support::{api, echo, get, status},
};

/// The value of one line of `/metrics`.
fn counted(gateway: &Gateway, line: &str) -> u64 {
    let text = gateway.metrics_text();
    let found = text
        .lines()
        .find_map(|other| other.strip_prefix(line)?.trim().parse().ok());
    found.unwrap_or_else(|| panic!("no {line} in {text}"))
}

/// How many records of a signal were lost for this reason.
fn dropped(gateway: &Gateway, signal: &str, reason: &str) -> u64 {
    let line =
        format!("gatehouse_gateway_telemetry_dropped_total{{signal=\"{signal}\",reason=\"{reason}\"}}");
    counted(gateway, &line)
}

/// Ends a gateway, which must not wait for its receivers.
async fn ends_soon(gateway: Gateway) {
    let stopping = Instant::now();
    gateway.shutdown(Duration::from_secs(5)).await;
    let took = stopping.elapsed();
    assert!(took < Duration::from_secs(4), "{took:?}");
}

#[tokio::test]
async fn a_collector_that_is_away_is_no_trouble_for_requests_and_losses_are_counted() {
    let options = TelemetryOptions {
        queue: 8,
        ..all_to(nobody().await)
    };
    let gateway = serving(options, api("a", echo().await, json!({}))).await;
    for _ in 0..50 {
        assert_eq!(status(&get(&gateway, "/a").await), 200);
    }
    let full = dropped(&gateway, "traces", "queue_full");
    // Eight wait, and at most one batch of two is on its way.
    assert!((90..=92).contains(&full), "{full}");
    let full = dropped(&gateway, "logs", "queue_full");
    assert!((41..=42).contains(&full), "{full}");
    ends_soon(gateway).await;
}

#[tokio::test]
async fn a_collector_that_does_not_answer_holds_nobody_up() {
    let collector = Collector::answering(|_| None).await;
    let options = TelemetryOptions {
        queue: 8,
        flush: Duration::from_millis(300),
        ..collector.options()
    };
    let gateway = serving(options, api("a", echo().await, json!({}))).await;
    let started = Instant::now();
    for _ in 0..50 {
        assert_eq!(status(&get(&gateway, "/a").await), 200);
    }
    assert!(
        started.elapsed() < Duration::from_secs(8),
        "{:?}",
        started.elapsed()
    );
    let full = dropped(&gateway, "traces", "queue_full");
    assert!((90..=92).contains(&full), "{full}");
    ends_soon(gateway).await;
}

#[tokio::test]
async fn what_waits_at_the_end_is_sent() {
    let collector = Collector::start().await;
    let options = TelemetryOptions {
        batch: 1000,
        delay: Duration::from_secs(3600),
        ..collector.options()
    };
    let gateway = serving(options, api("a", echo().await, json!({}))).await;
    for _ in 0..3 {
        get(&gateway, "/a").await;
    }
    assert!(collector.spans_so_far().is_empty());
    gateway.shutdown(Duration::from_secs(5)).await;
    assert_eq!(collector.spans_so_far().len(), 6);
    assert_eq!(collector.logs(3).await.len(), 3);
    assert_eq!(collector.requests("/v1/metrics", 1).await.len(), 1);
    assert_eq!(collector.requests("/v1/traces", 1).await.len(), 1);
}

#[tokio::test]
async fn a_collector_that_has_no_time_is_asked_again() {
    let busy = |number| {
        let mut answer = collector::status(StatusCode::SERVICE_UNAVAILABLE);
        answer
            .headers_mut()
            .insert("retry-after", http::HeaderValue::from_static("0"));
        Some(if number < 2 { answer } else { Response::default() })
    };
    let collector = Collector::answering(busy).await;
    let options = TelemetryOptions {
        logs: None,
        ..collector.options()
    };
    let gateway = serving(options, api("a", echo().await, json!({}))).await;
    get(&gateway, "/a").await;
    assert_eq!(collector.requests("/v1/traces", 3).await.len(), 3);
    exported(&gateway, 2).await;
}

/// Waits until so many spans were taken.
async fn exported(gateway: &Gateway, expected: u64) {
    let deadline = Instant::now() + Duration::from_secs(20);
    let taken = || {
        counted(
            gateway,
            "gatehouse_gateway_telemetry_exported_total{signal=\"traces\"}",
        )
    };
    while taken() < expected {
        assert!(Instant::now() < deadline, "{}", gateway.metrics_text());
        tokio::task::yield_now().await;
    }
    assert_eq!(taken(), expected);
}

#[tokio::test]
async fn what_a_collector_does_not_want_is_counted_and_not_sent_again() {
    let partly = ExportTraceServiceResponse {
        partial_success: Some(ExportTracePartialSuccess {
            rejected_spans: 1,
            error_message: "too old".to_owned(),
        }),
    };
    let partly = partly.encode_to_vec();
    let collector = Collector::answering(move |number| {
        Some(match number {
            0 => collector::status(StatusCode::BAD_REQUEST),
            _ => Response::new(partly.clone().into()),
        })
    })
    .await;
    let options = TelemetryOptions {
        logs: None,
        ..collector.options()
    };
    let gateway = serving(options, api("a", echo().await, json!({}))).await;
    for count in [1, 2] {
        get(&gateway, "/a").await;
        assert_eq!(collector.requests("/v1/traces", count).await.len(), count);
    }
    exported(&gateway, 1).await;
    assert_eq!(dropped(&gateway, "traces", "refused"), 3);
}
