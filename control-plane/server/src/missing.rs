//! APIs that a gateway does not show any more: what becomes of them, and what people are told.

use std::collections::{BTreeMap, BTreeSet};

use gatehouse_control_plane_store::{InventoryEntry, MissingNote, Transaction};
use gatehouse_schemas::{
    identity::{ApiId, EnvironmentId, ExternalRef, ResourceName},
    removal::{Missing, RemovalRules, Removals, removals},
    time::Timestamp,
};

use crate::failure::Answer;

/// What became of everything that is missing.
#[derive(Debug, Default)]
pub(crate) struct Settled {
    /// What counts as removed now, and did not before.
    pub(crate) removed: Vec<ExternalRef>,
    /// How each stands, in a sentence.
    pub(crate) messages: BTreeMap<ExternalRef, String>,
}

/// An entry of the inventory that is missing, as the rules look at it.
pub(crate) fn of_entry(entry: &InventoryEntry) -> Option<Missing> {
    let missing = entry.missing?;
    Some(Missing {
        external_ref: entry.external_ref.clone(),
        complete_runs: missing.complete_runs,
        since: missing.since,
        approved: missing.approved,
    })
}

/// Decides about everything that is missing from an environment, and writes it down: `known` is all that counts as
/// being on its gateway, `missing` what of it was not seen.
pub(crate) async fn settle(
    transaction: &mut Transaction,
    (environment, environment_id, rules): (&ResourceName, EnvironmentId, &RemovalRules),
    known: &BTreeMap<ExternalRef, InventoryEntry>,
    missing: &[Missing],
    name: impl Fn(ApiId) -> Option<ResourceName>,
) -> Answer<Settled> {
    let decided = guarded(
        removals(missing, known.len(), rules, transaction.now()),
        missing,
        known.len(),
        rules,
    );
    let around = Around {
        environment,
        rules,
        known: known.len(),
        missing: unapproved(missing),
    };
    let by_reference: BTreeMap<&ExternalRef, &Missing> =
        missing.iter().map(|it| (&it.external_ref, it)).collect();
    let notes = around.notes(&decided, &by_reference, known);
    transaction.note_missing(environment_id, &notes.changed).await?;
    let (mut messages, mut gone) = (notes.messages, Vec::with_capacity(decided.remove.len()));
    for reference in &decided.remove {
        let Some(missing) = by_reference.get(reference) else {
            continue;
        };
        let api = known
            .get(reference)
            .and_then(|entry| entry.api_id)
            .and_then(&name);
        gone.push((reference.clone(), removed(missing, api.as_ref())));
    }
    transaction.count_each_as_removed(environment_id, &gone).await?;
    messages.extend(gone);
    Ok(Settled {
        removed: decided.remove,
        messages,
    })
}

/// While more is missing than may go without a person, nothing goes without one, not even the few that are due: listings
/// that broke off may have shown all others meanwhile, and the gateway answer with nothing again.
fn guarded(mut decided: Removals, missing: &[Missing], known: usize, rules: &RemovalRules) -> Removals {
    let share = known.saturating_mul(rules.max_share_percent.into()) / 100;
    if unapproved(missing) <= share.max(1) {
        return decided;
    }
    let approved: BTreeSet<&ExternalRef> = missing
        .iter()
        .filter(|missing| missing.approved)
        .map(|missing| &missing.external_ref)
        .collect();
    let (remove, stopped) = decided
        .remove
        .into_iter()
        .partition(|reference| approved.contains(reference));
    decided.remove = remove;
    decided.need_approval.extend::<Vec<ExternalRef>>(stopped);
    decided
}

fn unapproved(missing: &[Missing]) -> usize {
    missing.iter().filter(|missing| !missing.approved).count()
}

/// What is told of those that are missing.
struct Notes {
    /// What differs from what was told before.
    changed: Vec<MissingNote>,
    messages: BTreeMap<ExternalRef, String>,
}

/// What the words need to know of the environment.
#[derive(Debug, Clone)]
struct Around<'a> {
    environment: &'a ResourceName,
    rules: &'a RemovalRules,
    /// How many APIs it was known to have.
    known: usize,
    /// How many are missing and not approved.
    missing: usize,
}

