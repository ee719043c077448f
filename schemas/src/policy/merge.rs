//! How policies of several places come together: the one function that decides what is in force.
//!
//! Places are layers, the outermost first: sets attached to the project, the environment, by labels, then the API,
//! then the operation. Nothing further in can take a security policy away or widen a limit.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Policy;
use crate::identity::GatewayType;

/// How policies of one type come together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MergeRule {
    /// All of them hold.
    AddsUp,
    /// The smallest value holds.
    Smallest,
    /// The one furthest in holds.
    MostSpecific,
    /// All of them act, the outermost first.
    InOrder,
}

/// A policy type that places further in may set anew, unless a set of policies locks it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the names are the policy types")]
pub enum Lockable {
    Cors,
    Headers,
    Rewrite,
    Transform,
    Respond,
    Retry,
    Cache,
    Log,
    Native,
}

impl Policy {
    /// How policies of this type come together.
    pub fn merge_rule(&self) -> MergeRule {
        match self {
            Self::AuthApiKey(_)
            | Self::AuthJwt(_)
            | Self::AuthBasic(_)
            | Self::AuthOAuth2(_)
            | Self::AuthMtls(_)
            | Self::AuthConditions(_)
            | Self::ExtAuthz(_)
            | Self::ExtWasm(_)
            | Self::IpFilter(_)
            | Self::RequestValidate(_)
            | Self::RateLimit(_)
            | Self::Quota(_)
            | Self::Native(_) => MergeRule::AddsUp,
            Self::RequestSize(_) | Self::Timeout(_) => MergeRule::Smallest,
            Self::Cors(_)
            | Self::Rewrite(_)
            | Self::Transform(_)
            | Self::Respond(_)
            | Self::Retry(_)
            | Self::Cache(_)
            | Self::Log(_) => MergeRule::MostSpecific,
            Self::Headers(_) => MergeRule::InOrder,
        }
    }

    /// What a lock on its type is called; none if a lock would make no difference.
    pub fn lockable(&self) -> Option<Lockable> {
        Some(match self {
            Self::Cors(_) => Lockable::Cors,
            Self::Headers(_) => Lockable::Headers,
            Self::Rewrite(_) => Lockable::Rewrite,
            Self::Transform(_) => Lockable::Transform,
            Self::Respond(_) => Lockable::Respond,
            Self::Retry(_) => Lockable::Retry,
            Self::Cache(_) => Lockable::Cache,
            Self::Log(_) => Lockable::Log,
            Self::Native(_) => Lockable::Native,
            _ => return None,
        })
    }

    /// The value of which the smallest holds.
    pub(super) fn size(&self) -> u64 {
        match self {
            Self::RequestSize(policy) => policy.max_bytes,
            Self::Timeout(policy) => policy.response_ms.into(),
            _ => u64::MAX,
        }
    }
}

/// Where policies are written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin<'a> {
    /// The object: `policy/NAME` or `api/NAME`.
    pub object: Cow<'a, str>,
    /// A JSON Pointer to the list in the object.
    pub list: Cow<'a, str>,
}

/// The policies of one place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Layer<'a> {
    /// Where they are written.
    pub origin: Origin<'a>,
    /// The policies, in order.
    pub policies: &'a [Policy],
    /// The types that layers further in may not set.
    pub lock: &'a [Lockable],
}

impl<'a> Layer<'a> {
    /// Policies of which nobody asks where they are written.
    pub fn of(policies: &'a [Policy]) -> Self {
        Self {
            policies,
            ..Self::default()
        }
    }
}

/// The policies in force where these layers meet, the outermost first, in the order in which they act.
///
/// Fragments of other gateway types are left out; without a gateway type, all stay. It makes no difference whether
/// layers come together one by one or at once, and a layer twice is as good as once.
pub fn merge<'a>(layers: &[Layer<'a>], gateway_type: Option<&GatewayType>) -> Vec<&'a Policy> {
    let settled = settle(layers, gateway_type).into_iter();
    settled
        .filter(|written| written.fate == Fate::InForce)
        .map(|written| written.policy)
        .collect()
}

/// One policy as written, and what becomes of it.
#[derive(Debug)]
pub(super) struct Written<'a> {
    pub(super) policy: &'a Policy,
    pub(super) layer: usize,
    pub(super) index: usize,
    pub(super) fate: Fate,
}

/// What becomes of a policy. Numbers are places in the list of all that is written, or of layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    InForce,
    SameAs(usize),
    ReplacedBy(usize),
    LargerThan(usize),
    LockedBy(usize),
    ForOtherGateways,
}

/// Everything written, in order, with what becomes of it.
pub(super) fn settle<'a>(layers: &[Layer<'a>], gateway_type: Option<&GatewayType>) -> Vec<Written<'a>> {
    let mut all = Vec::new();
    for (layer, at) in layers.iter().enumerate() {
        for (index, policy) in at.policies.iter().enumerate() {
            let fate = admitted(policy, &layers[..layer], gateway_type);
            all.push(Written {
                policy,
                layer,
                index,
                fate,
            });
        }
    }
    for position in 0..all.len() {
        if all[position].fate == Fate::InForce {
            all[position].fate = among(&all, position);
        }
    }
    all
}

fn admitted(policy: &Policy, outer: &[Layer<'_>], gateway_type: Option<&GatewayType>) -> Fate {
    if let (Policy::Native(native), Some(own)) = (policy, gateway_type)
        && native.gateway_type != *own
    {
        return Fate::ForOtherGateways;
    }
    let locks = |layer: &Layer<'_>| policy.lockable().is_some_and(|kind| layer.lock.contains(&kind));
    outer.iter().position(locks).map_or(Fate::InForce, Fate::LockedBy)
}

/// What becomes of a policy among the others of its type.
fn among(all: &[Written<'_>], position: usize) -> Fate {
    let own = all[position].policy;
    // Fates found before for others of the type are known by where they stand, so those count, too.
    let rivals = || {
        all.iter().enumerate().filter(|(_, other)| {
            let barred = matches!(other.fate, Fate::LockedBy(_) | Fate::ForOtherGateways);
            !barred && other.policy.type_name() == own.type_name()
        })
    };
    match own.merge_rule() {
        MergeRule::AddsUp => {
            let first = rivals().find(|(_, other)| same(own, other.policy));
            stands(position, first.map(|(at, _)| at), Fate::SameAs)
        }
        MergeRule::InOrder => {
            let last = rivals().rfind(|(_, other)| same(own, other.policy));
            stands(position, last.map(|(at, _)| at), Fate::SameAs)
        }
        MergeRule::MostSpecific => {
            let last = rivals().next_back();
            stands(position, last.map(|(at, _)| at), Fate::ReplacedBy)
        }
        MergeRule::Smallest => {
            let smallest = rivals().min_by_key(|(at, other)| (other.policy.size(), *at));
            match smallest {
                Some((at, other)) if at != position && other.policy.size() == own.size() => Fate::SameAs(at),
                smallest => stands(position, smallest.map(|(at, _)| at), Fate::LargerThan),
            }
        }
    }
}

fn stands(position: usize, winner: Option<usize>, otherwise: impl Fn(usize) -> Fate) -> Fate {
    match winner {
        Some(winner) if winner != position => otherwise(winner),
        _ => Fate::InForce,
    }
}

fn same(one: &Policy, other: &Policy) -> bool {
    // Most are asked about themselves, and some hold a whole definition.
    std::ptr::eq(one, other) || one == other || one.canonical() == other.canonical()
}

#[cfg(test)]
mod tests;
