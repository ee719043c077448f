//! How faithfully policies are expressed: the report every translation carries.
//!
//! ```
//! use gatehouse_connector_sdk::{
//!     fidelity,
//!     schemas::descriptor::{Fidelity, PolicySupport},
//! };
//!
//! // Acme expresses everything but fragments for other gateways.
//! let mut support = fidelity::all_exact();
//! support.retain(|entry| entry.policy != "native");
//! support.push(PolicySupport {
//!     policy: "native".to_owned(),
//!     fidelity: Fidelity::Unsupported { reason: "Acme takes no fragments".to_owned() },
//! });
//!
//! # mod acme { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/acme.rs")); }
//! assert!(fidelity::report(&acme::orders(), &support).is_empty(), "there are no policies to lose");
//! ```

use gatehouse_schemas::{
    descriptor::{Fidelity, PolicySupport},
    desired::DesiredApi,
    fidelity::{self, PolicyFidelity},
    policy::Policy,
};

/// The support of a connector that expresses every canonical policy as it says.
///
/// ```
/// use gatehouse_connector_sdk::{fidelity, schemas::descriptor::Fidelity};
///
/// let support = fidelity::all_exact();
/// assert!(support.iter().any(|entry| entry.policy == "cors"));
/// assert!(support.iter().all(|entry| entry.fidelity == Fidelity::Exact));
/// ```
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
///
/// ```
/// use gatehouse_connector_sdk::{
///     fidelity,
///     schemas::{descriptor::Fidelity, policy::Policy},
/// };
/// use serde_json::json;
///
/// # mod acme { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/acme.rs")); }
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let mut desired = acme::orders();
/// let policy = json!({"type": "auth.apiKey", "with": {"in": "header", "name": "x-api-key", "keys": []}});
/// desired.content.policies = vec![serde_json::from_value::<Policy>(policy)?];
///
/// let report = fidelity::report(&desired, &fidelity::all_exact());
/// assert_eq!(report[0].fidelity, Fidelity::Exact);
/// assert_eq!(report[0].pointer, "/policies/0");
///
/// // Nothing declared, nothing expressed.
/// let report = fidelity::report(&desired, &[]);
/// assert!(matches!(&report[0].fidelity, Fidelity::Unsupported { .. }));
/// # Ok(())
/// # }
/// ```
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
