//! How faithfully the gateway expresses policies. What is not mentioned here counts as unsupported.

use gatehouse_connector_sdk::schemas::{
    descriptor::{Fidelity, PolicySupport},
    desired::DesiredApi,
    fidelity::{PolicyFidelity, report},
    policy::{CredentialLocation, HeadersPolicy, Policy},
};

/// The policy types that the gateway knows, with how faithfully it expresses them at best.
pub(crate) fn support() -> Vec<PolicySupport> {
    let exact = |policy: &str| PolicySupport {
        policy: policy.to_owned(),
        fidelity: Fidelity::Exact,
    };
    vec![exact("auth.apiKey"), exact("headers")]
}

/// How faithfully each single policy is expressed. A security policy that is not enforced stops the deploy; other
/// losses need to be accepted.
pub(crate) fn fidelity(desired: &DesiredApi) -> Vec<PolicyFidelity> {
    let mut report = report(desired, of_policy);
    let mut has_keys = false;
    for entry in &mut report {
        if entry.operation.is_some() {
            entry.fidelity = unsupported("the gateway has policies for whole APIs only");
        } else if entry.policy == "auth.apiKey" && std::mem::replace(&mut has_keys, true) {
            // Security policies add up: callers would need a key of each.
            entry.fidelity = unsupported("the gateway takes one set of keys for an API");
        }
    }
    report
}

fn of_policy(policy: &Policy) -> Fidelity {
    match policy {
        Policy::AuthApiKey(policy) if policy.keys.iter().any(|key| key.expires_at.is_some()) => {
            unsupported("keys of the gateway do not expire; take the key out when its time has come")
        }
        Policy::AuthApiKey(policy) if policy.r#in == CredentialLocation::Header => Fidelity::Exact,
        Policy::AuthApiKey(_) => unsupported("the gateway looks for keys in headers only"),
        Policy::Headers(policy) => of_headers(policy),
        _ => unsupported("the gateway has nothing like it"),
    }
}

fn of_headers(policy: &HeadersPolicy) -> Fidelity {
    let response = &policy.response;
    let is_lost = !policy.request.is_empty() || !response.remove.is_empty() || !response.add.is_empty();
    match (is_lost, response.set.is_empty()) {
        (false, _) => Fidelity::Exact,
        (true, true) => unsupported("the gateway sets headers of responses, and changes no others"),
        (true, false) => Fidelity::Approximated {
            difference: "only `response.set` is carried out".to_owned(),
        },
    }
}

fn unsupported(reason: &str) -> Fidelity {
    Fidelity::Unsupported {
        reason: reason.to_owned(),
    }
}
