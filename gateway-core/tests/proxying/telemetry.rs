//! Spans, metrics and the access log as a collector gets them.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    process::Stdio,
    sync::{Arc, Mutex},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use futures_util::StreamExt as _;
use gatehouse_gateway_core::{
    ApiConfig, Gateway, GatewayOptions, OtlpReceiver, Sampler, TelemetryOptions, TraceContextFrom,
};
use http::{HeaderMap, Response, StatusCode};
use http_body_util::BodyExt as _;
use opentelemetry_proto::tonic::{
    collector::trace::v1::{ExportTracePartialSuccess, ExportTraceServiceResponse},
    metrics::v1::metric::Data,
    trace::v1::Span,
};
use prost::Message as _;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
};

use crate::{
    collector::{self, Collector, all_to, attribute, attributes, by_kind, hexadecimal},
    grpc,
    policies::with_key,
    support::{api, echo, get, raw, status, upstream},
    upstream_tls::{acceptor, an_authority},
};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

async fn start(telemetry: TelemetryOptions) -> Gateway {
    let options = GatewayOptions {
        worker_threads: Some(1),
        access_log: true,
        telemetry: Some(telemetry),
        ..GatewayOptions::default()
    };
    Gateway::start(options).await.expect("the gateway starts")
}

async fn serving(telemetry: TelemetryOptions, config: ApiConfig) -> Gateway {
    let gateway = start(telemetry).await;
    gateway.put_api(config).await.expect("applied");
    gateway
}

/// An upstream that keeps the trace headers of each request, and answers with these statuses in turn, then with 200.
async fn keeping(statuses: &'static [u16]) -> (SocketAddr, Arc<Mutex<Vec<HeaderMap>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&seen);
    let address = upstream(move |request| {
        let mut kept = kept.lock().unwrap();
        let status = statuses.get(kept.len()).copied().unwrap_or(200);
        kept.push(request.head.headers);
        let mut answer = Response::new("ok".to_owned());
        *answer.status_mut() = StatusCode::from_u16(status).unwrap();
        answer
    })
    .await;
    (address, seen)
}

fn header<'h>(headers: &'h HeaderMap, name: &str) -> &'h str {
    headers
        .get(name)
        .map_or("", |value| value.to_str().expect("text"))
}

fn request(path: &str, headers: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: shop.example.com\r\nConnection: close\r\n{headers}\r\n")
}

fn traceparent(flags: &str) -> String {
    format!("traceparent: 00-{TRACE}-{PARENT}-{flags}\r\n")
}

/// The header that tells of this span.
fn told(span: &Span, flags: &str) -> String {
    format!(
        "00-{}-{}-{flags}",
        hexadecimal(&span.trace_id),
        hexadecimal(&span.span_id)
    )
}

fn nanoseconds(time: SystemTime) -> u64 {
    u64::try_from(time.duration_since(UNIX_EPOCH).expect("after 1970").as_nanos()).expect("a number")
}

#[tokio::test]
async fn a_request_is_a_span_below_its_callers_and_the_upstream_is_told_of_the_one_below_that() {
    let collector = Collector::start().await;
    let (address, seen) = keeping(&[]).await;
    let operations = json!({"operations": [{"id": "getOrder", "match": {"method": "GET", "path": "/{id}"}}]});
    let gateway = serving(collector.options(), api("orders", address, operations)).await;
    let before = nanoseconds(SystemTime::now());
    let headers = format!(
        "{}tracestate: a=1\r\ntracestate: b=2\r\nX-Request-Id: r-7\r\n",
        traceparent("01")
    );
    let answer = raw(&gateway, &request("/orders/7?token=s3cret", &headers)).await;
    assert_eq!(status(&answer), 200);
    let (servers, clients) = by_kind(collector.spans(2).await);
    let ([server], [client]) = (&servers[..], &clients[..]) else {
        panic!("{servers:?} {clients:?}");
    };
    assert_eq!(hexadecimal(&server.trace_id), TRACE);
    assert_eq!(hexadecimal(&server.parent_span_id), PARENT);
    assert_eq!(server.name, "GET /orders/{id}");
    assert_eq!(server.trace_state, "a=1,b=2");
    for (key, expected) in [
        ("http.route", "/orders/{id}"),
        ("url.path", "/orders/7"),
        ("server.address", "shop.example.com"),
        ("client.address", "127.0.0.1"),
        ("http.response.status_code", "200"),
        ("network.protocol.version", "1.1"),
        ("gatehouse.api", "orders"),
        ("gatehouse.operation", "getOrder"),
        ("gatehouse.request_id", "r-7"),
    ] {
        assert_eq!(attribute(server, key), expected, "{key}");
    }
    assert_eq!(client.trace_id, server.trace_id);
    assert_eq!(client.parent_span_id, server.span_id);
    assert_eq!(attribute(client, "server.port"), address.port().to_string());
    assert_eq!(attribute(client, "url.full"), format!("http://{address}/7"));
    assert_eq!(attribute(client, "http.response.status_code"), "200");
    assert!(!format!("{servers:?} {clients:?}").contains("s3cret"));
    {
        let seen = seen.lock().unwrap();
        assert_eq!(header(&seen[0], "traceparent"), told(client, "01"));
        assert_eq!(header(&seen[0], "tracestate"), "a=1,b=2");
    }
    assert!(before <= server.start_time_unix_nano);
    assert!(server.start_time_unix_nano <= client.start_time_unix_nano);
    assert!(client.end_time_unix_nano <= server.end_time_unix_nano);
    let resource = collector.resource();
    assert_eq!(resource["service.name"], "gatehouse-gateway");
    assert!(!resource["service.instance.id"].is_empty());
    gateway.shutdown(Duration::ZERO).await;
}

