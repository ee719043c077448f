//! Several agents in one process, one for each gateway type, each with an identity of its own.

use std::fmt;

use gatehouse_schemas::identity::GatewayType;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, error, info_span};

use super::{Agent, AgentOptions, RunError};
use crate::error::chain;

/// Agents that run side by side. Each has its own identity, session, state folder and quotas; one that is revoked,
/// refused or broken ends alone.
///
/// ```no_run
/// # async fn example() -> Result<(), gatehouse_connector_sdk::runtime::EndedAgents> {
/// use gatehouse_connector_sdk::{
///     memory::{MemoryConnector, MemoryGateway},
///     monitor::Monitor,
///     runtime::{Agent, AgentOptions, Agents},
/// };
/// use tokio_util::sync::CancellationToken;
///
/// let monitor = Monitor::new();
/// let memory = Agent::builder(MemoryConnector::new(MemoryGateway::new())).monitored(&monitor);
/// let options = AgentOptions::new("http://127.0.0.1:9090", "state/agent-memory");
/// Agents::new()
///     .with(memory, options)
///     .run(CancellationToken::new())
///     .await
/// # }
/// ```
#[derive(Debug, Default)]
pub struct Agents {
    agents: Vec<(Agent, AgentOptions)>,
}

impl Agents {
    /// None so far.
    pub fn new() -> Self {
        Self::default()
    }

    /// And this one. Each needs a state folder of its own.
    #[must_use]
    pub fn with(mut self, agent: Agent, options: AgentOptions) -> Self {
        self.agents.push((agent, options));
        self
    }

    /// Runs all of them until cancelled, or until each has ended by itself. One that ends is told in the log, and the
    /// others go on.
    pub async fn run(self, cancellation: CancellationToken) -> Result<(), EndedAgents> {
        let of = self.agents.len();
        let mut running = JoinSet::new();
        for (agent, options) in self.agents {
            running.spawn(one(agent, options, of > 1, cancellation.clone()));
        }
        let mut failed = Vec::new();
        while let Some(ended) = running.join_next().await {
            // What is spawned here catches panics itself and is never aborted.
            let Ok((gateway_type, Err(error))) = ended else {
                continue;
            };
            if of > 1 {
                error!(gateway.type = %gateway_type, error = %chain(&error), "The agent of gateway type `{gateway_type}` ended; {} others go on", running.len());
            }
            failed.push((gateway_type, error));
        }
        match failed.is_empty() {
            true => Ok(()),
            false => Err(EndedAgents { failed, of }),
        }
    }
}

/// Runs one agent; its panics are its own.
async fn one(
    agent: Agent,
    options: AgentOptions,
    is_one_of_several: bool,
    cancellation: CancellationToken,
) -> (GatewayType, Result<(), RunError>) {
    let gateway_type = agent.gateway_type().clone();
    let span = match is_one_of_several {
        true => info_span!("agent", gateway.type = %gateway_type),
        false => tracing::Span::none(),
    };
    let result = tokio::spawn(agent.run(options, cancellation).instrument(span)).await;
    let result = result.unwrap_or_else(|error| Err(panicked(&gateway_type, error)));
    (gateway_type, result)
}

fn panicked(gateway_type: &GatewayType, error: JoinError) -> RunError {
    RunError::Panicked {
        gateway_type: gateway_type.clone(),
        text: error.to_string(),
    }
}

/// Which agents ended although nobody told them to, and why.
///
/// ```
/// use gatehouse_connector_sdk::runtime::{EndedAgents, RunError};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let ended = EndedAgents { failed: vec![("acme".parse()?, RunError::NoRandomness)], of: 2 };
/// assert!(ended.to_string().ends_with("as told above: `acme`"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct EndedAgents {
    /// In the order in which they ended.
    pub failed: Vec<(GatewayType, RunError)>,
    /// How many agents there were.
    pub of: usize,
}

impl fmt::Display for EndedAgents {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let (1, [(_, error)]) = (self.of, self.failed.as_slice()) {
            return error.fmt(formatter);
        }
        let types: Vec<_> = self.failed.iter().map(|(it, _)| format!("`{it}`")).collect();
        write!(
            formatter,
            "of the agents of {} gateway types, these ended with an error, as told above: {}",
            self.of,
            types.join(", ")
        )
    }
}

impl std::error::Error for EndedAgents {
    /// That of the only agent; several were told as they happened.
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match (self.of, self.failed.as_slice()) {
            (1, [(_, error)]) => error.source(),
            _ => None,
        }
    }
}
