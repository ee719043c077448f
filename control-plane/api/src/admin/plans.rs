//! Plans: what deploys, undeploys and rollbacks will change, approved before it happens, and how that goes.

use gatehouse_schemas::{
    canonical::Fingerprint,
    drift::Overwritten,
    fidelity::PolicyFidelity,
    identity::{DeploymentId, ExternalRef, Generation, PlanId, ResourceName, RevisionNumber},
    plan,
    quota::VendorCalls,
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::agent::Step;

/// Asks for a plan. Nothing changes on any gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreatePlanRequest {
    /// What should happen, each API in each environment at most once.
    #[schema(min_items = 1, max_items = 100)]
    pub items: Vec<PlanItemRequest>,
    /// What happens to the others when one fails.
    #[serde(default)]
    pub strategy: PlanStrategy,
    /// Whether losses are accepted. Security policies that cannot be enforced stop a plan all the same.
    #[serde(default)]
    pub accept_loss: bool,
}

/// What should happen to one API in one environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlanItemRequest {
    /// What.
    #[serde(default)]
    pub action: PlanItemAction,
    /// The API's name.
    pub api: ResourceName,
    /// The environment's name.
    pub environment: ResourceName,
    /// The revision. Default: for a deploy the newest, for a rollback the last one before the present one that was
    /// deployed there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 4_294_967_295_u32)]
    pub revision: Option<RevisionNumber>,
}

/// What happens to an API in an environment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum PlanItemAction {
    /// A revision is placed there, or takes the place of another.
    #[default]
    Deploy,
    /// It is taken off.
    Undeploy,
    /// An earlier revision takes the place of the present one; goes first when a vendor's quota is scarce.
    Rollback,
    /// What was applied is put back where the gateway was changed beside Gatehouse.
    Revert,
    /// The object it was imported from is marked as ours and deployed over from now on.
    Adopt,
}

/// What happens to the other items when one fails.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PlanStrategy {
    /// They go on.
    #[default]
    BestEffort,
    /// They are put back to what was there before.
    AllOrNothing,
}

/// A plan: immutable in what it says will change. Only `state` and the items' `state`, `message`, `progress` move.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// Which.
    pub id: PlanId,
    /// The fingerprint of what it says will change: of the items without what moves. Given once it is worked out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<Fingerprint>,
    /// How it stands.
    pub state: PlanState,
    /// What happens to the others when one item fails.
    pub strategy: PlanStrategy,
    /// Whether losses are accepted.
    pub accept_loss: bool,
    /// Item by item, as asked for.
    pub items: Vec<PlanItem>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// By whom: the token's name.
    pub created_by: String,
    /// When it was applied, and by whom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied_at: Option<Timestamp>,
    /// Who applied it: the token's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied_by: Option<String>,
}

/// How a plan stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum PlanState {
    /// Agents are looking at the gateways.
    Pending,
    /// It can be applied.
    Ready,
    /// It cannot be applied; items say why.
    Refused,
    /// The world moved since it was made; make a new one.
    Void,
    /// It is being carried out.
    Applying,
    /// All of it was carried out.
    Applied,
    /// Some items were carried out, and some failed.
    Incomplete,
    /// An item failed, and the others are being put back.
    Compensating,
    /// An item failed, and all others are as they were.
    Compensated,
}

/// What will happen to one API in one environment, and how that goes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlanItem {
    /// What.
    pub action: PlanItemAction,
    /// The API's name.
    pub api: ResourceName,
    /// The environment's name.
    pub environment: ResourceName,
    /// The revision that is there now; absent if none is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_revision: Option<RevisionNumber>,
    /// The revision that will be there; absent for an undeploy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_revision: Option<RevisionNumber>,
    /// The generation of the deployment when the plan was made; absent if there was none. Another one voids the plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<Generation>,
    /// What changes on the gateway, field by field. Given once an agent has looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<plan::Plan>,
    /// How faithfully the gateway expresses each policy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fidelity: Vec<PolicyFidelity>,
    /// The vendor's operations it takes, by name.
    #[serde(default, skip_serializing_if = "VendorCalls::is_empty")]
    pub calls: VendorCalls,
    /// How long it will take under the vendor's quotas, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eta_ms: Option<u64>,
    /// The one object without our mark that will be taken over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adopt: Option<ExternalRef>,
    /// What the connector says of it: what the API becomes on the gateway and why, and what has to be allowed there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// What to know, although nothing stands in the way.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// How it stands.
    pub state: PlanItemState,
    /// Why it is refused, void or failed, and what to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The deployment, once there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment_id: Option<DeploymentId>,
    /// The step the agent is at while it is carried out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
}

/// How far an agent is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// The latest step.
    pub step: Step,
    /// How long the rest will take, in milliseconds, as far as known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remaining_ms: Option<u64>,
}

/// How one item stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum PlanItemState {
    /// An agent is to look at the gateway.
    Pending,
    /// It can be carried out.
    Ready,
    /// It cannot be carried out.
    Refused,
    /// The world moved since the plan was made; nothing was done.
    Void,
    /// It is being carried out.
    Applying,
    /// It was carried out.
    Applied,
    /// It failed.
    Failed,
    /// It is being put back, since another item failed.
    Compensating,
    /// It is as it was.
    Compensated,
}

/// Carries out a plan.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApplyPlanRequest {
    /// The fingerprint of what was approved; another one is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<Fingerprint>,
}

/// One revision that was in an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentHistoryEntry {
    /// The revision; absent for a removal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<RevisionNumber>,
    /// The generation.
    pub generation: Generation,
    /// When the gateway confirmed it.
    pub at: Timestamp,
    /// Who asked for it: `token/NAME` or `system`.
    pub requested_by: String,
    /// What somebody had changed on the gateway, and was overwritten by it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overwritten: Vec<Overwritten>,
}
