//! What was applied, where it says more than AWS does: the same policies stay where they were written, in their order.

use std::collections::{BTreeMap, BTreeSet};

use gatehouse_connector_sdk::schemas::{
    api::Upstream,
    policy::Policy,
    revision::{Operation, RevisionContent},
    route::normalise,
};

/// What was applied, with every part of it that is not as it was. `expected` is what reading would have told of it when it
/// was applied, and `current` what it tells now: where both are the same, what was applied still holds, however much of it
/// AWS has words for.
pub(crate) fn changed(
    recorded: &RevisionContent,
    expected: &RevisionContent,
    current: RevisionContent,
) -> RevisionContent {
    let lost = lost_types(expected, &current);
    let mut changed = RevisionContent {
        definition: recorded.definition.clone(),
        ..current
    };
    changed.upstreams = upstreams(recorded, expected, changed.upstreams);
    changed.operations = operations(recorded, expected, changed.operations);
    if changed.version == expected.version {
        changed.version.clone_from(&recorded.version);
    }
    let sides = (&recorded.policies[..], &expected.policies[..]);
    changed.policies = policies(sides, changed.policies, &lost);
    for operation in &mut changed.operations {
        let Some(known) = same(&recorded.operations, operation) else {
            continue;
        };
        let before = same(&expected.operations, operation).map_or(&[][..], |before| &before.policies);
        let now = std::mem::take(&mut operation.policies);
        operation.policies = policies((&known.policies, before), now, &lost);
        if same(&expected.operations, operation).map(|it| &it.upstream) == Some(&operation.upstream) {
            operation.upstream.clone_from(&known.upstream);
        }
        operation.id.clone_from(&known.id);
        operation.summary.clone_from(&known.summary);
        operation.deprecated = known.deprecated;
    }
    changed
}

/// What AWS needs beside what was asked for (where its own answers come from) is left out as long as nobody touched it.
fn upstreams(
    recorded: &RevisionContent,
    expected: &RevisionContent,
    current: BTreeMap<String, Upstream>,
) -> BTreeMap<String, Upstream> {
    let is_untouched = |name: &str, now: &Upstream| expected.upstreams.get(name) == Some(now);
    let untold = recorded.upstreams.iter().filter(|(name, _)| {
        !expected.upstreams.contains_key(*name)
            || current.get(*name).is_some_and(|now| is_untouched(name, now))
    });
    let mut upstreams: BTreeMap<String, Upstream> = untold
        .map(|(name, upstream)| (name.clone(), upstream.clone()))
        .collect();
    let touched = current.into_iter().filter(|(name, now)| !is_untouched(name, now));
    upstreams.extend(touched);
    upstreams
}

/// So it is with operations: a path that takes the rest takes nothing, too, and preflights are answered.
fn operations(
    recorded: &RevisionContent,
    expected: &RevisionContent,
    current: Vec<Operation>,
) -> Vec<Operation> {
    let is_untouched = |now: &Operation| same(&expected.operations, now) == Some(now);
    let untold = recorded
        .operations
        .iter()
        .filter(|it| same(&expected.operations, it).is_none() && same(&current, it).is_none());
    let mut operations: Vec<Operation> = untold.cloned().collect();
    let told = current
        .into_iter()
        .filter(|now| same(&recorded.operations, now).is_some() || !is_untouched(now));
    operations.extend(told);
    operations.sort_by(|one, other| one.order().cmp(&other.order()));
    operations
}

/// The types of policies of which something that was expected is told no more, at whatever place: where reading tells them
/// elsewhere than they were written, what was written need not hold either.
fn lost_types(expected: &RevisionContent, current: &RevisionContent) -> BTreeSet<&'static str> {
    let of_operations = expected.operations.iter().filter_map(|before| {
        let now = same(&current.operations, before)?;
        Some((&before.policies, &now.policies))
    });
    let places = of_operations.chain([(&expected.policies, &current.policies)]);
    let lost = places.flat_map(|(before, now)| before.iter().filter(|policy| !now.contains(policy)));
    lost.map(Policy::type_name).collect()
}

fn policies(
    (recorded, expected): (&[Policy], &[Policy]),
    current: Vec<Policy>,
    lost: &BTreeSet<&'static str>,
) -> Vec<Policy> {
    let mut all: Vec<Policy> = Policy::TYPES
        .iter()
        .flat_map(|kind| of_type(kind, (recorded, expected), &current, lost))
        .cloned()
        .collect();
    sort(&mut all, recorded);
    all
}

/// What AWS never tells did not change either, nor did what it tells as it did before, whatever is added. What it needs beside what was asked
/// for is left out as long as nobody touched it.
fn of_type<'p>(
    kind: &str,
    (recorded, expected): (&'p [Policy], &'p [Policy]),
    current: &'p [Policy],
    lost: &BTreeSet<&'static str>,
) -> Vec<&'p Policy> {
    let of = |policies: &'p [Policy]| {
        let same = policies.iter().filter(|policy| policy.type_name() == kind);
        same.collect::<Vec<_>>()
    };
    let (before, mut now) = (of(expected), of(current));
    let is_untouched = before.iter().all(|policy| now.contains(policy));
    let is_told_here = !before.is_empty() && !of(recorded).is_empty();
    match is_untouched && (is_told_here || !lost.contains(kind)) {
        true => {
            let added = now.into_iter().filter(|policy| !before.contains(policy));
            of(recorded).into_iter().chain(added).collect()
        }
        false => {
            let is_beside = |policy: &&Policy| kind == "native" && before.contains(policy);
            now.retain(|policy| recorded.contains(policy) || !is_beside(policy));
            now
        }
    }
}

fn same<'o>(operations: &'o [Operation], operation: &Operation) -> Option<&'o Operation> {
    let place = |it: &Operation| (it.r#match.method.clone(), normalise(&it.r#match.path));
    let wanted = place(operation);
    operations.iter().find(|known| place(known) == wanted)
}

/// Whether a policy was written at operations, and not at the API.
pub(super) fn is_of_operations(recorded: &RevisionContent, policy: &Policy) -> bool {
    let mut of_operations = recorded
        .operations
        .iter()
        .flat_map(|operation| &operation.policies);
    !recorded.policies.contains(policy) && of_operations.any(|known| known == policy)
}

/// Puts policies in the order in which they were written; those that are new come last.
pub(super) fn in_order(recorded: &RevisionContent, policies: &mut [Policy], operations: &mut [Operation]) {
    sort(policies, &recorded.policies);
    for operation in operations {
        let known = recorded
            .operations
            .iter()
            .find(|known| known.r#match == operation.r#match);
        sort(
            &mut operation.policies,
            known.map_or(&[], |known| &known.policies),
        );
    }
}

fn sort(policies: &mut [Policy], known: &[Policy]) {
    let place = |policy: &Policy| {
        known
            .iter()
            .position(|known| known == policy)
            .unwrap_or(known.len())
    };
    policies.sort_by_key(place);
}
