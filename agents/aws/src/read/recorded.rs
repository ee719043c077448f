//! What was applied, where it says more than AWS does: the same policies stay where they were written, in their order.

use std::collections::BTreeSet;

use gatehouse_connector_sdk::schemas::{
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
    let told = told_types(expected);
    let mut changed = RevisionContent {
        definition: recorded.definition.clone(),
        ..current
    };
    if changed.upstreams == expected.upstreams {
        changed.upstreams.clone_from(&recorded.upstreams);
    }
    if changed.version == expected.version {
        changed.version.clone_from(&recorded.version);
    }
    let sides = (&recorded.policies[..], &expected.policies[..]);
    changed.policies = policies(sides, changed.policies, &told);
    for operation in &mut changed.operations {
        let Some(known) = same(&recorded.operations, operation) else {
            continue;
        };
        let before = same(&expected.operations, operation).map_or(&[][..], |before| &before.policies);
        let now = std::mem::take(&mut operation.policies);
        operation.policies = policies((&known.policies, before), now, &told);
        operation.id.clone_from(&known.id);
        operation.summary.clone_from(&known.summary);
        operation.deprecated = known.deprecated;
    }
    changed
}

/// The types of policies that reading tells of what was applied.
fn told_types(expected: &RevisionContent) -> BTreeSet<&'static str> {
    let of_operations = expected
        .operations
        .iter()
        .flat_map(|operation| &operation.policies);
    let all = expected.policies.iter().chain(of_operations);
    all.map(Policy::type_name).collect()
}

fn policies(
    (recorded, expected): (&[Policy], &[Policy]),
    current: Vec<Policy>,
    told: &BTreeSet<&'static str>,
) -> Vec<Policy> {
    if current == expected {
        return recorded.to_vec();
    }
    // What AWS never tells did not change either.
    let untold = recorded
        .iter()
        .filter(|policy| !told.contains(policy.type_name()));
    let mut all: Vec<Policy> = untold.cloned().chain(current).collect();
    sort(&mut all, recorded);
    all
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
