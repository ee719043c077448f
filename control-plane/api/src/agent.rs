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
//! | record a step before and after it is taken | `POST /agent/v1/deployments/{id}/steps` |
//! | tell what was observed of deployments | `POST /agent/v1/environments/{id}/observations` |
//! | answer a task | `POST /agent/v1/tasks/{id}/result` |
//! | learn which versions of APIs are known | `GET /agent/v1/environments/{id}/inventory` |
//! | stream a page of findings (NDJSON of `DiscoveredItem`) | `POST /agent/v1/discoveries/{id}/pages/{number}` |
//! | ask for a discovery, since the gateway told of a change | `POST /agent/v1/environments/{id}/discoveries` |
//! | finish a discovery | `POST /agent/v1/discoveries/{id}/completion` |
//!
//! All but the first two carry `Authorization: Bearer TOKEN`.
//!
//! Protocol 1 has neither steps, observations, tasks nor the inventory, and does not go on with an interrupted
//! discovery. Both ends speak the protocol before theirs, too; what a number promises is written down in
//! `docs/decisions/0018-protocol-and-sdk-versions.md`.
//!
//! # Behaviour
//!
//! What an agent must do, whatever its language and its gateway; each line is a test of the conformance suite, in the same words.
//!
//! - In a read-only environment nothing on the gateway is changed; a deployment there is reported as failed.
//! - In a write-only environment nothing is discovered; the discovery is completed as failed.
//! - Without a lease nothing is done; what is desired is done under the next lease.
//! - When its lease runs out before a request for work is answered, the agent changes nothing until one is.
//! - What an answer does not list is not removed.
//! - A deployment whose gateway holds something else than its plan expects is reported as failed with `PlanVoid`, and
//!   nothing is changed.
//! - A confirmed deployment that the gateway differs from is reported as drifted and left as it is.
//! - Under drift policy `revert`, a confirmed deployment that the gateway differs from is put right.
//! - A security policy that would not be enforced is reported as failed with `PolicyUnsupported`, whatever was
//!   accepted, and nothing is changed.
//! - Any other loss is reported as failed with `LossNotAccepted` unless it was accepted, and nothing is changed.
//! - A failed attempt that can succeed later is reported, and made again by itself.
//! - A gateway that says when to come back is not asked to change anything before.
//! - A report is sent again until the control plane has taken it.
//! - After a crash between the effect and its report, what is found is reported and nothing is changed again.
//! - A token that is not accepted any more is replaced, and work goes on.
//! - When its position is too old, the agent asks for everything, and takes it.
//! - When a desired state is replaced while it is carried out, the newest one is reached; a report that is refused as
//!   stale is not sent again.

use std::collections::BTreeMap;

