//! The store, case by case, on a fresh SQLite file and, where `GATEHOUSE_TEST_POSTGRES` holds the URL of an
//! administrator, on a fresh PostgreSQL database.

#![expect(
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a test fails by panicking, and says what it skips"
)]

mod access;
mod applied;
mod asking;
mod catalog;
mod connecting;
mod deployments;
mod discoveries;
mod durability;
mod harness;
mod inventory;
mod leases;
mod retention;
mod upgrade;
mod volume;
mod waking;
mod work;
