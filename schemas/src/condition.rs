//! Conditions and phases: how the state of something is told.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{identity::Generation, time::Timestamp};

/// Whether a condition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum ConditionStatus {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// Nobody knows, and nothing is changed on that account.
    Unknown,
}

/// What a condition speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
pub enum ConditionType {
    /// The control plane has validated the wish and someone is there to carry it out.
    Accepted,
    /// The gateway serves what is desired.
    Deployed,
    /// The gateway was last seen to hold exactly what is desired.
    InSync,
    /// An agent holds the lease of the environment.
    Connected,
    /// The settings satisfy the connector's settings schema.
    SettingsValid,
}

/// One aspect of a status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// The aspect.
    pub r#type: ConditionType,
    /// Whether it holds.
    pub status: ConditionStatus,
    /// One word in PascalCase for programs: `AgentOffline`, `Deployed`, `UpstreamInvalid`.
    pub reason: String,
    /// A sentence for people: what is so, and what to do next.
    pub message: String,
    /// The generation this speaks of.
    pub observed_generation: Generation,
    /// When `status` last changed.
    pub last_transition_time: Timestamp,
}

/// The summary of a deployment's conditions, for people and lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum Phase {
    /// Recorded; no agent has taken it up.
    Pending,
    /// An agent is at work on it.
    Deploying,
    /// The gateway serves the desired revision.
    Deployed,
    /// The last attempt failed; the conditions say why and what happens next.
    Failed,
    /// Undeploying; the deployment goes away when the gateway confirms.
    Removing,
}
