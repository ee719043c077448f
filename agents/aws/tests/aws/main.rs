//! The connector to Amazon API Gateway at work.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests stop at what they did not expect, and print what they measured"
)]

mod among_others;
mod automatic;
mod calls;
mod certificates;
mod conformance;
mod discovery;
mod drift;
mod endpoint;
mod hints;
mod many_settings;
mod owner;
mod partitions;
mod private;
mod problems;
mod removing;
mod stage_settings;
mod streaming;
mod under_test;