use gatehouse_schemas::{
    canonical::Fingerprint,
    descriptor::Descriptor,
    desired::{DesiredApi, Mark},
    environment::{CredentialSource, DiscoveryFilter, DriftPolicy, Endpoint, Mode},
    fidelity::PolicyFidelity,
    identity::{
        AgentId, DeploymentId, DiscoveryId, EnvironmentId, ExternalRef, FencingNumber, GatewayType,
        Generation, ResourceName, TaskId,
    },
    observed::Observation,
    quota::VendorCalls,
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// The oldest protocol version this build speaks.
pub const PROTOCOL_MIN: u32 = 1;
/// The newest protocol version this build speaks.
pub const PROTOCOL_MAX: u32 = 2;
/// The first protocol version with tasks, steps, observations, the inventory, and positions of discoveries.
pub const PROTOCOL_WITH_TASKS: u32 = gatehouse_schemas::ability::PROTOCOL_WITH_TASKS;

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
    /// SHA-256, in hexadecimal, of the key's text in UTF-8. The agent made the key from at least 32 random
    /// bytes and keeps it; its text is sent as `key` for each token.
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
    /// How long a lease lasts after the last request for work, in milliseconds. The agent counts from when it
    /// sent the request. When the time is over without an answer, it changes nothing on the gateways until
    /// there is one, and then asks for everything.
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
    /// What may be done there. The agent holds it, too: it changes nothing in a read-only environment and discovers
    /// nothing in a write-only one. Looking at deployments is part of deploying, and is allowed in all.
    pub mode: Mode,
    /// The connection's parameters.
    #[schema(value_type = Object)]
    pub settings: Map<String, Value>,
    /// Where to find the gateway's credentials.
    pub credentials: BTreeMap<String, CredentialSource>,
    /// Where consumers reach the gateway, if people said so.
    pub endpoints: Vec<Endpoint>,
    /// What to do when the gateway differs from what was applied: `revert` puts it right, the others only tell.
    #[serde(default)]
    pub drift_policy: DriftPolicy,
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
    /// Environments that are new, changed or deleted, or whose lease moved. With `after=0`: all. When the agent
    /// may act in one that it could not act in before, or its settings changed, it asks for everything next:
    /// the desired state there may be older than its position.
    pub environments: Vec<EnvironmentAssignment>,
    /// Deployments whose desired state changed. With `after=0`: all that are not confirmed removed. What is
    /// not listed is unchanged; absence from this list never means removal.
    pub deployments: Vec<DeploymentWork>,
    /// Discoveries waiting for this agent; listed in every answer until they are completed. As long as there
    /// are any, requests for work are answered at once, and an agent that is at them pauses between requests.
    pub discoveries: Vec<DiscoveryWork>,
    /// Tasks waiting for this agent; listed in every answer until they are answered or end, with the same effect.
    #[serde(default)]
    pub tasks: Vec<TaskWork>,
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
    /// Whether this generation was reported as carried out on this gateway before. If it was and the gateway
    /// differs now, that is drift: it is told, and put right only under drift policy `revert` (or where every
    /// agent is a gateway of its own, which holds nothing that people could have changed).
    #[serde(default)]
    pub confirmed: bool,
    /// What the gateway must hold for this generation to be begun, if it comes from an approved plan. If it
    /// holds something else (and not what is desired), nothing is done and the outcome is `Failed` with reason
    /// `PlanVoid`. Once a step of this generation is recorded, it is finished whatever is seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<ExpectedState>,
    /// The one object without our mark that may be taken over and marked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adopt: Option<ExternalRef>,
    /// Whether losses other than of security policies were accepted. If not, and there are any, nothing is done
    /// and the outcome is `Failed` with reason `LossNotAccepted`.
    #[serde(default)]
    pub accept_loss: bool,
    /// What goes first when a vendor's quota is scarce.
    #[serde(default)]
    pub priority: Priority,
    /// Steps recorded by earlier attempts of this generation or of one before it that was not finished, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Step>,
}

/// What a plan saw on the gateway when it was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", tag = "state")]
pub enum ExpectedState {
    /// The API, with this fingerprint.
    Present {
        /// The fingerprint.
        fingerprint: Fingerprint,
    },
    /// Nothing.
    Absent,
}

/// What goes first when a vendor's quota is scarce.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum Priority {
    /// Discovery, and looks that nobody waits for.
    Background,
    /// Deploys, undeploys, and what somebody waits for.
    #[default]
    Normal,
    /// Rollbacks: a part of every quota is kept for them.
    Rollback,
}

/// One step of a piece of work on a gateway. Recorded as intended before it is taken, so that whoever comes
/// after a crash finds what it may have made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Step {
    /// The generation it belongs to.
    pub generation: Generation,
    /// Its number within the generation, from 1.
    #[schema(minimum = 1)]
    pub number: u32,
    /// How many steps there are in all, as far as known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<u32>,
    /// What it does, for people: `create the REST API`.
    #[schema(max_length = 500)]
    pub description: String,
    /// The deterministic name or mark of what it makes on the gateway; absent if it makes nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1000)]
    pub object: Option<String>,
    /// How far it is.
    pub state: StepState,
}

