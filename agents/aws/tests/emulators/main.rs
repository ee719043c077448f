//! The connector on servers of AWS's API that others wrote: what it deploys is called through their data planes.
//!
//! What they do otherwise than AWS is in `docs/testing-aws.md`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot do its work stops"
)]

mod load;
mod localstack;
mod ministack;
mod operator;
mod queue;
mod upstream;
