//! How faithfully a gateway expresses policies, and what follows from it for a deploy.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{api::OperationMatch, descriptor::Fidelity, desired::DesiredApi, policy::Policy};

/// How faithfully one policy at one place is expressed. A policy of which a report says nothing counts as
/// unsupported.
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
pub struct Losses {
    /// Security policies that would not be enforced: they stop the deploy, whatever was accepted.
    pub unenforceable: Vec<PolicyFidelity>,
    /// Everything else that is not exact: it needs to be accepted.
    pub others: Vec<PolicyFidelity>,
}

/// What is lost. A policy of the desired API that the report does not mention counts as unsupported, and
/// so does one whose type the report gives wrong: silence is not a promise.
pub fn losses(desired: &DesiredApi, report: &[PolicyFidelity]) -> Losses {
    let wanted = wanted(desired);
    let mut losses = Losses::default();
    for policy in &wanted {
        let told = report.iter().filter(|entry| entry.pointer == policy.pointer);
        let mut told = told.filter(|entry| entry.policy == policy.policy).peekable();
        if told.peek().is_none() {
            losses.add(policy);
        }
        told.for_each(|entry| losses.add(entry));
    }
    // A loss at a place that is not there is a loss somewhere.
    let known = |entry: &&PolicyFidelity| wanted.iter().any(|policy| policy.pointer == entry.pointer);
    report
        .iter()
        .filter(|entry| !known(entry))
        .for_each(|entry| losses.add(entry));
    losses
}

impl Losses {
    fn add(&mut self, entry: &PolicyFidelity) {
        match entry.fidelity {
            Fidelity::Exact => {}
            Fidelity::Unsupported { .. } if Policy::is_security_type(&entry.policy) => {
                self.unenforceable.push(entry.clone());
            }
            Fidelity::Approximated { .. } | Fidelity::Unsupported { .. } => self.others.push(entry.clone()),
        }
    }
}

/// Every policy of a desired API, as if nothing were said of it.
fn wanted(desired: &DesiredApi) -> Vec<PolicyFidelity> {
    report(desired, |_| Fidelity::Unsupported {
        reason: "the connector says nothing of it".to_owned(),
    })
}

/// A report on every policy of a desired API, in the order of its content.
pub fn report(desired: &DesiredApi, fidelity: impl Fn(&Policy) -> Fidelity) -> Vec<PolicyFidelity> {
    let content = &desired.content;
    let entries =
        |at: String, operation: Option<&OperationMatch>, policies: &[Policy]| -> Vec<PolicyFidelity> {
            let entry = |(position, policy): (usize, &Policy)| PolicyFidelity {
                pointer: format!("{at}/{position}"),
                policy: policy.type_name().to_owned(),
                operation: operation.cloned(),
                fidelity: fidelity(policy),
            };
            policies.iter().enumerate().map(entry).collect()
        };
    let mut all = entries("/policies".to_owned(), None, &content.policies);
    for (position, operation) in content.operations.iter().enumerate() {
        let at = format!("/operations/{position}/policies");
        all.extend(entries(at, Some(&operation.r#match), &operation.policies));
    }
    all
}

#[cfg(test)]
mod tests;