#[tokio::test]
async fn each_time_that_a_request_is_sent_is_a_span_of_its_own() {
    let collector = Collector::start().await;
    let (address, seen) = keeping(&[503, 503]).await;
    let retry = json!({"type": "retry", "with": {"attempts": 2, "on": ["unavailable"], "backoffMs": 1}});
    let gateway = serving(
        collector.options(),
        api("a", address, json!({"policies": [retry]})),
    )
    .await;
    assert_eq!(status(&get(&gateway, "/a").await), 200);
    let (servers, clients) = by_kind(collector.spans(4).await);
    assert_eq!((servers.len(), clients.len()), (1, 3));
    assert_eq!(attribute(&servers[0], "http.response.status_code"), "200");
    assert!(servers[0].status.is_none());
    let seen = seen.lock().unwrap();
    for (number, client) in clients.iter().enumerate() {
        assert_eq!(
            header(&seen[number], "traceparent"),
            told(client, "03"),
            "{number}"
        );
        assert_eq!(client.parent_span_id, servers[0].span_id);
        let (again, error) = [("", "503"), ("1", "503"), ("2", "")][number];
        assert_eq!(attribute(client, "http.request.resend_count"), again);
        assert_eq!(attribute(client, "error.type"), error);
        assert!(client.end_time_unix_nano <= servers[0].end_time_unix_nano);
    }
    assert!(clients[0].end_time_unix_nano <= clients[1].start_time_unix_nano);
}

#[tokio::test]
async fn a_refused_request_has_a_span_that_says_why() {
    let collector = Collector::start().await;
    let (address, seen) = keeping(&[]).await;
    let key =
        json!({"type": "auth.apiKey", "with": {"keys": [{"consumer": "shop", "secretRef": "shop-key"}]}});
    let config = with_key(
        api("a", address, json!({"policies": [key]})),
        "shop-key",
        "s3cret",
    );
    let gateway = serving(collector.options(), config).await;
    let dead = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let nobody = dead.local_addr().expect("an address");
    drop(dead);
    gateway
        .put_api(api("dead", nobody, json!({})))
        .await
        .expect("applied");
    for (path, code, problem, error, name, attempts) in [
        ("/a/b", 401, "unauthenticated", "", "GET /a/{path...}", 0),
        ("/nothing", 404, "no-route", "", "GET", 0),
        ("/%zz", 400, "bad-request", "", "GET", 0),
        (
            "/dead",
            502,
            "upstream-unreachable",
            "upstream-unreachable",
            "GET /dead/{path...}",
            1,
        ),
    ] {
        let before = collector.spans_so_far().len();
        let answer = raw(&gateway, &request(path, "X-API-Key: wrong-s3cret\r\n")).await;
        assert_eq!(status(&answer), code, "{path}");
        let new = collector.spans(before + 1 + attempts).await.split_off(before);
        let (servers, clients) = by_kind(new);
        assert_eq!((servers.len(), clients.len()), (1, attempts), "{path}");
        let server = &servers[0];
        assert_eq!(server.name, name);
        assert_eq!(attribute(server, "http.response.status_code"), code.to_string());
        assert_eq!(attribute(server, "gatehouse.problem"), problem);
        assert_eq!(attribute(server, "error.type"), error);
        assert_eq!(server.status.is_some(), !error.is_empty(), "{path}");
        assert!(!format!("{server:?}").contains("s3cret"));
        for client in clients {
            assert_eq!(attribute(&client, "error.type"), "connection_failed");
        }
    }
    assert!(seen.lock().unwrap().is_empty());
}

