//! What a connector says of itself: gateway type, versions, capabilities, settings schema.
//!
//! Connectors and control planes of different ages read each other's: what is absent means "not declared", and what is
//! unknown is ignored.

mod permissions;

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

pub use self::permissions::{
    DerivedWord, FilledPermissions, MissingSetting, PermissionAddition, PermissionSet,
};
use crate::{identity::GatewayType, quota::Quota};

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
    /// The credentials that it takes from `Environment.spec.credentials`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub credentials: Vec<CredentialDescription>,
    /// What the conformance suite saw of this version; absent if nobody says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conformance: Option<ConformanceSummary>,
}

/// A credential that a connector takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CredentialDescription {
    /// Its name in `Environment.spec.credentials`.
    pub name: String,
    /// What it is to the gateway, and what it must be allowed to do.
    pub description: String,
    /// Whether nothing works without it.
    #[serde(default)]
    pub required: bool,
}

/// What the conformance suite saw of a connector.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConformanceSummary {
    /// The suite's semantic version.
    pub suite: String,
    /// How much of it was run.
    pub level: ConformanceLevel,
    /// How many behaviours were seen to hold.
    pub passed: u32,
    /// What was not looked at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<ConformanceNote>,
    /// What did not hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<ConformanceNote>,
}

/// How much of the conformance suite is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum ConformanceLevel {
    /// What every connector must do.
    Core,
    /// That, and how it takes faults.
    Extended,
}

impl ConformanceLevel {
    /// As reports and people write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Core => "core",
            Self::Extended => "extended",
        }
    }
}

impl fmt::Display for ConformanceLevel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A behaviour that was skipped or failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConformanceNote {
    /// The behaviour, in the words of the contract.
    pub behaviour: String,
    /// Why.
    pub reason: String,
}

/// Operations and limits of a connector, as plain data. What is declared is what the conformance suite tests; what is
/// not declared is neither asked for nor offered to people.
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
    /// `hints`: the gateway can tell of changes as they happen, in environments whose settings say where.
    pub hints: bool,
    /// Every agent of the environment is a gateway of its own and carries out all work itself.
    /// Otherwise the agents share one gateway, and only the holder of the lease acts on it.
    pub replicated: bool,
    /// `deploy` takes over an object that does not carry our mark, in place, if people chose it.
    pub adopt: bool,
    /// A deploy may take several steps on the gateway; each is recorded before it is taken.
    pub steps: bool,
    /// Listings carry a version of each API, so that one that did not change is not read again.
    pub versions: bool,
    /// The formats of definitions that `discover` and `observe` read from the gateway: `openapi-3.0`.
    pub definitions_read: Vec<String>,
    /// The formats of definitions that `deploy` writes to the gateway.
    pub definitions_written: Vec<String>,
    /// The most APIs in one page of `discover`; absent if a page has as many as are asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub largest_page: Option<u32>,
    /// The versions of the gateway that the connector was made for, as ranges for people: `3.4 to 3.9`. Empty if the
    /// gateway comes with the connector, or has one version only.
    pub gateway_versions: Vec<String>,
    /// What the gateway holds at most.
    pub limits: Limits,
}

/// What a gateway holds at most. What is absent has no limit that is known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Limits {
    /// Operations of one API.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operations_per_api: Option<u32>,
    /// APIs of one environment, whoever made them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub apis: Option<u32>,
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

#[cfg(test)]
mod tests;
