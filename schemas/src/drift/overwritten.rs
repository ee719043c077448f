//! What was changed on a gateway by hand and is undone by a deploy: kept, so that nothing vanishes unseen.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{DriftField, drift};
use crate::{desired::DesiredApi, observed::Observation, revision::RevisionContent};

/// A field that somebody changed on the gateway, and that was overwritten.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Overwritten {
    /// Where in the API's content, as a JSON Pointer; empty if it is about all of the API.
    pub path: String,
    /// What the gateway was last seen to hold there; absent if nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>)]
    pub observed: Option<Value>,
}

/// What is overwritten where `desired` is deployed to a gateway that was last seen like this.
///
/// Fields that only the catalog changed are not overwritten, and neither is what the gateway holds already as it is
/// desired. Fields that may differ are overwritten like all others, so no rule leaves them out.
pub fn overwritten(
    applied: Option<&RevisionContent>,
    desired: &DesiredApi,
    observation: &Observation,
) -> Vec<Overwritten> {
    if *observation == Observation::Absent {
        return vec![Overwritten {
            path: String::new(),
            observed: None,
        }];
    }
    let fields = drift(applied, desired, Some(observation), &[]).fields;
    // The field without a path speaks of marks and versions of secrets.
    let by_hand = |field: &DriftField| !field.path.is_empty() && field.observed != field.applied;
    fields
        .into_iter()
        .filter(by_hand)
        .map(|field| Overwritten {
            path: field.path,
            observed: field.observed,
        })
        .collect()
}

/// The longest text of one value; what is longer can be read in the deployment's history.
const SHOWN_MAX: usize = 120;

impl std::fmt::Display for Overwritten {
    /// As people read it: `/displayName` was `"Bestellungen"`.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Some(observed) = &self.observed else {
            return match self.path.as_str() {
                "" => formatter.write_str("the API was not there"),
                path => write!(formatter, "`{path}` was not there"),
            };
        };
        let text = observed.to_string();
        let shown: String = text.chars().take(SHOWN_MAX).collect();
        let more = if shown.len() < text.len() { "…" } else { "" };
        write!(formatter, "`{}` was {shown}{more}", self.path)
    }
}
