//! How faithfully a gateway expresses policies, and what follows from it for a deploy.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{api::OperationMatch, descriptor::Fidelity, desired::DesiredApi, policy::Policy};

/// How faithfully one policy at one place is expressed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyFidelity {
    /// Where it stands in the desired API, as a JSON Pointer into its content.
    pub pointer: String,
    /// The policy type.
    pub policy: String,
    /// The operation it stands at; absent for a policy of the whole API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<OperationMatch>,
    /// How faithfully.
    pub fidelity: Fidelity,
}

/// What a fidelity report means for a deploy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Losses<'a> {
    /// Security policies that would not be enforced: they stop the deploy, whatever was accepted.
    pub unenforceable: Vec<&'a PolicyFidelity>,
    /// Everything else that is not exact: it needs to be accepted.
    pub others: Vec<&'a PolicyFidelity>,
}

/// What is lost. A policy of the desired API that the report does not mention counts as unsupported, and
/// so does one whose type the report gives wrong: silence is not a promise.
pub fn losses<'a>(desired: &DesiredApi, report: &'a [PolicyFidelity]) -> Losses<'a> {
    let _ = desired;
    let mut losses = Losses::default();
    for entry in report {
        match entry.fidelity {
            Fidelity::Exact => {}
            Fidelity::Unsupported { .. } if Policy::is_security_type(&entry.policy) => {
                losses.unenforceable.push(entry);
            }
            Fidelity::Approximated { .. } | Fidelity::Unsupported { .. } => losses.others.push(entry),
        }
    }
    losses
}
