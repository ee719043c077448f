//! How faithfully policies are expressed: the report every translation carries.

use gatehouse_schemas::{
    api::OperationMatch,
    descriptor::{Fidelity, PolicySupport},
    desired::DesiredApi,
    fidelity::PolicyFidelity,
    policy::Policy,
};

/// The support of a connector that expresses every canonical policy as it says.
pub fn all_exact() -> Vec<PolicySupport> {
    Policy::TYPES
        .map(|policy| PolicySupport {
            policy: policy.to_owned(),
            fidelity: Fidelity::Exact,
        })
        .to_vec()
}

/// The report for a desired API by what a descriptor declares per policy type; a type that is not declared is
/// unsupported.
pub fn report(desired: &DesiredApi, support: &[PolicySupport]) -> Vec<PolicyFidelity> {
    let content = &desired.content;
    let of_api = entries("/policies", None, &content.policies, support);
    let of_operations = content
        .operations
        .iter()
        .enumerate()
        .flat_map(|(position, operation)| {
            entries(
                &format!("/operations/{position}/policies"),
                Some(&operation.r#match),
                &operation.policies,
                support,
            )
        });
    of_api.into_iter().chain(of_operations).collect()
}

fn entries(
    at: &str,
    operation: Option<&OperationMatch>,
    policies: &[Policy],
    support: &[PolicySupport],
) -> Vec<PolicyFidelity> {
    policies
        .iter()
        .enumerate()
        .map(|(position, policy)| PolicyFidelity {
            pointer: format!("{at}/{position}"),
            policy: policy.type_name().to_owned(),
            operation: operation.cloned(),
            fidelity: fidelity_of(policy.type_name(), support),
        })
        .collect()
}

fn fidelity_of(policy: &str, support: &[PolicySupport]) -> Fidelity {
    support.iter().find(|entry| entry.policy == policy).map_or_else(
        || Fidelity::Unsupported {
            reason: format!("the connector does not know `{policy}`"),
        },
        |entry| entry.fidelity.clone(),
    )
}
