//! Drift: how gateways stand to what was deployed to them, and what is done about it. Checks and other looks.

use std::collections::BTreeMap;

use gatehouse_schemas::{
    drift::Drift,
    environment::Mode,
    identity::{DeploymentId, ResourceName, RevisionNumber, TaskId},
    policy::Policy,
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::agent::TaskResult;

/// How one environment's gateway stands to one deployment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DriftReport {
    /// The deployment.
    pub deployment_id: DeploymentId,
    /// The API's name.
    pub api: ResourceName,
    /// The environment's name.
    pub environment: ResourceName,
    /// The desired revision.
    pub revision: RevisionNumber,
    /// How they compare.
    #[serde(flatten)]
    pub drift: Drift,
    /// When the gateway was last looked at; absent if it never was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_at: Option<Timestamp>,
}

/// Decides what to do about drift.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ResolveDriftRequest {
    /// What.
    pub resolution: DriftResolution,
}

/// What is done about drift.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum DriftResolution {
    /// Put back what was applied.
    Revert,
    /// Make what the gateway holds a new revision of the API, and desire that.
    Adopt,
}

/// Something an agent was asked, and its answer once there is one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Task {
    /// Which.
    pub id: TaskId,
    /// Where.
    pub environment: ResourceName,
    /// How it goes.
    pub state: TaskState,
    /// The answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<TaskResult>,
    /// When it was asked.
    pub created_at: Timestamp,
    /// When it ends without an answer.
    pub expires_at: Timestamp,
}

/// How a task goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum TaskState {
    /// No agent has answered.
    Pending,
    /// It was answered.
    Answered,
    /// It could not be answered, or no agent did in time; the result says why.
    Failed,
}

/// What the gateway's own access control should allow an agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Permissions {
    /// The environment's name.
    pub environment: ResourceName,
    /// For this mode.
    pub mode: Mode,
    /// The vendor's language, for people.
    pub language: String,
    /// The policy, in which settings of the environment are filled in.
    #[schema(value_type = Object)]
    pub document: Value,
    /// How to put it in force.
    pub instructions: String,
}

/// The policies in force for one operation of an API, each with where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyExplanation {
    /// The API's name.
    pub api: ResourceName,
    /// The operation: `GET /orders/{id}`; absent for the API as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// The environment it is explained for; absent for policies that hold everywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<ResourceName>,
    /// What is in force, in the order in which it acts.
    pub effective: Vec<ExplainedPolicy>,
    /// What was written and is not in force, with the reason.
    pub overridden: Vec<OverriddenPolicy>,
}

/// One policy in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExplainedPolicy {
    /// The policy.
    pub policy: Policy,
    /// Where each value comes from: by JSON Pointer into the policy's parameters, the empty one for the policy as a
    /// whole; each as `policy/NAME at /policies/0`, `api/NAME at /policies/1`.
    pub origins: BTreeMap<String, Vec<String>>,
    /// Whether children may not replace it.
    pub locked: bool,
}

/// A policy that is not in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OverriddenPolicy {
    /// The policy.
    pub policy: Policy,
    /// Where it was written.
    pub origin: String,
    /// Why it is not in force.
    pub reason: String,
}
