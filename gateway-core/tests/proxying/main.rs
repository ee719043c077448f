//! The gateway over real connections: what reaches the upstream, what comes back, what is refused.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "these are tests, helpers included, and say what they skip"
)]

mod access_log;
mod admin;
mod authority;
mod balancing;
mod cache;
mod certificates;
mod changes;
mod collector;
mod definition;
mod draining;
mod enforcement;
mod external;
mod grpc;
mod heads;
mod held_bodies;
mod jwt;
mod limits;
mod mtls;
mod oauth2;
mod origins;
mod policies;
mod restart;
mod retries;
mod routing;
mod secure_upstream;
mod shared_connections;
mod shared_limits;
mod stalled_streams;
mod streaming;
mod support;
mod telemetry;
mod tls;
mod traffic;
mod transform;
mod upstream_identity;
mod upstream_protocols;
mod upstream_tls;
mod upstreams;
mod wasm;
mod websocket;
mod websocket_http2;