/// How far a step is. `intended`: it is about to be taken, or was; nobody knows. `done`: it was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum StepState {
    /// It is about to be taken, or was; nobody knows.
    Intended,
    /// It was taken.
    Done,
}

/// Records a step. The answer comes once it is safe in the control plane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StepReport {
    /// The lease under which it is taken; a stale one is refused, and the step must not be taken.
    pub fencing: FencingNumber,
    /// The step.
    pub step: Step,
    /// How long the rest will take under the vendor's quotas, in milliseconds, as far as known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remaining_ms: Option<u64>,
}

/// Something an agent is asked to look at or to work out. It changes nothing on the gateway.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskWork {
    /// Which.
    pub id: TaskId,
    /// Where.
    pub environment_id: EnvironmentId,
    /// What.
    pub task: Task,
}

/// What an agent is asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
// Fields are renamed one by one: the generated document does not follow serde's `rename_all_fields`.
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum Task {
    /// What bringing a deployment to this desired state would change and cost.
    Plan {
        /// What should be there.
        desired: DesiredState,
        /// The gateway's own identity for the API, once reported.
        #[serde(default, rename = "externalRef", skip_serializing_if = "Option::is_none")]
        external_ref: Option<ExternalRef>,
        /// The one object without our mark that may be taken over.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        adopt: Option<ExternalRef>,
    },
    /// Look at deployments and tell what is there; each is told with `POST
    /// /agent/v1/environments/{id}/observations`, then the task is answered.
    Observe {
        /// Which; absent means all of the environment.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        deployments: Option<Vec<DeploymentId>>,
    },
    /// Look at an object of the gateway, ours or not: for adopting and moving it.
    Inspect {
        /// The gateway's own identity for it.
        #[serde(rename = "externalRef")]
        external_ref: ExternalRef,
    },
    /// Look whether the gateway can be reached and the credential is good for the environment's mode.
    Check,
}

/// The answer to a task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TaskReport {
    /// The lease under which it was worked out.
    pub fencing: FencingNumber,
    /// The answer.
    pub result: TaskResult,
}

/// What came of a task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
// Fields are renamed one by one: the generated document does not follow serde's `rename_all_fields`.
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum TaskResult {
    /// Of `plan`.
    Planned {
        /// What the gateway holds.
        observation: Observation,
        /// How faithfully each policy is expressed; empty for a removal.
        fidelity: Vec<PolicyFidelity>,
        /// What the connector has to say of it, in sentences.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        notes: Vec<String>,
        /// What to think about before it is carried out, in sentences.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        warnings: Vec<String>,
        /// The vendor's operations it takes, by name.
        calls: VendorCalls,
        /// How long until it would be done if it began now, in milliseconds, with what else is waiting for the
        /// account's quotas.
        #[serde(rename = "etaMs")]
        eta_ms: u64,
    },
    /// Of `observe`: how many deployments were looked at.
    Observed {
        /// How many.
        count: u64,
    },
    /// Of `inspect`.
    Inspected {
        /// What the gateway holds.
        observation: Observation,
    },
    /// Of `check`.
    Checked {
        /// The gateway's version, as far as it tells.
        #[serde(default, rename = "gatewayVersion", skip_serializing_if = "Option::is_none")]
        gateway_version: Option<String>,
        /// What was looked at, one by one.
        findings: Vec<CheckFinding>,
    },
    /// It could not be worked out.
    Failed {
        /// One word in PascalCase for programs: `NotFound`, `Conflict` (what is not ours is in the way, or
        /// changed meanwhile), `Invalid` (the gateway refuses it), `Unauthorized`, `Forbidden`, `RateLimited`,
        /// `Unavailable`, `Unsupported`, `Unexpected`.
        reason: String,
        /// A sentence for people: what happened and what to do.
        message: String,
    },
}

