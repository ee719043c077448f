//! `gatehouse-agent-several`: one agent for two gateway types, `memory` and `simulated`, for tests.

use std::{process::ExitCode, sync::Arc};

use gatehouse_connector_sdk::{
    memory::{MemoryConnector, MemoryGateway},
    runtime::run_agents,
};
use gatehouse_integration_tests::simulated_connector::SimulatedConnector;

fn main() -> ExitCode {
    let memory = MemoryConnector::new(MemoryGateway::new());
    let simulated = SimulatedConnector::new(0);
    run_agents(vec![Arc::new(memory), Arc::new(simulated)])
}
