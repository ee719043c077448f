//! The agent: a connector with everything around it that speaks with the control plane.
//!
//! [`Agent::builder`] wraps a connector; [`Agent::run`] enrolls once, holds a session, waits for work and
//! brings what the gateways hold in line with what is desired, until it is told to stop. Losing the control
//! plane ends nothing: the agent comes back with growing pauses, and the gateways go on meanwhile.

mod arguments;
mod connection;
mod deployments;
mod discovery;
mod enrollment;
mod environments;
mod error;
mod identity;
mod logging;
mod options;
mod reconcile;
mod refusals;
mod report;
mod secrets;
mod session;
mod shutdown;
mod steps;
mod tally;
mod tasks;

pub use arguments::{AgentArguments, parse_arguments, run_agent};
pub use error::RunError;
pub use logging::{LogFormat, start_logging};
pub use options::{AgentOptions, Tuning};
pub use shutdown::stop_signal;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::connector::Connector;

/// An agent that has not started yet.
#[derive(Debug)]
pub struct Agent {
    connector: Arc<dyn Connector>,
    caught_up: CancellationToken,
}

impl Agent {
    /// An agent for a connector.
    pub fn builder(connector: impl Connector) -> Self {
        Self {
            connector: Arc::new(connector),
            caught_up: CancellationToken::new(),
        }
    }

    /// Triggered once everything that the control plane desired at the first answer has been tried.
    pub fn caught_up(&self) -> CancellationToken {
        self.caught_up.clone()
    }

    /// Runs until cancelled, or until the control plane says that it does not know this agent.
    pub async fn run(self, options: AgentOptions, cancellation: CancellationToken) -> Result<(), RunError> {
        session::run(self.connector, options, self.caught_up, cancellation).await
    }
}

#[cfg(test)]
mod tests;
