//! The server over HTTP, with a real database: a fresh SQLite file per test and, where `GATEHOUSE_TEST_POSTGRES`
//! holds the URL of an administrator, a fresh PostgreSQL database too.

#![expect(
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a test fails by panicking, and says what it skips"
)]

mod access;
mod apply;
mod asking;
mod bad_requests;
mod deployments;
mod discoveries;
mod documents;
mod harness;
mod operation;
mod policies;
mod resources;
mod revisions;
