//! The Agent API over HTTP, with a real database and the client agents use: on SQLite and, where
//! `GATEHOUSE_TEST_POSTGRES` holds the URL of an administrator, on PostgreSQL.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test fails by panicking, and says what it skips"
)]

mod agent;
mod discovering;
mod enrolling;
#[path = "../server/harness.rs"]
#[expect(
    dead_code,
    reason = "shared with the tests of the Admin API, which need more of it"
)]
mod harness;
mod importing;
mod leasing;
mod measuring;
mod older;
mod recorded;
mod removing;
mod reporting;
mod rerunning;
mod resolving;
mod resuming;
mod wishing;
mod working;
