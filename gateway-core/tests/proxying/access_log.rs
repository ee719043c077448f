//! The access log: one event per request, nothing in it that must stay secret.

use std::{
    io,
    sync::{Arc, Mutex},
};

use gatehouse_gateway_core::{Gateway, GatewayOptions};
use serde_json::{Value, json};
use tracing_subscriber::fmt::MakeWriter;

use crate::support::{api, echo, raw};

/// Collects what is logged.
#[derive(Clone, Default)]
struct Collected(Arc<Mutex<Vec<u8>>>);

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

#[tokio::test]
async fn each_request_leaves_one_event_without_query_or_credentials() {
    let collected = Collected::default();
    tracing_subscriber::fmt()
        .json()
        .with_env_filter("gateway_access=info")
        .with_writer(collected.clone())
        .init();
    let options = GatewayOptions {
        worker_threads: Some(1),
        access_log: true,
        ..GatewayOptions::default()
    };
    let gateway = Gateway::start(options).await.expect("the gateway starts");
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
    gateway.shutdown(std::time::Duration::from_secs(5)).await;
    let log = String::from_utf8(collected.0.lock().expect("not poisoned").clone()).expect("text");
    assert!(!log.contains("s3cret"), "{log}");
    let events: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(events.len(), 2, "{log}");
    let event = &events[0]["fields"];
    assert_eq!(event["http.path"], "/orders/7");
    assert_eq!(event["http.host"], "a.test");
    assert_eq!(event["http.status"], 200);
    assert_eq!(event["api.name"], "orders");
    assert_eq!(event["request.id"], "r-1");
    assert_eq!(events[1]["fields"]["http.status"], 404);
}
