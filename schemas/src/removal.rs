//! When an API that is not seen on a gateway any more counts as removed there: never at once, never
//! many at a time without a person, never because something could not be read.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{identity::ExternalRef, time::Timestamp};

/// What must come together before an API counts as removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RemovalRules {
    /// In how many complete discoveries in a row it was not seen. Default 3.
    #[schema(minimum = 1, maximum = 100)]
    pub complete_runs: u32,
    /// How long ago it was first not seen, in seconds. Default 86400, a day.
    #[schema(maximum = 31_536_000)]
    pub grace_seconds: u64,
    /// The largest share of the environment's known APIs that may go without approval, in percent. Default 10.
    #[schema(maximum = 100)]
    pub max_share_percent: u8,
}

impl Default for RemovalRules {
    fn default() -> Self {
        Self {
            complete_runs: 3,
            grace_seconds: 86_400,
            max_share_percent: 10,
        }
    }
}

/// An API that was not seen in the latest complete discovery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// The gateway's own identity for it.
    pub external_ref: ExternalRef,
    /// In how many complete discoveries in a row it was not seen.
    pub complete_runs: u32,
    /// When it was first not seen.
    pub since: Timestamp,
    /// Whether a person approved its removal.
    pub approved: bool,
}

/// What happens to the APIs that are missing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Removals {
    /// These count as removed now.
    pub remove: Vec<ExternalRef>,
    /// These wait: for further discoveries or the end of the grace period.
    pub wait: Vec<ExternalRef>,
    /// These are due, but too many to go without a person's approval.
    pub need_approval: Vec<ExternalRef>,
}

/// What happens to the APIs that are missing, of an environment of which `known` APIs were known.
///
/// If those that are due and not approved are more than the allowed share, none of them goes. At least one
/// may go, however few there are, unless the share is 0.
pub fn removals(missing: &[Missing], known: usize, rules: &RemovalRules, now: Timestamp) -> Removals {
    let grace_ms = i64::try_from(rules.grace_seconds.saturating_mul(1000)).unwrap_or(i64::MAX);
    let is_due = |api: &&Missing| {
        api.complete_runs >= rules.complete_runs && now.0.saturating_sub(api.since.0) >= grace_ms
    };
    let (due, early): (Vec<&Missing>, Vec<&Missing>) = missing.iter().partition(is_due);
    let (approved, others): (Vec<&Missing>, Vec<&Missing>) = due.into_iter().partition(|api| api.approved);
    let share = known.saturating_mul(rules.max_share_percent.into()) / 100;
    let allowed = if rules.max_share_percent == 0 {
        0
    } else {
        share.max(1)
    };
    let references = |apis: &[&Missing]| apis.iter().map(|api| api.external_ref.clone()).collect();
    let mut removals = Removals {
        remove: references(&approved),
        wait: references(&early),
        need_approval: Vec::new(),
    };
    if others.len() > allowed {
        removals.need_approval = references(&others);
    } else {
        removals.remove.extend::<Vec<ExternalRef>>(references(&others));
    }
    removals
}

/// What is missing after a run: of `known`, all that count as present in the inventory, what was not `seen`.
///
/// Only a complete run over the whole environment says anything: after any other, `missing` is as it was. What was
/// seen is not missing any more, and with that its approval has ended.
pub fn after_run(
    missing: &[Missing],
    known: &BTreeSet<ExternalRef>,
    seen: &BTreeSet<ExternalRef>,
    complete: bool,
    now: Timestamp,
) -> Vec<Missing> {
    if !complete {
        return missing.to_vec();
    }
    let before: BTreeMap<&ExternalRef, &Missing> =
        missing.iter().map(|api| (&api.external_ref, api)).collect();
    let unseen = known.iter().filter(|reference| !seen.contains(*reference));
    unseen
        .map(|reference| match before.get(reference) {
            Some(api) => Missing {
                complete_runs: api.complete_runs.saturating_add(1),
                ..(*api).clone()
            },
            None => Missing {
                external_ref: reference.clone(),
                complete_runs: 1,
                since: now,
                approved: false,
            },
        })
        .collect()
}

#[cfg(test)]
mod tests;
