//! The Agent API, `/agent/v1`: how work reaches gateways. Agents call; the control plane never does.
//!
//! | step | request |
//! |---|---|
//! | register the agent's own key with a one-time join token | `POST /agent/v1/enroll` |
//! | exchange the key for a short-lived token | `POST /agent/v1/token` |
//! | announce the connector, agree on a protocol | `POST /agent/v1/session` |
//! | wait for work | `GET /agent/v1/work?after=GENERATION&waitSeconds=N` |
//! | resolve secrets that the work refers to | `POST /agent/v1/environments/{id}/secrets` |
//! | report on a deployment | `POST /agent/v1/deployments/{id}/status` |
//! | stream a page of findings (NDJSON of `DiscoveredItem`) | `POST /agent/v1/discoveries/{id}/pages/{number}` |
//! | finish a discovery | `POST /agent/v1/discoveries/{id}/completion` |
//!
//! All but the first two carry `Authorization: Bearer TOKEN`.

use std::collections::BTreeMap;

use gatehouse_schemas::{
    canonical::Fingerprint,
    descriptor::Descriptor,
    desired::DesiredApi,
    environment::{CredentialSource, DiscoveryFilter, Endpoint, Mode},
    identity::{
        AgentId, DeploymentId, DiscoveryId, EnvironmentId, ExternalRef, FencingNumber, GatewayType,
        Generation, ResourceName,
    },
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// The oldest protocol version this build speaks.
pub const PROTOCOL_MIN: u32 = 1;
/// The newest protocol version this build speaks.
pub const PROTOCOL_MAX: u32 = 1;

/// Registers an agent. The join token is spent.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EnrollRequest {
    /// The one-time token from `gatehouse agent join-token`.
    pub join_token: String,
    /// The kind of gateway; must be the token's.
    pub gateway_type: GatewayType,
    /// The name people see for this agent, for example the host's.
    #[schema(max_length = 200)]
    pub name: String,
    /// SHA-256, in hexadecimal, of a random key of at least 32 bytes that the agent made and keeps.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    pub key_sha256: String,
}

/// The new agent's identity.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EnrollResponse {
    /// Who the agent is from now on.
    pub agent_id: AgentId,
}

/// Exchanges the agent's key for a token.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TokenRequest {
    /// Who asks.
    pub agent_id: AgentId,
    /// The key whose hash was registered, as the text that was hashed.
    pub key: String,
}

/// A short-lived token.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenResponse {
    /// To be sent as `Authorization: Bearer`.
    pub token: String,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// Announces a connector.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SessionRequest {
    /// What the connector says of itself.
    pub descriptor: Descriptor,
    /// The protocol versions the agent speaks, from.
    pub protocol_min: u32,
    /// The protocol versions the agent speaks, to.
    pub protocol_max: u32,
}

/// What was agreed.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionResponse {
    /// The protocol version both speak.
    pub protocol: u32,
    /// How long a lease lasts after the last request for work, in milliseconds.
    pub lease_ms: u64,
    /// The environments of the agent's type.
    pub environments: Vec<EnvironmentAssignment>,
}

/// One environment that an agent serves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EnvironmentAssignment {
    /// Which.
    pub id: EnvironmentId,
    /// Its name.
    pub name: ResourceName,
    /// What may be done there.
    pub mode: Mode,
    /// The connection's parameters.
    #[schema(value_type = Object)]
    pub settings: Map<String, Value>,
    /// Where to find the gateway's credentials.
    pub credentials: BTreeMap<String, CredentialSource>,
    /// Where consumers reach the gateway, if people said so.
    pub endpoints: Vec<Endpoint>,
    /// The generation of its last change.
    pub generation: Generation,
    /// Present while this agent may act there; goes with every report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fencing: Option<FencingNumber>,
    /// Whether the environment was deleted; the agent forgets it and changes nothing on the gateway.
    #[serde(default)]
    pub deleted: bool,
}

/// What is new since the position the agent named.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkResponse {
    /// The position to name next time.
    pub generation: Generation,
    /// Environments that are new, changed or deleted, or whose lease moved. With `after=0`: all.
    pub environments: Vec<EnvironmentAssignment>,
    /// Deployments whose desired state changed. With `after=0`: all that are not confirmed removed. What is
    /// not listed is unchanged; absence from this list never means removal.
    pub deployments: Vec<DeploymentWork>,
    /// Discoveries waiting for this agent; listed until they are completed.
    pub discoveries: Vec<DiscoveryWork>,
}

/// The desired state of one deployment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentWork {
    /// Which.
    pub id: DeploymentId,
    /// Where.
    pub environment_id: EnvironmentId,
    /// The generation of this desired state.
    pub generation: Generation,
    /// What should be there.
    pub desired: DesiredState,
    /// The gateway's own identity for the API, once reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_ref: Option<ExternalRef>,
}

/// What should be there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", tag = "state")]
pub enum DesiredState {
    /// This API.
    Present {
        /// The API.
        api: Box<DesiredApi>,
    },
    /// Nothing: undeploy what carries the mark.
    Absent {
        /// The mark of what to remove.
        mark: gatehouse_schemas::desired::Mark,
    },
}

/// A discovery that an agent should run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DiscoveryWork {
    /// Which.
    pub id: DiscoveryId,
    /// Where.
    pub environment_id: EnvironmentId,
    /// What to look for.
    pub filter: DiscoveryFilter,
}

/// Asks for secrets that the environment or its desired state refers to.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretsRequest {
    /// Their names.
    pub names: Vec<ResourceName>,
}

/// Secret values. Never logged: the type has no `Debug`.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretsResponse {
    /// By name.
    pub values: BTreeMap<String, String>,
}

/// What an agent says of a deployment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeploymentReport {
    /// The generation it speaks of; a stale one is refused.
    pub generation: Generation,
    /// The lease under which it was done; a stale one is refused.
    pub fencing: FencingNumber,
    /// What became of it.
    pub outcome: DeploymentOutcome,
}

/// What became of a deployment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "result")]
pub enum DeploymentOutcome {
    /// Work has begun.
    Deploying,
    /// The gateway serves it; traffic flows.
    Deployed {
        /// The gateway's own identity for the API.
        external_ref: ExternalRef,
        /// Where consumers reach it, best first.
        endpoint_urls: Vec<String>,
        /// What the gateway was seen to hold afterwards.
        observed: Fingerprint,
    },
    /// The API is not on the gateway any more.
    Removed,
    /// The attempt failed.
    Failed {
        /// One word in PascalCase for programs.
        reason: String,
        /// A sentence for people: what happened and what to do.
        message: String,
        /// Whether the agent tries again by itself.
        retrying: bool,
    },
}

/// How a discovery ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DiscoveryCompletion {
    /// The lease under which it was run.
    pub fencing: FencingNumber,
    /// How far it came.
    pub outcome: DiscoveryOutcome,
    /// How many pages were sent; the control plane has seen all of them or refuses.
    pub pages: u32,
    /// Why it is not complete, and what to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// How far a discovery came. Only a complete one says anything about absence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum DiscoveryOutcome {
    /// Every API of the gateway was listed; single ones may be unreadable.
    Complete,
    /// The listing broke off.
    Partial,
    /// Nothing could be listed.
    Failed,
}
