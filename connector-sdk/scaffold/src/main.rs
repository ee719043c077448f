//! `gatehouse-agent-scaffold`: the agent.

use std::process::ExitCode;

use gatehouse_agent_scaffold::ScaffoldConnector;
use gatehouse_connector_sdk::runtime::{LogFormat, run_agent, start_logging};

fn main() -> ExitCode {
    match ScaffoldConnector::new() {
        Ok(connector) => run_agent(connector),
        Err(error) => {
            start_logging(LogFormat::default());
            tracing::error!("{error:?}");
            ExitCode::FAILURE
        }
    }
}
