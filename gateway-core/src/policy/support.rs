//! What the gateway enforces, and why it does not enforce the rest.

use gatehouse_schemas::{
    descriptor::{Fidelity, PolicySupport},
    policy::Policy,
};

/// How faithfully the gateway enforces each policy type.
///
/// A security policy that is not enforced is refused when its API is put in. Other policies that are not enforced
/// are passed over: whoever puts the API in has to know from here that they are.
pub fn policy_support() -> Vec<PolicySupport> {
    let support = |policy: &str| PolicySupport {
        policy: policy.to_owned(),
        fidelity: match lack(policy) {
            None => at_best(policy),
            Some(reason) => Fidelity::Unsupported {
                reason: reason.to_owned(),
            },
        },
    };
    Policy::TYPES.map(support).to_vec()
}

/// How faithfully a policy type is enforced that is enforced at all.
fn at_best(policy: &str) -> Fidelity {
    match policy {
        // Whether there is a Redis is the gateway's business, and an agent says once what all its gateways do.
        "quota" => Fidelity::Approximated {
            difference: QUOTA.to_owned(),
        },
        _ => Fidelity::Exact,
    }
}

/// How a quota differs from what it says.
const QUOTA: &str = "gateways count together only if they share a Redis (`--redis`); without one each counts for itself, and while \
                     it is away each gives out its part of what is left";

/// Why a policy type is not enforced; none if it is.
pub(crate) fn lack(policy: &str) -> Option<&'static str> {
    Some(match policy {
        "auth.apiKey" | "auth.jwt" | "auth.oauth2" | "auth.basic" | "auth.mtls" | "auth.conditions"
        | "ext.authz" | "ext.wasm" | "ip.filter" | "request.validate" | "request.size" | "ratelimit"
        | "quota" | "cors" | "headers" | "rewrite" | "transform" | "respond" | "timeout" | "retry"
        | "log" | "cache" => {
            return None;
        }
        "native" => "the gateway has no language of its own beside the canonical policies",
        _ => "the gateway does not know this type of policy",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_about_policies_says_what_is_enforced() {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/policies.md");
        let page = std::fs::read_to_string(page).expect("the page can be read");
        for policy in Policy::TYPES {
            let start = format!("| `{policy}` |");
            let row = page.lines().find(|line| line.starts_with(&start)).expect(policy);
            let enforced = if lack(policy).is_none() {
                "| yes |"
            } else {
                "| no |"
            };
            assert!(row.ends_with(enforced), "{row}");
        }
    }

    #[test]
    fn a_type_that_is_not_known_is_lacking() {
        assert!(lack("auth.unheard-of").is_some());
    }
}
