//! The fake of AWS, over the wire: what it answers, held against the official model where that is at hand.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on says so by ending"
)]

mod access;
mod client;
mod deploy;
mod documents;
mod domains;
mod faults;
mod http_apis;
mod http_traffic;
mod import;
mod keys;
mod lists;
mod methods;
mod model;
mod parts;
mod private;
mod queues;
mod quotas;
mod streaming;
mod traffic;
mod upstream;