/// Reads until the text has come.
async fn read_until(stream: &mut TcpStream, text: &str) {
    let mut read = Vec::new();
    while !String::from_utf8_lossy(&read).contains(text) {
        assert!(stream.read_buf(&mut read).await.expect("readable") > 0);
    }
}

#[tokio::test]
async fn spans_of_a_streamed_answer_end_when_its_body_does() {
    let collector = Collector::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let gateway = serving(collector.options(), api("a", address, json!({}))).await;
    let mut caller = TcpStream::connect(gateway.address()).await.expect("a connection");
    caller
        .write_all(request("/a", "").as_bytes())
        .await
        .expect("sent");
    let (mut upstream, _) = listener.accept().await.expect("a connection");
    read_until(&mut upstream, "\r\n\r\n").await;
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n";
    upstream.write_all(head.as_bytes()).await.expect("sent");
    read_until(&mut caller, "first").await;
    let ending = nanoseconds(SystemTime::now());
    upstream.write_all(b"4\r\nlast\r\n0\r\n\r\n").await.expect("sent");
    read_until(&mut caller, "last\r\n0\r\n\r\n").await;
    let (servers, clients) = by_kind(collector.spans(2).await);
    assert!(servers[0].end_time_unix_nano > ending);
    assert_eq!(clients[0].end_time_unix_nano, servers[0].end_time_unix_nano);
    assert!(servers[0].status.is_none());
}

#[tokio::test]
async fn a_caller_that_leaves_and_an_upstream_that_breaks_off_can_be_told_apart() {
    let collector = Collector::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let gateway = serving(collector.options(), api("a", address, json!({}))).await;
    let mut caller = TcpStream::connect(gateway.address()).await.expect("a connection");
    caller
        .write_all(request("/a", "").as_bytes())
        .await
        .expect("sent");
    let (mut upstream, _) = listener.accept().await.expect("a connection");
    read_until(&mut upstream, "\r\n\r\n").await;
    drop(caller);
    let (servers, clients) = by_kind(collector.spans(2).await);
    assert_eq!(attribute(&servers[0], "error.type"), "cancelled");
    assert_eq!(attribute(&servers[0], "http.response.status_code"), "");
    assert_eq!(attribute(&servers[0], "gatehouse.api"), "a");
    assert_eq!(attribute(&clients[0], "error.type"), "cancelled");
    let mut caller = TcpStream::connect(gateway.address()).await.expect("a connection");
    caller
        .write_all(request("/a", "").as_bytes())
        .await
        .expect("sent");
    let (mut upstream, _) = listener.accept().await.expect("a connection");
    read_until(&mut upstream, "\r\n\r\n").await;
    let part = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf";
    upstream.write_all(part.as_bytes()).await.expect("sent");
    drop(upstream);
    let (servers, _) = by_kind(collector.spans(4).await);
    assert_eq!(attribute(&servers[1], "error.type"), "response_broken_off");
    assert_eq!(attribute(&servers[1], "http.response.status_code"), "200");
}

#[tokio::test]
async fn a_grpc_call_says_how_it_ended() {
    let collector = Collector::start().await;
    let (address, _) = grpc::server().await;
    let gateway = serving(collector.options(), api("a", address, grpc::http2(address))).await;
    let answer = grpc::call(&gateway, "/a/pkg.Service/Echo", &[]).await;
    let body = answer.collect().await.expect("a body");
    assert!(body.trailers().is_some());
    let (servers, clients) = by_kind(collector.spans(2).await);
    for (key, expected) in [
        ("rpc.system.name", "grpc"),
        ("rpc.method", "pkg.Service/Echo"),
        ("rpc.response.status_code", "OK"),
        ("network.protocol.version", "2"),
        ("error.type", ""),
    ] {
        assert_eq!(attribute(&servers[0], key), expected, "{key}");
    }
    assert_eq!(attribute(&clients[0], "network.protocol.version"), "2");
    let slow = grpc::call(&gateway, "/a/pkg.Service/Slow", &[("grpc-timeout", "50m")]).await;
    assert_eq!(header(slow.headers(), "grpc-status"), "4");
    let (servers, clients) = by_kind(collector.spans(4).await);
    assert_eq!(
        attribute(&servers[1], "rpc.response.status_code"),
        "DEADLINE_EXCEEDED"
    );
    assert_eq!(attribute(&servers[1], "error.type"), "upstream-timeout");
    assert_eq!(attribute(&clients[1], "error.type"), "timeout");
}

