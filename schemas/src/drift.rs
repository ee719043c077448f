//! Drift: what a gateway holds, compared with what was last applied and with what is desired.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::{desired::DesiredApi, observed::Observation, revision::RevisionContent};

/// How a gateway stands to a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum DriftState {
    /// It holds what is desired, as far as fields are not ignored.
    InSync,
    /// It holds something else.
    Drifted,
    /// The gateway answered, and the API is not there.
    Missing,
    /// It is not known what it holds; nothing is changed on that account.
    Unknown,
}

/// One field of an API, three ways.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DriftField {
    /// Where in the API's content, as a JSON Pointer.
    pub path: String,
    /// What was last applied there; absent if nothing was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>)]
    pub applied: Option<Value>,
    /// What is desired there; absent if nothing is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>)]
    pub desired: Option<Value>,
    /// What the gateway holds there; absent if nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>)]
    pub observed: Option<Value>,
    /// Whether both sides changed it, differently: nobody but a person decides which one holds.
    #[serde(default)]
    pub conflict: bool,
}

/// How a gateway stands to a deployment, field by field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Drift {
    /// In a word.
    pub state: DriftState,
    /// The fields in which it drifted; empty unless `state` is `drifted`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<DriftField>,
    /// Why it is unknown or missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// How a gateway stands to a deployment.
///
/// `applied` is what was last carried out there, `observation` the latest look: none if nobody looked. Fields that
/// `ignore` names (JSON Pointers, in which a step `*` stands for any) may differ, with everything below them.
pub fn drift(
    applied: Option<&RevisionContent>,
    desired: &DesiredApi,
    observation: Option<&Observation>,
    ignore: &[String],
) -> Drift {
    let _ = (applied, desired, observation, ignore);
    Drift {
        state: DriftState::Unknown,
        fields: Vec::new(),
        reason: None,
    }
}
