//! What the vendor holds.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};

/// An API object of an account.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Api {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) tags: BTreeMap<String, String>,
    /// Changes with every change of the object, its draft, its deployments and its stages.
    pub(super) version: u64,
    pub(super) created_ms: u64,
    pub(super) draft: Snapshot,
    pub(super) deployments: BTreeMap<String, Deployment>,
    pub(super) stages: BTreeMap<String, Stage>,
}

impl Api {
    /// What a stage serves.
    pub(super) fn served(&self, stage: &str) -> Option<&Deployment> {
        self.deployments.get(&self.stages.get(stage)?.deployment_id)
    }
}

/// What is deployed together.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Snapshot {
    pub(super) settings: Settings,
    pub(super) routes: Vec<Route>,
    pub(super) policies: Vec<Policy>,
    /// The document that the API was imported from, as it was.
    #[serde(default)]
    pub(super) definition: Option<Box<RawValue>>,
}

/// What concerns an API as a whole.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct Settings {
    pub(super) title: String,
    pub(super) api_version: String,
    pub(super) protocol: String,
    pub(super) direction: String,
    pub(super) hostnames: Vec<String>,
    pub(super) base_path: String,
    pub(super) backends: BTreeMap<String, Backend>,
}

/// Where requests go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Backend {
    pub(super) url: String,
    pub(super) timeout_ms: u32,
    pub(super) connect_timeout_ms: u32,
}

/// Which requests are served.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct Route {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) operation_name: Option<String>,
    pub(super) summary: Option<String>,
    pub(super) deprecated: bool,
    pub(super) backend: Option<String>,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) query: BTreeMap<String, String>,
}

/// A rule, for all routes (`*`) or for one (`GET /orders`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Policy {
    pub(super) name: String,
    pub(super) scope: String,
    pub(super) kind: String,
    pub(super) config: Value,
}

/// The kinds of policies that keep callers out.
pub(super) const SECURITY_KINDS: [&str; 4] = [
    "KEY_REQUIRED",
    "TOKEN_REQUIRED",
    "PASSWORD_REQUIRED",
    "ADDRESS_FILTER",
];

/// A snapshot of a draft.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Deployment {
    pub(super) id: String,
    pub(super) name: String,
    /// Later ones have higher numbers.
    pub(super) number: u64,
    pub(super) created_ms: u64,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) snapshot: Snapshot,
}

/// What is served under a name.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Stage {
    pub(super) deployment_id: String,
    pub(super) version: u64,
}
