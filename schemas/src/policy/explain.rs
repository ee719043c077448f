//! What is in force where, where each of it comes from, and why the rest is not.

use std::collections::BTreeMap;

use super::{
    Policy,
    merge::{Fate, Layer, MergeRule, Written, settle},
};
use crate::identity::GatewayType;

/// What is in force where some layers meet, and what is not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Explanation {
    /// What is in force, in the order in which it acts.
    pub effective: Vec<ExplainedPolicy>,
    /// What is written and not in force, in the order in which it is written.
    pub overridden: Vec<OverriddenPolicy>,
}

/// A policy in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExplainedPolicy {
    /// The policy.
    pub policy: Policy,
    /// Where each value comes from: by JSON Pointer into the policy's parameters, the empty one for the policy as a
    /// whole; each as `policy/NAME at /policies/0`.
    pub origins: BTreeMap<String, Vec<String>>,
    /// Whether layers further in may not set its type.
    pub locked: bool,
}

/// A policy that is not in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OverriddenPolicy {
    /// The policy.
    pub policy: Policy,
    /// Where it is written.
    pub origin: String,
    /// Why it is not in force.
    pub reason: String,
}

/// Explains what [`merge`](super::merge) decides about these layers. Native fragments of other gateway types are
/// explained away only if a gateway type is given.
pub fn explain(layers: &[Layer<'_>], gateway_type: Option<&GatewayType>) -> Explanation {
    let written = settle(layers, gateway_type);
    let mut explanation = Explanation::default();
    for (position, own) in written.iter().enumerate() {
        let policy = own.policy.as_written();
        match own.fate {
            Fate::InForce => explanation.effective.push(ExplainedPolicy {
                origins: origins(layers, &written, position),
                locked: is_locked(layers, &policy),
                policy,
            }),
            // It is in force, as the other one.
            Fate::SameAs(_) => {}
            fate => explanation.overridden.push(OverriddenPolicy {
                origin: origin(layers, own),
                reason: reason(layers, &written, own.policy, fate, gateway_type),
                policy,
            }),
        }
    }
    explanation
}

fn is_locked(layers: &[Layer<'_>], policy: &Policy) -> bool {
    policy
        .lockable()
        .is_some_and(|kind| layers.iter().any(|layer| layer.lock.contains(&kind)))
}

/// A policy comes from one place whole, or from several that say the same.
fn origins(layers: &[Layer<'_>], written: &[Written<'_>], position: usize) -> BTreeMap<String, Vec<String>> {
    let places: Vec<String> = written
        .iter()
        .enumerate()
        .filter(|(at, other)| *at == position || other.fate == Fate::SameAs(position))
        .map(|(_, other)| origin(layers, other))
        .collect();
    BTreeMap::from([(String::new(), places)])
}

fn origin(layers: &[Layer<'_>], written: &Written<'_>) -> String {
    let origin = &layers[written.layer].origin;
    format!("{} at {}/{}", origin.object, origin.list, written.index)
}

fn reason(
    layers: &[Layer<'_>],
    written: &[Written<'_>],
    policy: &Policy,
    fate: Fate,
    gateway_type: Option<&GatewayType>,
) -> String {
    let kind = policy.type_name();
    match fate {
        Fate::InForce | Fate::SameAs(_) => String::new(),
        Fate::ReplacedBy(other) => {
            format!(
                "replaced by the more specific `{kind}` of {}",
                origin(layers, &written[other])
            )
        }
        Fate::LargerThan(other) => {
            debug_assert_eq!(policy.merge_rule(), MergeRule::Smallest);
            let by = &written[other];
            format!(
                "{} is larger than the {} of {}",
                policy.size(),
                by.policy.size(),
                origin(layers, by)
            )
        }
        Fate::LockedBy(layer) => format!("`{kind}` is locked by {}", layers[layer].origin.object),
        Fate::ForOtherGateways => {
            let Policy::Native(native) = policy else {
                return String::new();
            };
            let own =
                gateway_type.map_or_else(String::new, |own| format!(", and this one is of type `{own}`"));
            format!("only for gateways of type `{}`{own}", native.gateway_type)
        }
    }
}

#[cfg(test)]
mod tests;
