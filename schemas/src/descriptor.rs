//! What a connector says of itself: gateway type, versions, capabilities, settings schema.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::{environment::Mode, identity::GatewayType, quota::Quota};

/// What a connector says of itself at the start of a session. All the control plane ever knows of a
/// gateway type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// The kind of gateway this connector speaks to.
    pub gateway_type: GatewayType,
    /// The name people see.
    pub display_name: String,
    /// The connector's own semantic version.
    pub version: String,
    /// What it can do.
    pub capabilities: Capabilities,
    /// JSON Schema (2020-12) of `Environment.spec.settings` for this gateway type.
    #[schema(value_type = Object)]
    pub settings_schema: Value,
    /// How faithfully each canonical policy type is expressed; a type that is not listed is unsupported.
    pub policies: Vec<PolicySupport>,
    /// The vendor's published quotas per account; empty for a gateway without any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quotas: Vec<Quota>,
    /// The settings that together name the vendor's account, whose quotas all its environments share.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub account_settings: Vec<String>,
    /// The least-privilege policy, in the vendor's language, for each mode.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub permissions: Vec<PermissionSet>,
}

/// What the gateway's own access control should allow an agent, for one mode of an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PermissionSet {
    /// The environment's mode.
    pub mode: Mode,
    /// The vendor's language, for people: `AWS IAM policy`, `Azure custom role`.
    pub language: String,
    /// The policy. In its texts, `{settings.NAME}` stands for a setting of the environment.
    #[schema(value_type = Object)]
    pub document: Value,
    /// How to put it in force.
    pub instructions: String,
}

/// Operations and limits of a connector, as plain data. Each is what the conformance suite saw pass.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Capabilities {
    /// `deploy` and its updates.
    pub deploy: bool,
    /// `undeploy`.
    pub undeploy: bool,
    /// `observe`.
    pub observe: bool,
    /// `discover`.
    pub discover: bool,
    /// `check`.
    pub check: bool,
    /// Every agent of the environment is a gateway of its own and carries out all work itself.
    /// Otherwise the agents share one gateway, and only the holder of the lease acts on it.
    pub replicated: bool,
}

/// How faithfully one policy type can be expressed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicySupport {
    /// The canonical policy type, for example `auth.apiKey`.
    pub policy: String,
    /// How faithfully at best. Before a deploy is recorded, it is refused by this; how faithfully each single
    /// policy is expressed, the agent says in its answers to `plan` tasks, and looks again before it changes
    /// anything.
    pub fidelity: Fidelity,
}

/// How faithfully a policy is expressed on a gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", tag = "level")]
pub enum Fidelity {
    /// As the policy says.
    Exact,
    /// Nearly so.
    Approximated {
        /// What differs.
        difference: String,
    },
    /// Not at all.
    Unsupported {
        /// Why.
        reason: String,
    },
}