#[tokio::test]
async fn a_websocket_is_a_span_as_long_as_its_handshake() {
    let collector = Collector::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (saying, said) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a connection");
        let mut saying = Some(saying);
        #[expect(clippy::result_large_err, reason = "the callback's type is the library's")]
        let keep = |request: &http::Request<()>, answer| {
            let kept = header(request.headers(), "traceparent").to_owned();
            saying
                .take()
                .expect("one handshake")
                .send(kept)
                .expect("somebody listens");
            Ok(answer)
        };
        let mut socket = tokio_tungstenite::accept_hdr_async(stream, keep)
            .await
            .expect("a handshake");
        while socket.next().await.is_some() {}
    });
    let gateway = serving(collector.options(), api("a", address, json!({}))).await;
    let url = format!("ws://{}/a", gateway.address());
    let (_open, answer) = tokio_tungstenite::connect_async(url).await.expect("a handshake");
    assert_eq!(answer.status(), 101);
    let (servers, clients) = by_kind(collector.spans(2).await);
    assert_eq!(attribute(&servers[0], "http.response.status_code"), "101");
    assert_eq!(attribute(&clients[0], "http.response.status_code"), "101");
    assert_eq!(said.await.expect("a header"), told(&clients[0], "03"));
}

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

#[tokio::test]
async fn the_exported_access_log_belongs_to_the_span() {
    let collector = Collector::start().await;
    let key =
        json!({"type": "auth.apiKey", "with": {"keys": [{"consumer": "shop", "secretRef": "shop-key"}]}});
    let log = json!({"type": "log", "with": {"requestHeaders": ["X-Tenant"]}});
    let config = api("a", echo().await, json!({"policies": [log, key]}));
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

/// The value of one line of `/metrics`.
fn counted(gateway: &Gateway, line: &str) -> u64 {
    let text = gateway.metrics_text();
    let found = text
        .lines()
        .find_map(|other| other.strip_prefix(line)?.trim().parse().ok());
    found.unwrap_or_else(|| panic!("no {line} in {text}"))
}

#[tokio::test]
async fn a_collector_that_is_away_is_no_trouble_for_requests_and_losses_are_counted() {
    let dead = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let nobody = dead.local_addr().expect("an address");
    drop(dead);
    let options = TelemetryOptions {
        queue: 8,
        ..all_to(nobody)
    };
    let gateway = serving(options, api("a", echo().await, json!({}))).await;
    for _ in 0..50 {
        assert_eq!(status(&get(&gateway, "/a").await), 200);
    }
    let full = counted(
        &gateway,
        "gatehouse_gateway_telemetry_dropped_total{signal=\"traces\",reason=\"queue_full\"}",
    );
    // Eight wait, and at most one batch of two is on its way.
    assert!((90..=92).contains(&full), "{full}");
    let full = counted(
        &gateway,
        "gatehouse_gateway_telemetry_dropped_total{signal=\"logs\",reason=\"queue_full\"}",
    );
    assert!((41..=42).contains(&full), "{full}");
    let stopping = Instant::now();
    gateway.shutdown(Duration::from_secs(5)).await;
    assert!(
        stopping.elapsed() < Duration::from_secs(4),
        "{:?}",
        stopping.elapsed()
    );
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
    let full = counted(
        &gateway,
        "gatehouse_gateway_telemetry_dropped_total{signal=\"traces\",reason=\"queue_full\"}",
    );
    assert!((90..=92).contains(&full), "{full}");
    let stopping = Instant::now();
    gateway.shutdown(Duration::from_secs(5)).await;
    assert!(
        stopping.elapsed() < Duration::from_secs(4),
        "{:?}",
        stopping.elapsed()
    );
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
    assert_eq!(
        counted(
            &gateway,
            "gatehouse_gateway_telemetry_dropped_total{signal=\"traces\",reason=\"refused\"}"
        ),
        3
    );
}

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
