//! What receivers get, as they want it: with their token, over TLS, and so that others can read it.

use std::{collections::BTreeMap, net::SocketAddr, process::Stdio, time::Duration};

use gatehouse_gateway_core::{OtlpReceiver, TelemetryOptions};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};

use super::{header, keeping, request, serving, traceparent};
use crate::{
    collector::{Collector, all_to},
    support::{api, echo, get, raw},
    upstream_tls::{acceptor, an_authority},
};

#[tokio::test]
async fn a_collector_gets_its_token_and_compressed_bodies() {
    let collector = Collector::start().await;
    let mut options = collector.options();
    if let Some(traces) = &mut options.traces {
        traces.gzip = true;
        traces.headers = vec![("authorization".to_owned(), "Bearer t0ken".to_owned().into())];
    }
    let gateway = serving(options, api("a", echo().await, json!({}))).await;
    get(&gateway, "/a").await;
    let got = collector.requests("/v1/traces", 1).await;
    assert_eq!(header(&got[0].headers, "authorization"), "Bearer t0ken");
    assert_eq!(header(&got[0].headers, "content-type"), "application/x-protobuf");
    assert_eq!(collector.spans(2).await.len(), 2);
    assert!(!gateway.metrics_text().contains("t0ken"));
}

#[tokio::test]
async fn a_collector_proves_who_it_is() {
    let authority = an_authority();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("authority.pem");
    std::fs::write(&file, authority.pem()).expect("written");
    let collector = Collector::secure(acceptor(&authority)).await;
    let url = format!("https://localhost:{}/v1/traces", collector.address.port());
    let to = |authorities_file| TelemetryOptions {
        traces: Some(OtlpReceiver {
            authorities_file,
            ..OtlpReceiver::new(&*url)
        }),
        metrics: None,
        logs: None,
        ..collector.options()
    };
    for trusted in [Some(file), None] {
        let gateway = serving(to(trusted), api("a", echo().await, json!({}))).await;
        get(&gateway, "/a").await;
        gateway.shutdown(Duration::from_secs(5)).await;
        // Nothing more comes from the one that does not trust it.
        assert_eq!(collector.spans(2).await.len(), 2);
    }
}

/// The OpenTelemetry project's own reading of what is sent, in another language.
#[tokio::test]
async fn the_messages_of_opentelemetry_for_python_know_every_field() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/proxying/otlp_reader.py");
    let mut reader = tokio::process::Command::new("python3");
    reader
        .arg(script)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let Ok(mut reader) = reader.spawn() else {
        return println!("SKIPPED: there is no python3");
    };
    let mut said = BufReader::new(reader.stdout.take().expect("a pipe")).lines();
    let Some(port) = said.next_line().await.expect("text") else {
        return println!("SKIPPED: python3 has no `opentelemetry-proto`");
    };
    let mut options = all_to(SocketAddr::from(([127, 0, 0, 1], port.parse().expect("a port"))));
    if let Some(logs) = &mut options.logs {
        logs.gzip = true;
    }
    let (address, _) = keeping(&[503]).await;
    let retry = json!({"type": "retry", "with": {"attempts": 1, "on": ["unavailable"], "backoffMs": 1}});
    let log = json!({"type": "log", "with": {"requestHeaders": ["host"]}});
    let gateway = serving(options, api("a", address, json!({"policies": [retry, log]}))).await;
    raw(
        &gateway,
        &request("/a", &format!("{}tracestate: a=1\r\n", traceparent("01"))),
    )
    .await;
    gateway.shutdown(Duration::from_secs(5)).await;
    let mut messages = BTreeMap::new();
    while messages.len() < 3 {
        let line = said.next_line().await.expect("text").expect("a message");
        let mut said: Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(said["unknown"], 0, "{said}");
        let path = said["path"].as_str().expect("a path").to_owned();
        messages.insert(path, said["message"].take());
    }
    let spans = &messages["/v1/traces"]["resourceSpans"][0]["scopeSpans"][0]["spans"];
    let kinds: Vec<_> = spans
        .as_array()
        .expect("spans")
        .iter()
        .map(|span| &span["kind"])
        .collect();
    assert_eq!(
        kinds,
        ["SPAN_KIND_SERVER", "SPAN_KIND_CLIENT", "SPAN_KIND_CLIENT"]
    );
    assert_eq!(spans[0]["traceState"], "a=1");
    assert_eq!(spans[1]["parentSpanId"], spans[0]["spanId"]);
    assert_eq!(spans[1]["status"]["code"], "STATUS_CODE_ERROR");
    let record = &messages["/v1/logs"]["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0];
    assert_eq!(record["spanId"], spans[0]["spanId"]);
    assert_eq!(record["severityNumber"], "SEVERITY_NUMBER_INFO");
    let metrics = &messages["/v1/metrics"]["resourceMetrics"][0]["scopeMetrics"][0]["metrics"];
    let metrics = metrics.as_array().expect("metrics").iter();
    let duration = metrics.filter(|metric| metric["name"] == "http.server.request.duration");
    let points: Vec<_> = duration
        .flat_map(|metric| metric["histogram"]["dataPoints"].as_array())
        .flatten()
        .collect();
    assert_eq!(points[0]["count"], "1");
}
