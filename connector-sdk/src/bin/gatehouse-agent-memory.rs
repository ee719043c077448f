//! `gatehouse-agent-memory`: the agent of the in-memory gateway, for trying things out and for tests.
//!
//! The environment variable `GATEHOUSE_MEMORY_POLICIES` may say, as a JSON object, which policy types it expresses
//! less faithfully than they are: `{"cors": {"level": "unsupported", "reason": "it knows no browsers"}}`.

use std::process::ExitCode;

use anyhow::Context as _;
use gatehouse_connector_sdk::{
    memory::{MemoryConnector, MemoryGateway},
    runtime::{LogFormat, run_agent, start_logging},
};
use tracing::error;

/// Which policy types are expressed less faithfully than they are.
const POLICIES: &str = "GATEHOUSE_MEMORY_POLICIES";
/// The exit code for a configuration that is not understood (`EX_USAGE`).
const USAGE: u8 = 64;

fn main() -> ExitCode {
    match connector() {
        Ok(connector) => run_agent(connector),
        Err(error) => {
            start_logging(LogFormat::default());
            error!("{error:#}");
            ExitCode::from(USAGE)
        }
    }
}

fn connector() -> anyhow::Result<MemoryConnector> {
    let connector = MemoryConnector::new(MemoryGateway::new());
    let Ok(policies) = std::env::var(POLICIES) else {
        return Ok(connector);
    };
    let support = serde_json::from_str(&policies).with_context(|| {
        format!("{POLICIES} is not a JSON object of policy types and how faithfully they are expressed")
    })?;
    Ok(connector.with_policy_support(support))
}
