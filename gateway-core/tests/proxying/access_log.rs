//! The access log: one event per request, nothing in it that must stay secret.

use std::{
    io,
    sync::{Arc, Mutex},
};

use gatehouse_gateway_core::{Gateway, GatewayOptions, OtlpReceiver, TelemetryOptions};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use tracing_subscriber::fmt::MakeWriter;

use crate::{
    policies::with_key,
    support::{api, echo, raw, upstream},
    websocket_http2::Caller,
};

/// Collects what is logged.
#[derive(Clone, Default)]
pub(crate) struct Collected(Arc<Mutex<Vec<u8>>>);

impl io::Write for Collected {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("not poisoned").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Collected {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// What is logged from now on, in this process: each test has one of its own.
pub(crate) fn collect() -> Collected {
    let collected = Collected::default();
    tracing_subscriber::fmt()
        .json()
        .with_env_filter("gateway_access=info")
        .with_writer(collected.clone())
        .init();
    collected
}

impl Collected {
    /// The fields of all events, once a gateway has written them all.
    pub(crate) async fn events(&self, gateway: Gateway) -> Vec<Value> {
        gateway.shutdown(std::time::Duration::from_secs(5)).await;
        let log = String::from_utf8(self.0.lock().expect("not poisoned").clone()).expect("text");
        assert!(!log.contains("s3cret"), "{log}");
        let event = |line| serde_json::from_str::<Value>(line).expect("JSON")["fields"].take();
        log.lines().map(event).collect()
    }
}

async fn start(access_log: bool) -> Gateway {
    let options = GatewayOptions {
        worker_threads: Some(1),
        access_log,
        ..GatewayOptions::default()
    };
    Gateway::start(options).await.expect("the gateway starts")
}

#[tokio::test]
async fn each_request_leaves_one_event_without_query_or_credentials() {
    let collected = collect();
    let gateway = start(true).await;
    gateway
        .put_api(api("orders", echo().await, json!({})))
        .await
        .expect("applied");
    let fields = "Host: a.test\r\nConnection: close\r\nAuthorization: Bearer s3cret\r\nX-Request-Id: r-1\r\n";
    raw(
        &gateway,
        &format!("GET /orders/7?token=s3cret HTTP/1.1\r\n{fields}\r\n"),
    )
    .await;
    raw(
        &gateway,
        &format!("GET /missing?token=s3cret HTTP/1.1\r\n{fields}\r\n"),
    )
    .await;
    let events = collected.events(gateway).await;
    assert_eq!(events.len(), 2, "{events:?}");
    let event = &events[0];
    assert_eq!(event["http.path"], "/orders/7");
    assert_eq!(event["http.host"], "a.test");
    assert_eq!(event["http.status"], 200);
    assert_eq!(event["api.name"], "orders");
    assert_eq!(event["request.id"], "r-1");
    assert_eq!(events[1]["http.status"], 404);
}

#[tokio::test]
async fn a_websocket_over_http_2_is_logged_as_the_get_that_it_is_over_http_1() {
    let collected = collect();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a connection");
        let mut socket = tokio_tungstenite::accept_async(stream)
            .await
            .expect("a handshake");
        while let Some(Ok(_)) = futures_util::StreamExt::next(&mut socket).await {}
    });
    let gateway = start(true).await;
    gateway
        .put_api(api("a", address, json!({})))
        .await
        .expect("applied");
    let mut caller = Caller::connect(gateway.address()).await;
    let (mut socket, _) = caller.open("/a/x").await;
    socket.close(None).await.expect("closed");
    drop((socket, caller));
    let events = collected.events(gateway).await;
    let event = events.iter().find(|event| event["http.path"] == "/a/x");
    let event = event.unwrap_or_else(|| panic!("{events:?}"));
    assert_eq!(
        (&event["http.method"], &event["http.status"]),
        (&json!("GET"), &json!(200))
    );
    assert_eq!(
        (&event["api.name"], &event["complete"]),
        (&json!("a"), &json!(true))
    );
}

