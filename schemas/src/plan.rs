//! Plans: the ordered changes from observed to desired, as a value made by a pure function.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{canonical::Fingerprint, diff::Change};

/// What a deploy will change on the gateway.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// What happens to the API as a whole.
    pub action: PlanAction,
    /// The fingerprint of what was observed when the plan was made; absent for an absent API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed: Option<Fingerprint>,
    /// The fingerprint of what is desired.
    pub desired: Fingerprint,
    /// Field by field.
    pub changes: Vec<Change>,
}

/// What happens to an API as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum PlanAction {
    /// It is not there and will be.
    Create,
    /// It is there and differs.
    Update,
    /// It is there as desired.
    Nothing,
}
