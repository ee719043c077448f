//! What was applied, where it says more than AWS does: the same policies stay where they were written, in their order.

use gatehouse_connector_sdk::schemas::{
    policy::Policy,
    revision::{Operation, RevisionContent},
};

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
