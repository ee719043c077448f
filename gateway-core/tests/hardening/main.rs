//! The gateway against callers who mean harm: requests that can be read in two ways, floods, and those who never finish.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "these are tests, helpers included"
)]

mod attempts;
mod bombs;
mod corpus;
mod corpus_http2;
mod differential;
mod floods;
mod frames;
mod peers;
mod recorder;
mod slow;
#[allow(dead_code, reason = "shared with the other tests, which use the rest")]
#[path = "../proxying/support.rs"]
mod support;

use std::time::Duration;

use gatehouse_gateway_core::{Gateway, GatewayOptions};
use serde_json::json;

/// A gateway that loses its patience soon, with everything going to an upstream.
async fn impatient_gateway(upstream: std::net::SocketAddr) -> Gateway {
    let options = GatewayOptions {
        worker_threads: Some(2),
        head_timeout: Duration::from_secs(2),
        stall_timeout: Duration::from_secs(2),
        ..GatewayOptions::default()
    };
    let gateway = Gateway::start(options).await.expect("the gateway starts");
    let everything = support::api("a", upstream, json!({"basePath": "/"}));
    gateway.put_api(everything).await.expect("applied");
    gateway
}

/// Resident memory of this process, gateway and test together, in MiB.
fn resident_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.expect("VmRSS in KiB") / 1_024
}

/// Whether another caller is served as if nothing happened.
async fn serves_others(gateway: &Gateway) {
    let answer = tokio::time::timeout(Duration::from_secs(10), support::get(gateway, "/other")).await;
    assert_eq!(support::status(&answer.expect("an answer in time")), 200);
}
