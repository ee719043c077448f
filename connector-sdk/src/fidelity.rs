//! How faithfully policies are expressed: the report every translation carries.

use gatehouse_schemas::{
    descriptor::{Fidelity, PolicySupport},
    desired::DesiredApi,
    fidelity::{self, PolicyFidelity},
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
/// unsupported. A connector that can say more of a single policy changes the entries it knows better.
pub fn report(desired: &DesiredApi, support: &[PolicySupport]) -> Vec<PolicyFidelity> {
    fidelity::report(desired, |policy| fidelity_of(policy.type_name(), support))
}

fn fidelity_of(policy: &str, support: &[PolicySupport]) -> Fidelity {
    support.iter().find(|entry| entry.policy == policy).map_or_else(
        || Fidelity::Unsupported {
            reason: format!("the connector does not know `{policy}`"),
        },
        |entry| entry.fidelity.clone(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_type_is_as_faithful_as_declared_and_unsupported_otherwise() {
        let support = all_exact();
        assert_eq!(fidelity_of("native", &support), Fidelity::Exact);
        let Fidelity::Unsupported { reason } = fidelity_of("cors", &support[..1]) else {
            panic!("nobody declared it")
        };
        assert_eq!(reason, "the connector does not know `cors`");
    }
}
