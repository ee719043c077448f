//! The agent: a connector with everything around it that speaks with the control plane.
//!
//! [`Agent::builder`] wraps a connector; [`Agent::run`] enrolls once, holds a session, waits for work and
//! brings what the gateways hold in line with what is desired, until it is told to stop. Losing the control
//! plane ends nothing: the agent comes back with growing pauses, and the gateways go on meanwhile.
//!
//! ```no_run
//! use gatehouse_connector_sdk::{
//!     memory::{MemoryConnector, MemoryGateway},
//!     runtime::{Agent, AgentOptions, LogFormat, start_logging, stop_signal},
//! };
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     start_logging(LogFormat::Text);
//!     let options = AgentOptions::new("https://gatehouse.example.com", "/var/lib/agent-acme");
//!     let acme = MemoryConnector::new(MemoryGateway::new());
//!     Agent::builder(acme).run(options, stop_signal()?).await?;
//!     Ok(())
//! }
//! ```

mod agents;
mod arguments;
mod census;
mod connection;
mod deployments;
mod discovery;
mod enrollment;
mod environments;
mod error;
mod hints;
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
pub use options::{AgentOptions, HintPace, Tuning};
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
///
/// ```
/// # mod acme { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/acme.rs")); }
/// # acme::run(async {
/// use gatehouse_connector_sdk::{
///     memory::{MemoryConnector, MemoryGateway},
///     monitor::Monitor,
///     runtime::{Agent, AgentOptions, RunError},
/// };
/// use tokio_util::sync::CancellationToken;
///
/// let monitor = Monitor::new();
/// let agent = Agent::builder(MemoryConnector::new(MemoryGateway::new())).monitored(&monitor);
/// assert_eq!(agent.gateway_type().to_string(), "memory");
/// let caught_up = agent.caught_up();
///
/// # let folder = tempfile::tempdir()?;
/// # let state = folder.path();
/// // Without a join token, an agent that never joined ends at once.
/// let options = AgentOptions::new("http://127.0.0.1:9090", state);
/// let ended = agent.run(options, CancellationToken::new()).await.unwrap_err();
/// assert!(matches!(ended, RunError::NotEnrolled { .. }));
/// assert!(!caught_up.is_cancelled());
/// assert!(monitor.readiness().unwrap_err().starts_with("memory: it ended"));
/// # Ok(())
/// # });
/// ```
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
    ///
    /// # Errors
    ///
    /// What must be put right before it can start or go on, see [`RunError`]; outages are not among it.
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
