//! The fake against the recordings of a real Kong, and against clients that others wrote for a real one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot do its work stops"
)]

mod behaviour;
mod client;
mod clients;
mod echo;
mod normal;
mod replay;