/// One thing that a check looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckFinding {
    /// How it stands.
    pub severity: CheckSeverity,
    /// What was looked at and found, and what to do if it is not well.
    pub message: String,
}

/// How a finding of a check stands. `ok`: it is well. `warning`: it works, and should be looked at.
/// `error`: it keeps the mode from working.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum CheckSeverity {
    /// It is well.
    Ok,
    /// It works, and should be looked at: a permission beyond what the mode needs.
    Warning,
    /// It keeps the mode from working.
    Error,
}

/// What was observed of deployments.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ObservationsReport {
    /// The lease under which it was seen.
    pub fencing: FencingNumber,
    /// At most 100 deployments.
    #[schema(max_items = 100)]
    pub items: Vec<DeploymentObservation>,
}

/// What was observed of one deployment. One that speaks of another generation than the desired one is left out
/// without an error.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeploymentObservation {
    /// Which.
    pub deployment_id: DeploymentId,
    /// The generation whose desired state it was compared with.
    pub generation: Generation,
    /// What was seen; absent if it was exactly what is desired: its mark's revision and its fingerprint are. Of
    /// what is just being deployed, and of what could not be looked at, `unknown`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub differs: Option<Observation>,
}

/// The versions of a gateway's APIs that the control plane knows: what has the same version need not be read again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InventoryResponse {
    /// By the gateway's own identity.
    pub versions: BTreeMap<String, String>,
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
        mark: Mark,
    },
}

/// Asks for a discovery, since the gateway told of a change to something that is not deployed there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DiscoveryWish {
    /// The lease under which it was heard.
    pub fencing: FencingNumber,
}

/// What came of asking for a discovery. One that is to be run is given with the next work.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DiscoveryWishAnswer {
    /// When to ask again, in milliseconds: one is open that may have passed by the change, or the last one began too short
    /// a time ago. Absent if there is nothing more to ask: one begins now, or the environment wants none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ask_again_ms: Option<u64>,
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
    /// Where to go on, if pages of it have arrived: an earlier agent was interrupted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume: Option<ResumePosition>,
}

/// Where an interrupted discovery goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResumePosition {
    /// How many pages have arrived; the next one to send is one more.
    pub pages: u32,
    /// The connector's position after the last of them; absent if that page was the end of the listing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<String>,
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
// Fields are renamed one by one: the generated document does not follow serde's `rename_all_fields`.
#[serde(rename_all = "camelCase", tag = "result")]
pub enum DeploymentOutcome {
    /// Work has begun.
    Deploying,
    /// This generation was carried out before, and the gateway holds something else now. Nothing was changed.
    Drifted {
        /// What it holds.
        observation: Observation,
    },
    /// The gateway serves it; traffic flows. Also told of what is found there as it is desired, without a change.
    Deployed {
        /// The gateway's own identity for the API.
        #[serde(rename = "externalRef")]
        external_ref: ExternalRef,
        /// Where consumers reach it, best first.
        #[serde(rename = "endpointUrls")]
        endpoint_urls: Vec<String>,
        /// What the gateway was seen to hold afterwards.
        observed: Fingerprint,
    },
    /// The API is not on the gateway any more.
    Removed,
    /// The attempt failed.
    Failed {
        /// One word in PascalCase for programs: `NotFound`, `Conflict` (what is not ours is in the way, or
        /// changed meanwhile), `Invalid` (the gateway refuses it), `Unauthorized`, `Forbidden`, `RateLimited`,
        /// `Unavailable`, `Unsupported`, `Unexpected`; or why nothing was begun: `PlanVoid`,
        /// `PolicyUnsupported` (a security policy would not be enforced), `LossNotAccepted`.
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

/// How far a discovery came. Only a complete one says anything about absence. `complete`: every API of the
/// gateway was listed, single ones may be unreadable. `partial`: the listing broke off. `failed`: nothing
/// could be listed.
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
