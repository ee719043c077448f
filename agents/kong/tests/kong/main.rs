//! The connector to Kong on a Kong: the fake of this repository, or a real one that `KONG_ADMIN_URL` and
//! `KONG_PROXY_URL` lead to. A real one is emptied again and again: give it one that nobody needs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "without a Kong there is nothing to test, and the message says why"
)]

mod admin;
mod apis;
mod callers;
mod conformance;
mod discovery;
mod neighbours;
mod problems;
mod real;
mod round_trip;
mod stage;
mod traffic;
mod under_test;
mod unfinished;
mod upstream;
