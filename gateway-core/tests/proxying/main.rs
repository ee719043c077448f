//! The gateway over real connections: what reaches the upstream, what comes back, what is refused.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "these are tests, helpers included"
)]

mod access_log;
mod admin;
mod changes;
mod enforcement;
mod heads;
mod jwt;
mod limits;
mod policies;
mod restart;
mod routing;
mod shared_limits;
mod streaming;
mod support;
mod tls;
mod upstream_tls;
mod upstreams;
mod websocket;
