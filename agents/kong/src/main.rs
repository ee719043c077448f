//! `gatehouse-agent-kong`: the agent for Kong Gateway and Konnect.

use std::process::ExitCode;

use gatehouse_agent_kong::KongConnector;
use gatehouse_connector_sdk::runtime::{LogFormat, run_agent, start_logging};

fn main() -> ExitCode {
    match KongConnector::new() {
        Ok(connector) => run_agent(connector),
        Err(error) => {
            start_logging(LogFormat::default());
            tracing::error!("{error:?}");
            ExitCode::FAILURE
        }
    }
}
