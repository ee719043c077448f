//! Safe change over HTTP, with a real database and the client agents use: plans, how they are carried out, drift, and
//! what agents are asked. On SQLite and, where `GATEHOUSE_TEST_POSTGRES` holds the URL of an administrator, on
//! PostgreSQL.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test fails by panicking, and says what it skips"
)]

#[path = "../agent_api/agent.rs"]
#[expect(
    dead_code,
    reason = "shared with the tests of the Agent API, which need more of it"
)]
mod agent;
mod applying;
mod asking;
mod drifting;
#[path = "../server/harness.rs"]
#[expect(
    dead_code,
    reason = "shared with the tests of the Admin API, which need more of it"
)]
mod harness;
mod keeping;
mod lacking;
mod overwriting;
mod planning;
mod recording;
mod refusing;
mod resolving_drift;
mod restarting;
mod scene;
mod undoing;
mod voided_adoption;
mod waiting;
