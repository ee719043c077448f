//! What changes of policies mean.

use std::collections::BTreeMap;

use super::{ChangeClass, Changes};
use crate::policy::Policy;

/// Policies by type; of several of one type, the first belongs to the first.
pub(super) fn compare(place: &str, before: &[Policy], after: &[Policy], changes: &mut Changes) {
    let (before, after) = (numbered(before), numbered(after));
    for (key, policy) in &before {
        let kind = policy.type_name();
        let place = at(place, kind);
        match after.get(key) {
            None => changes.add(removed(kind), &place, "it does not hold any more"),
            // What the definition says is compared for itself.
            Some(now) if now.as_written() != policy.as_written() => {
                changes.add(changed(policy, now), &place, "its parameters changed");
            }
            Some(_) => {}
        }
    }
    for (_, policy) in after.iter().filter(|(key, _)| !before.contains_key(key)) {
        let kind = policy.type_name();
        changes.add(added(kind), &at(place, kind), "it is new");
    }
}

fn at(place: &str, kind: &str) -> String {
    if place == super::content::WHOLE {
        return format!("policy {kind}");
    }
    format!("policy {kind} of {place}")
}

fn numbered(policies: &[Policy]) -> BTreeMap<(&'static str, usize), &Policy> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let key = |policy: &Policy| {
        let count = counts.entry(policy.type_name()).or_default();
        *count += 1;
        (policy.type_name(), *count)
    };
    let keys: Vec<(&'static str, usize)> = policies.iter().map(key).collect();
    keys.into_iter().zip(policies).collect()
}

/// Whether it refuses requests, or may: what was let through before may not be.
fn refuses(kind: &str) -> bool {
    Policy::is_security_type(kind)
        || matches!(
            kind,
            "ratelimit" | "quota" | "request.size" | "request.validate" | "transform" | "respond" | "native"
        )
}

fn added(kind: &str) -> ChangeClass {
    match kind {
        _ if refuses(kind) => ChangeClass::Breaking,
        "log" => ChangeClass::Cosmetic,
        _ => ChangeClass::Compatible,
    }
}

fn removed(kind: &str) -> ChangeClass {
    match kind {
        // Browsers were let in by it, callers were answered by it, or nobody knows what it did.
        "cors" | "transform" | "respond" | "native" => ChangeClass::Breaking,
        "log" => ChangeClass::Cosmetic,
        _ => ChangeClass::Compatible,
    }
}

fn changed(before: &Policy, after: &Policy) -> ChangeClass {
    if let (Policy::RequestSize(before), Policy::RequestSize(after)) = (before, after)
        && after.max_bytes >= before.max_bytes
    {
        return ChangeClass::Compatible;
    }
    added(before.type_name()).max(removed(before.type_name()))
}
