//! `Environment`: a registered target. The thing people deploy to.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::{
    identity::{GatewayType, ResourceName},
    removal::RemovalRules,
};

/// What people say of a gateway environment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EnvironmentSpec {
    /// The name people see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// The kind of gateway; agents that announce it serve the environment.
    pub gateway_type: GatewayType,
    /// What may be done there.
    #[serde(default)]
    pub mode: Mode,
    /// Parameters of the connection; the connector's settings schema says which.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    #[schema(value_type = Object)]
    pub settings: Map<String, Value>,
    /// Where the agent finds the credentials of the gateway, by the connector's name for each.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub credentials: BTreeMap<String, CredentialSource>,
    /// When and what to discover.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discovery: Option<DiscoverySpec>,
    /// What to do when the gateway differs from what was deployed.
    #[serde(default)]
    pub drift_policy: DriftPolicy,
    /// When to look for drift, and where not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<DriftSpec>,
    /// Whether APIs may be deployed although the gateway cannot express all of their policies. Security
    /// policies that it cannot enforce stop a deploy all the same.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub accept_loss: bool,
    /// Where consumers reach the gateway; without it the agent says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub endpoints: Vec<Endpoint>,
}

/// What may be done in an environment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Discover only.
    ReadOnly,
    /// Deploy only.
    WriteOnly,
    /// Both.
    #[default]
    ReadWrite,
}

impl Mode {
    /// Whether APIs may be deployed and undeployed.
    pub fn may_write(self) -> bool {
        matches!(self, Self::WriteOnly | Self::ReadWrite)
    }

    /// Whether APIs may be discovered.
    pub fn may_read(self) -> bool {
        matches!(self, Self::ReadOnly | Self::ReadWrite)
    }
}

/// Where an agent finds one credential. Exactly one of the three.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum CredentialSource {
    /// A `Secret` of the control plane.
    SecretRef(ResourceName),
    /// An environment variable of the agent's process.
    Env(String),
    /// A file on the agent's machine.
    File(String),
}

/// When and what to discover.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DiscoverySpec {
    /// A cron expression with five fields, in UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
    /// Which APIs.
    #[serde(default, skip_serializing_if = "DiscoveryFilter::is_empty")]
    pub filter: DiscoveryFilter,
    /// When an API that is not seen any more counts as removed.
    #[serde(default, skip_serializing_if = "is_default")]
    pub removal: RemovalRules,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// When to look for drift, and where not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DriftSpec {
    /// A cron expression with five fields, in UTC. Without it, drift is looked for on demand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
    /// Fields of an API's content that may differ: JSON Pointers, in which a step `*` stands for any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(example = json!(["/displayName", "/operations/*/summary"]))]
    pub ignore: Vec<String>,
}

/// Which APIs a discovery is about. What is given must hold together.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DiscoveryFilter {
    /// APIs that carry one of these tags; empty means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// APIs whose name on the gateway matches one of these patterns, in which `*` stands for any text and `?` for
    /// any character; empty means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// What only the connector understands: the vendor's own selectors.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    #[schema(value_type = Object)]
    pub selector: Map<String, Value>,
}

impl DiscoveryFilter {
    /// Whether it lets everything through.
    pub fn is_empty(&self) -> bool {
        self.tags.is_empty() && self.names.is_empty() && self.selector.is_empty()
    }
}

/// What to do about drift.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DriftPolicy {
    /// Say so.
    #[default]
    Alert,
    /// Put back what was deployed.
    Revert,
    /// Take what is there into the catalog.
    Adopt,
}

/// Where consumers reach a gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Endpoint {
    /// Scheme, host, optional port.
    #[schema(format = "uri", example = "https://api.example.com")]
    pub url: String,
}
