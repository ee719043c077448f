//! `gatehouse-agent-aws`: the agent for Amazon API Gateway.

use std::process::ExitCode;

use gatehouse_agent_aws::AwsConnector;
use gatehouse_connector_sdk::runtime::run_agent;

fn main() -> ExitCode {
    run_agent(AwsConnector::new())
}
