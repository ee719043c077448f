//! What gateways hold: the stored snapshot of each environment, what is ignored there, what is gone from it.

use gatehouse_schemas::{
    identity::{ExternalRef, ResourceName},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An API of a gateway that discoveries leave out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct IgnoredApi {
    /// The environment's name.
    pub environment: ResourceName,
    /// The gateway's own identity for it.
    pub external_ref: ExternalRef,
    /// Why.
    pub reason: String,
    /// When it was put on the list.
    pub created_at: Timestamp,
    /// By whom: the token's name.
    pub created_by: String,
}

/// Puts an API of a gateway on the ignore list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IgnoreApiRequest {
    /// The gateway's own identity for it.
    pub external_ref: ExternalRef,
    /// Why, for whoever wonders later.
    #[serde(default)]
    #[schema(max_length = 500)]
    pub reason: String,
}

/// An API of the catalog that its gateway does not show any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MissingApi {
    /// The environment's name.
    pub environment: ResourceName,
    /// The gateway's own identity for it.
    pub external_ref: ExternalRef,
    /// The gateway's last name for it.
    pub name: String,
    /// The catalog's API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api: Option<ResourceName>,
    /// How it stands.
    pub state: MissingState,
    /// In how many complete discoveries in a row it was not seen.
    pub complete_runs: u32,
    /// When it was first not seen.
    pub since: Timestamp,
    /// What has to happen before it counts as removed, or what to do, in a sentence.
    pub message: String,
}

/// How an API that is not seen any more stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum MissingState {
    /// Further complete discoveries or the end of the grace period are awaited.
    Waiting,
    /// Too many are missing at once; a person must approve.
    NeedsApproval,
    /// It counts as removed there. This entry is what is left of it; the catalog's API stays.
    Removed,
}

/// Approves that APIs which are missing count as removed when they are due.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApproveRemovalsRequest {
    /// Which; absent means all that need approval now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_refs: Option<Vec<ExternalRef>>,
}
