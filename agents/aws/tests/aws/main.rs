//! The connector to Amazon API Gateway at work.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests stop at what they did not expect, and print what they measured"
)]

mod calls;
mod conformance;
mod discovery;
mod owner;
mod removing;
mod under_test;