impl Around<'_> {
    fn notes(
        &self,
        decided: &Removals,
        missing: &BTreeMap<&ExternalRef, &Missing>,
        known: &BTreeMap<ExternalRef, InventoryEntry>,
    ) -> Notes {
        let mut notes = Notes {
            changed: Vec::new(),
            messages: BTreeMap::new(),
        };
        let waiting = decided.wait.iter().map(|reference| (reference, false));
        let stopped = decided.need_approval.iter().map(|reference| (reference, true));
        for (reference, needs_approval) in waiting.chain(stopped) {
            let Some(missing) = missing.get(reference) else {
                continue;
            };
            let message = if needs_approval {
                self.needs_approval(missing)
            } else {
                self.waits(missing)
            };
            let told = known.get(reference).and_then(|entry| entry.message.as_ref());
            if told != Some(&message) {
                notes.changed.push(MissingNote {
                    external_ref: reference.clone(),
                    needs_approval,
                    message: message.clone(),
                });
            }
            notes.messages.insert(reference.clone(), message);
        }
        notes
    }

    fn waits(&self, missing: &Missing) -> String {
        let rules = self.rules;
        let grace_ms = i64::try_from(rules.grace_seconds.saturating_mul(1000)).unwrap_or(i64::MAX);
        let approved = if missing.approved {
            "; its removal is approved"
        } else {
            ""
        };
        format!(
            "{}; it counts as removed after {} in a row, not before {}{approved}",
            unseen(missing.complete_runs),
            rules.complete_runs,
            Timestamp(missing.since.0.saturating_add(grace_ms)),
        )
    }

    fn needs_approval(&self, missing: &Missing) -> String {
        let environment = self.environment;
        format!(
            "{}; {} of the environment's {} APIs are missing at once, more than {} %: if they are really gone, \
             approve it with `gatehouse discoveries approve-removals {environment} --all`; if not, look whether the \
             agent's credential may still see them",
            unseen(missing.complete_runs),
            self.missing,
            self.known,
            self.rules.max_share_percent,
        )
    }
}

fn removed(missing: &Missing, api: Option<&ResourceName>) -> String {
    let kept = api.map(|api| format!("; api `{api}` stays in the catalog"));
    format!(
        "it counts as removed from the gateway: {}{}",
        unseen(missing.complete_runs),
        kept.unwrap_or_default()
    )
}

fn unseen(complete_runs: u32) -> String {
    match complete_runs {
        1 => "not seen in 1 complete discovery".to_owned(),
        many => format!("not seen in {many} complete discoveries in a row"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_goes_without_a_person_while_too_much_is_missing() {
        let missing = |number: u32, complete_runs: u32, approved: bool| Missing {
            external_ref: ExternalRef(number.to_string()),
            complete_runs,
            since: Timestamp(0),
            approved,
        };
        let rules = RemovalRules {
            complete_runs: 2,
            grace_seconds: 0,
            max_share_percent: 10,
        };
        let check = |missing: &[Missing]| {
            let decided = removals(missing, 30, &rules, Timestamp(1));
            let decided = guarded(decided, missing, 30, &rules);
            (
                decided.remove.len(),
                decided.wait.len(),
                decided.need_approval.len(),
            )
        };
        let few: Vec<Missing> = (0..3).map(|number| missing(number, 2, false)).collect();
        assert_eq!(check(&few), (3, 0, 0));
        // Two are due; the rest of the thirty were shown by listings that broke off, and now by none.
        let empty: Vec<Missing> = (0..30)
            .map(|number| missing(number, if number < 2 { 3 } else { 1 }, false))
            .collect();
        assert_eq!(check(&empty), (0, 28, 2));
        let approved: Vec<Missing> = (0..30).map(|number| missing(number, 3, number < 2)).collect();
        assert_eq!(check(&approved), (2, 0, 28));
    }

    #[test]
    fn says_what_has_to_happen_and_what_to_do() {
        let environment: ResourceName = "local".parse().expect("a name");
        let rules = RemovalRules::default();
        let around = Around {
            environment: &environment,
            rules: &rules,
            known: 100,
            missing: 12,
        };
        let missing = |complete_runs: u32, approved: bool| Missing {
            external_ref: ExternalRef("a".to_owned()),
            complete_runs,
            since: Timestamp(0),
            approved,
        };
        assert_eq!(
            around.waits(&missing(1, false)),
            "not seen in 1 complete discovery; it counts as removed after 3 in a row, not before 1970-01-02T00:00:00Z"
        );
        assert_eq!(
            around.waits(&missing(2, true)),
            "not seen in 2 complete discoveries in a row; it counts as removed after 3 in a row, not before \
             1970-01-02T00:00:00Z; its removal is approved"
        );
        assert_eq!(
            around.needs_approval(&missing(3, false)),
            "not seen in 3 complete discoveries in a row; 12 of the environment's 100 APIs are missing at once, more \
             than 10 %: if they are really gone, approve it with `gatehouse discoveries approve-removals local --all`; if \
             not, look whether the agent's credential may still see them"
        );
        assert_eq!(
            removed(&missing(3, false), Some(&environment)),
            "it counts as removed from the gateway: not seen in 3 complete discoveries in a row; api `local` stays in the catalog"
        );
    }
}
