//! Whole stories, end to end: the built binaries, driven over HTTP and from the command line as a user would.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "whatever fails here is a failed test, and the message says why"
)]

mod aws;
mod bad_input;
mod catalog;
mod configuration_sync;
mod conformance;
mod crash_matrix;
mod crashes;
mod definition;
mod dev;
mod discovery;
mod docs;
mod explaining;
mod kong;
mod main_job;
mod page;
mod python_agent;
mod replicas;
mod rollback;
mod safe_change;
mod several_types;
mod simulated_vendor;
mod switching;
mod traffic;
mod tutorial;

/// Runs each story on SQLite and on PostgreSQL.
macro_rules! on_both_databases {
    ($($story:ident)+) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $story() {
                super::$story(gatehouse_integration_tests::database::Database::Sqlite).await;
            })+
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $story() {
                if std::env::var_os("GATEHOUSE_TEST_POSTGRES").is_none() {
                    println!("SKIPPED: PostgreSQL was not checked; set GATEHOUSE_TEST_POSTGRES to an administrator's URL");
                    return;
                }
                super::$story(gatehouse_integration_tests::database::Database::Postgres).await;
            })+
        }
    };
}
use on_both_databases;
