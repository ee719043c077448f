//! `gatehouse-agent-simulated`: the agent of the simulated vendor, for tests.
//!
//! `SIMULATED_QUOTA_DIVISOR` divides the intervals of the vendor's published quotas, as the vendor's own does; 0, the
//! default, is for a vendor without quotas.

use std::process::ExitCode;

use gatehouse_connector_sdk::runtime::run_agent;
use gatehouse_integration_tests::simulated_connector::SimulatedConnector;

fn main() -> ExitCode {
    let divisor = std::env::var("SIMULATED_QUOTA_DIVISOR").ok();
    let divisor = divisor.and_then(|text| text.parse().ok()).unwrap_or_default();
    run_agent(SimulatedConnector::new(divisor))
}
