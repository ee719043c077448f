//! `gatehouse-agent-memory`: the agent of the in-memory gateway, for trying things out and for tests.

use std::process::ExitCode;

use gatehouse_connector_sdk::{
    memory::{MemoryConnector, MemoryGateway},
    runtime::run_agent,
};

fn main() -> ExitCode {
    run_agent(MemoryConnector::new(MemoryGateway::new()))
}
