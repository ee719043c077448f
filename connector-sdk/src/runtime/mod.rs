//! The agent: a connector with everything around it that speaks with the control plane.
//!
//! [`Agent::builder`] wraps a connector; [`Agent::run`] enrolls once, holds a session, waits for work and
//! brings what the gateways hold in line with what is desired, until it is told to stop. Losing the control
//! plane ends nothing: the agent comes back with growing pauses, and the gateways go on meanwhile.

mod agents;
mod arguments;
mod census;
mod connection;
mod deployments;
mod discovery;
mod enrollment;
mod environments;
mod error;
mod identity;
mod join_token;
mod listener;
mod logging;
mod options;
mod reconcile;
mod refusals;
mod report;
mod secrets;
mod session;
mod shares;
mod shutdown;
mod steps;
mod tally;
mod tasks;

pub use agents::{Agents, EndedAgents};
pub use arguments::{AgentArguments, parse_arguments, run_agent, run_agents};
pub use error::RunError;
pub use join_token::JoinToken;
pub use logging::{LogFormat, start_logging};
pub use options::{AgentOptions, Tuning};
pub use shutdown::stop_signal;

use std::sync::Arc;

use gatehouse_schemas::identity::GatewayType;
use tokio_util::sync::CancellationToken;

use crate::{
    connector::Connector,
    error::chain,
    monitor::{Monitor, Session},
};

/// An agent that has not started yet.
#[derive(Debug)]
pub struct Agent {
    connector: Arc<dyn Connector>,
    caught_up: CancellationToken,
    monitor: Monitor,
}

impl Agent {
    /// An agent for a connector.
    pub fn builder(connector: impl Connector) -> Self {
        Self {
            connector: Arc::new(connector),
            caught_up: CancellationToken::new(),
            monitor: Monitor::new(),
        }
    }

    /// With health and metrics that are told together with those of other agents in this process.
    #[must_use]
    pub fn monitored(mut self, monitor: &Monitor) -> Self {
        self.monitor = monitor.clone();
        self
    }

    /// The gateway type that it serves.
    pub fn gateway_type(&self) -> &GatewayType {
        &self.connector.descriptor().gateway_type
    }

    /// Triggered once everything that the control plane desired at the first answer has been tried.
    pub fn caught_up(&self) -> CancellationToken {
        self.caught_up.clone()
    }

    /// Runs until cancelled, or until the control plane says that it does not know this agent.
    pub async fn run(self, options: AgentOptions, cancellation: CancellationToken) -> Result<(), RunError> {
        let monitor = self.monitor.of(self.connector.descriptor());
        let result = session::run(
            self.connector,
            options,
            self.caught_up,
            monitor.clone(),
            cancellation,
        )
        .await;
        monitor.session(Session::Ended(match &result {
            Ok(()) => "it was told to stop".to_owned(),
            Err(error) => chain(error),
        }));
        result
    }
}

#[cfg(test)]
mod tests;
