//! What the gateway is told to serve.

use std::collections::BTreeMap;

use gatehouse_schemas::{
    canonical::Fingerprint,
    desired::Mark,
    identity::{ExternalRef, ResourceName},
    revision::RevisionContent,
};
use serde::{Deserialize, Serialize};

/// One API as the gateway serves it: routes, policies and keys together, so that they can only change
/// together. This is also what the snapshot on disk holds; it contains no secret in clear text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApiConfig {
    /// The gateway's own identity for the API.
    pub external_ref: ExternalRef,
    /// Whose it is; APIs from a local file have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<Mark>,
    /// What it is: host names, base path, upstreams, policies, operations.
    pub content: RevisionContent,
    /// SHA-256 in hexadecimal of each secret that a policy refers to, by the secret's name.
    #[serde(default)]
    pub secret_hashes: BTreeMap<ResourceName, String>,
    /// The fingerprint of the desired state this came from.
    pub fingerprint: Fingerprint,
}
