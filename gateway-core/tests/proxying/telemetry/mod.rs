//! Spans, metrics and the access log as a collector gets them.

mod context;
mod endings;
mod receivers;
mod signals;
mod spans;
mod trouble;

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{SystemTime, UNIX_EPOCH},
};

use gatehouse_gateway_core::{ApiConfig, Gateway, GatewayOptions, TelemetryOptions};
use http::{HeaderMap, Response, StatusCode};
use opentelemetry_proto::tonic::trace::v1::Span;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::{collector::hexadecimal, support::upstream};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

async fn serving(telemetry: TelemetryOptions, config: ApiConfig) -> Gateway {
    let options = GatewayOptions {
        worker_threads: Some(1),
        access_log: true,
        telemetry: Some(telemetry),
        ..GatewayOptions::default()
    };
    let gateway = Gateway::start(options).await.expect("the gateway starts");
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

/// An address where nobody listens.
async fn nobody() -> SocketAddr {
    let dead = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    dead.local_addr().expect("an address")
}

/// A policy that lets in who has the key `shop-key`.
fn shop_key() -> Value {
    json!({"type": "auth.apiKey", "with": {"keys": [{"consumer": "shop", "secretRef": "shop-key"}]}})
}