#[tokio::test]
async fn a_log_policy_decides_for_its_routes_what_is_written_and_of_how_many() {
    let collected = collect();
    let gateway = start(false).await;
    let log = json!({"type": "log", "with": {"requestHeaders": ["X-Tenant", "x-partner-key"], "responseHeaders": ["etag"]}});
    let never = json!({"type": "log", "with": {"percent": 0}});
    let key = json!({"type": "auth.apiKey", "with": {
        "name": "X-Partner-Key", "forward": true, "keys": [{"consumer": "shop", "secretRef": "shop-key"}],
    }});
    let tagged = upstream(|_| {
        let mut answer = http::Response::new("{}".to_owned());
        answer
            .headers_mut()
            .insert("etag", http::HeaderValue::from_static("\"7\""));
        answer
    });
    let fields = json!({
        "policies": [log, key],
        "operations": [
            {"match": {"method": "GET", "path": "/a"}},
            {"match": {"method": "GET", "path": "/health"}, "policies": [never]},
        ],
    });
    let config = with_key(api("orders", tagged.await, fields), "shop-key", "s3cret");
    gateway.put_api(config).await.expect("applied");
    gateway
        .put_api(api("other", echo().await, json!({})))
        .await
        .expect("applied");
    let fields = "Host: a.test\r\nConnection: close\r\nX-Tenant: t\"1\r\nX-Other: s3cret\r\nAuthorization: Bearer s3cret\r\n";
    for path in ["/orders/a?b=s3cret", "/orders/health", "/other"] {
        raw(
            &gateway,
            &format!("GET {path} HTTP/1.1\r\n{fields}X-Partner-Key: s3cret\r\n\r\n"),
        )
        .await;
    }
    raw(&gateway, &format!("GET /orders/a HTTP/1.1\r\n{fields}\r\n")).await;
    let events = collected.events(gateway).await;
    assert_eq!(events.len(), 2, "{events:?}");
    assert_eq!(
        (&events[0]["http.path"], &events[0]["consumer"]),
        (&json!("/orders/a"), &json!("shop"))
    );
    assert_eq!(events[0]["request.headers"], r#"{"x-tenant":"t\"1"}"#);
    assert_eq!(events[0]["response.headers"], r#"{"etag":"\"7\""}"#);
    assert_eq!(events[1]["http.status"], 401);
    assert_eq!(events[1]["response.headers"], "{}");
}

/// Without traces the log can name the caller's; with them it names the gateway's own span, recorded or not.
#[tokio::test]
async fn an_event_names_the_trace_it_belongs_to() {
    let collected = collect();
    let traced = GatewayOptions {
        worker_threads: Some(1),
        access_log: true,
        telemetry: Some(TelemetryOptions {
            traces: Some(OtlpReceiver::new("http://127.0.0.1:9/v1/traces")),
            ..TelemetryOptions::default()
        }),
        ..GatewayOptions::default()
    };
    let traced = Gateway::start(traced).await.expect("the gateway starts");
    let plain = start(true).await;
    let (trace, span) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
    for gateway in [&plain, &traced] {
        for context in [format!("traceparent: 00-{trace}-{span}-00\r\n"), String::new()] {
            raw(
                gateway,
                &format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{context}\r\n"),
            )
            .await;
        }
    }
    plain.shutdown(std::time::Duration::from_secs(5)).await;
    let events = collected.events(traced).await;
    let events: Vec<_> = events.iter().filter(|event| event["http.path"] == "/").collect();
    assert_eq!(events.len(), 4, "{events:?}");
    assert_eq!(
        (&events[0]["trace.id"], &events[0]["span.id"]),
        (&json!(trace), &Value::Null)
    );
    assert_eq!(
        (&events[1]["trace.id"], &events[1]["span.id"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(events[2]["trace.id"], trace);
    assert_ne!(events[2]["span.id"], span);
    for event in &events[2..] {
        assert_eq!(event["trace.id"].as_str().map(str::len), Some(32), "{event}");
        assert_eq!(event["span.id"].as_str().map(str::len), Some(16), "{event}");
    }
}

#[tokio::test]
async fn a_log_policy_takes_requests_out_of_the_gateways_own_log() {
    let collected = collect();
    let gateway = start(true).await;
    let never = json!({"type": "log", "with": {"percent": 0}});
    gateway
        .put_api(api("quiet", echo().await, json!({"policies": [never]})))
        .await
        .expect("applied");
    gateway
        .put_api(api("other", echo().await, json!({})))
        .await
        .expect("applied");
    for path in ["/quiet", "/other", "/quiet"] {
        raw(
            &gateway,
            &format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
        )
        .await;
    }
    let events = collected.events(gateway).await;
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(events[0]["http.path"], "/other");
    assert!(events[0].get("request.headers").is_none());
}

#[tokio::test]
async fn an_answer_is_complete_when_its_caller_took_all_of_it() {
    let collected = collect();
    let gateway = start(true).await;
    // Announces more than it sends.
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let endless = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = [0; 1024];
                let _ = stream.read(&mut request).await;
                let head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nbeginning";
                let _ = stream.write_all(head).await;
                // Until the gateway is no longer there.
                let _ = stream.read(&mut request).await;
            });
        }
    });
    for (name, upstream) in [("whole", echo().await), ("endless", endless)] {
        gateway
            .put_api(api(name, upstream, json!({})))
            .await
            .expect("applied");
    }
    for (method, path) in [
        ("GET", "whole"),
        ("HEAD", "whole"),
        ("GET", "missing"),
        ("HEAD", "missing"),
    ] {
        let request = format!("{method} /{path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        raw(&gateway, &request).await;
    }
    let mut leaving = TcpStream::connect(gateway.address()).await.expect("a connection");
    let request = b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n";
    leaving.write_all(request).await.expect("sent");
    let mut begun = Vec::new();
    while !begun.ends_with(b"beginning") {
        assert_ne!(leaving.read_buf(&mut begun).await.expect("an answer"), 0);
    }
    drop(leaving);
    let events = collected.events(gateway).await;
    let complete: Vec<_> = events
        .iter()
        .map(|event| (event["http.path"].as_str().expect("a path"), &event["complete"]))
        .collect();
    let yes = &json!(true);
    let expected = [
        ("/whole", yes),
        ("/whole", yes),
        ("/missing", yes),
        ("/missing", yes),
        ("/endless", &json!(false)),
    ];
    assert_eq!(complete, expected);
}

#[tokio::test]
async fn a_caller_that_went_away_before_the_answer_is_logged_and_counted() {
    let collected = collect();
    let gateway = start(true).await;
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = silent.local_addr().expect("an address");
    gateway
        .put_api(api("silent", address, json!({})))
        .await
        .expect("applied");
    let mut leaving = TcpStream::connect(gateway.address()).await.expect("a connection");
    let request = b"GET /silent HTTP/1.1\r\nHost: a\r\n\r\n";
    leaving.write_all(request).await.expect("sent");
    let _taken = silent.accept().await.expect("the gateway asks");
    drop(leaving);
    let counted = "requests_total{api=\"silent\",status=\"4xx\"} 1";
    while !gateway.metrics_text().contains(counted) {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let events = collected.events(gateway).await;
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(events[0]["http.status"], 499);
    assert_eq!(events[0]["http.path"], "/silent");
    assert_eq!(events[0]["complete"], false);
}
