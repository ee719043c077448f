//! Which trace a request belongs to, and what upstreams are told of it.

use gatehouse_gateway_core::{Sampler, TelemetryOptions, TraceContextFrom};
use serde_json::json;

use super::{PARENT, TRACE, header, keeping, request, serving, traceparent};
use crate::{
    collector::{Collector, by_kind, hexadecimal},
    support::{api, raw},
};

#[tokio::test]
async fn a_trace_that_is_not_recorded_goes_on_unrecorded() {
    let collector = Collector::start().await;
    let (address, seen) = keeping(&[]).await;
    let options = TelemetryOptions {
        sampler: Sampler {
            share: 0.0,
            follow_parent: true,
        },
        ..collector.options()
    };
    let gateway = serving(options, api("a", address, json!({}))).await;
    for headers in [traceparent("00"), String::new(), traceparent("01")] {
        raw(&gateway, &request("/a", &headers)).await;
    }
    // Only the last one is recorded; what is sent first is what was noted first.
    let (servers, _) = by_kind(collector.spans(2).await);
    assert_eq!(servers.len(), 1);
    assert_eq!(hexadecimal(&servers[0].parent_span_id), PARENT);
    let seen = seen.lock().unwrap();
    let unrecorded = header(&seen[0], "traceparent");
    assert!(
        unrecorded.starts_with(&format!("00-{TRACE}-")) && unrecorded.ends_with("-00"),
        "{unrecorded}"
    );
    assert!(!unrecorded.contains(PARENT), "{unrecorded}");
    let new = header(&seen[1], "traceparent");
    assert!(!new.contains(TRACE) && new.ends_with("-02"), "{new}");
}

#[tokio::test]
async fn who_is_not_believed_begins_a_new_trace_that_links_to_the_one_said() {
    let collector = Collector::start().await;
    let (address, seen) = keeping(&[]).await;
    let options = TelemetryOptions {
        trace_context: TraceContextFrom::TrustedProxies,
        ..collector.options()
    };
    let gateway = serving(options, api("a", address, json!({}))).await;
    raw(
        &gateway,
        &request("/a", &format!("{}tracestate: a=1\r\n", traceparent("01"))),
    )
    .await;
    let (servers, _) = by_kind(collector.spans(2).await);
    assert_ne!(hexadecimal(&servers[0].trace_id), TRACE);
    assert!(servers[0].parent_span_id.is_empty());
    assert_eq!(hexadecimal(&servers[0].links[0].trace_id), TRACE);
    assert_eq!(hexadecimal(&servers[0].links[0].span_id), PARENT);
    let seen = seen.lock().unwrap();
    assert!(!header(&seen[0], "traceparent").contains(TRACE));
    assert!(!seen[0].contains_key("tracestate"));
}

#[tokio::test]
async fn without_traces_the_callers_headers_pass_as_they_are() {
    let collector = Collector::start().await;
    let (address, seen) = keeping(&[]).await;
    let options = TelemetryOptions {
        traces: None,
        ..collector.options()
    };
    let exporting = serving(options, api("a", address, json!({}))).await;
    let silent = crate::support::gateway().await;
    silent
        .put_api(api("a", address, json!({})))
        .await
        .expect("applied");
    for gateway in [&exporting, &silent] {
        raw(gateway, &request("/a", "traceparent: odd\r\ntracestate: =,=\r\n")).await;
    }
    for headers in &*seen.lock().unwrap() {
        assert_eq!(header(headers, "traceparent"), "odd");
        assert_eq!(header(headers, "tracestate"), "=,=");
    }
    assert_eq!(seen.lock().unwrap().len(), 2);
}

/// Policies have the last word on what an upstream sees.
#[tokio::test]
async fn an_upstream_that_is_to_see_no_trace_sees_none() {
    let collector = Collector::start().await;
    let (address, seen) = keeping(&[]).await;
    let remove = json!({"type": "headers", "with": {"request": {"remove": ["traceparent", "tracestate"]}}});
    let gateway = serving(
        collector.options(),
        api("a", address, json!({"policies": [remove]})),
    )
    .await;
    raw(
        &gateway,
        &request("/a", &format!("{}tracestate: a=1\r\n", traceparent("01"))),
    )
    .await;
    collector.spans(2).await;
    let seen = seen.lock().unwrap();
    assert!(!seen[0].contains_key("traceparent") && !seen[0].contains_key("tracestate"));
}
