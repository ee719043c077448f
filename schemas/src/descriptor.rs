//! What a connector says of itself: gateway type, versions, capabilities, settings schema.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::identity::GatewayType;

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
    /// How faithfully.
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
