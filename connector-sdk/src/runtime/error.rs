//! Why an agent ends.

use std::{io, path::PathBuf};

use gatehouse_control_plane_api::agent_client::AgentApiError;
use gatehouse_schemas::identity::{AgentId, GatewayType};

/// Why an agent does not start or does not go on. Outages are not among the reasons.
///
/// ```
/// use gatehouse_connector_sdk::runtime::RunError;
///
/// /// Whether a person must give a new join token.
/// fn needs_join_token(error: &RunError) -> bool {
///     matches!(
///         error,
///         RunError::NotEnrolled { .. } | RunError::EnrollmentRefused { .. } | RunError::Revoked { .. }
///     )
/// }
///
/// let error = RunError::NotEnrolled { gateway_type: "acme".parse().unwrap() };
/// assert!(needs_join_token(&error));
/// assert!(error.to_string().contains("gatehouse agent join-token --type acme"));
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The control plane's address cannot be used.
    #[error("the control plane's address cannot be used")]
    Address(#[source] AgentApiError),
    /// The agent's key and every secret would travel in clear text.
    #[error(
        "`{address}` is plain HTTP to another machine, where others can read the agent's key; use https://, or allow it with --allow-insecure-http"
    )]
    InsecureAddress {
        /// The address.
        address: String,
    },
    /// The state folder cannot be used.
    #[error("the state folder `{}` cannot be used; see that the agent may read and write it", folder.display())]
    State {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Another agent uses the state folder.
    #[error("another agent is running with the state folder `{}`; give each agent its own with --state-dir", folder.display())]
    StateInUse {
        /// The folder.
        folder: PathBuf,
    },
    /// The system has no randomness to make a key of.
    #[error("the system gives no randomness to make the agent's key of")]
    NoRandomness,
    /// The agent has no identity and no join token.
    #[error(
        "this agent has not joined a control plane; make a token with `gatehouse agent join-token --type {gateway_type}` and give it with --join-token"
    )]
    NotEnrolled {
        /// The connector's gateway type.
        gateway_type: GatewayType,
    },
    /// The control plane refuses the join token.
    #[error(
        "the control plane refuses the join token; make a new one with `gatehouse agent join-token --type {gateway_type}`"
    )]
    EnrollmentRefused {
        /// The connector's gateway type.
        gateway_type: GatewayType,
        /// What the control plane said.
        #[source]
        source: AgentApiError,
    },
    /// The control plane does not know the agent, or not any more.
    #[error(
        "the control plane does not accept agent `{agent_id}` (any more); to let it join again, make a token with `gatehouse agent join-token --type {gateway_type}` and give it with --join-token"
    )]
    Revoked {
        /// Who was refused.
        agent_id: AgentId,
        /// The connector's gateway type.
        gateway_type: GatewayType,
        /// What the control plane said.
        #[source]
        source: AgentApiError,
    },
    /// The agent's own code panicked.
    #[error(
        "the agent of gateway type `{gateway_type}` panicked ({text}); report it, and start the agent again"
    )]
    Panicked {
        /// The connector's gateway type.
        gateway_type: GatewayType,
        /// What is known of it.
        text: String,
    },
}
