//! How faithfully Kong expresses policies. What is not mentioned here counts as unsupported.

use gatehouse_connector_sdk::schemas::{
    descriptor::{Fidelity, PolicySupport},
    desired::DesiredApi,
    fidelity::{PolicyFidelity, report},
    policy::Policy,
};

use super::policies::{approximated, fidelity_beside, of_api, unsupported};

/// The policy types that Kong knows, with how faithfully it expresses them at best.
pub(crate) fn support() -> Vec<PolicySupport> {
    let at_best = |policy: &str| match policy {
        "auth.apiKey" | "auth.basic" | "ip.filter" | "cors" | "headers" | "rewrite" | "respond"
        | "native" => Fidelity::Exact,
        "request.size" => approximated("Kong does not measure large bodies without `Content-Length`"),
        "auth.jwt" | "auth.oauth2" => {
            approximated("open-source Kong checks less than Enterprise and Konnect do")
        }
        "ratelimit" | "quota" => approximated("each Kong node counts for itself, in fixed windows"),
        "timeout" => approximated("Kong measures between two reads from the upstream"),
        "retry" => approximated("Kong sends again whatever the method, and without a pause"),
        "cache" => approximated("each Kong node has a cache of its own"),
        _ => unsupported("no plugin of open-source Kong does it; write one as a `native` policy"),
    };
    Policy::TYPES
        .map(|policy| PolicySupport {
            policy: policy.to_owned(),
            fidelity: at_best(policy),
        })
        .to_vec()
}

/// The report on a desired API: each policy beside those that hold where it stands.
pub(crate) fn fidelity(desired: &DesiredApi) -> Vec<PolicyFidelity> {
    let content = &desired.content;
    let mut entries = report(desired, |policy| fidelity_beside(policy, &[]));
    for (position, entry) in entries.iter_mut().take(content.policies.len()).enumerate() {
        let before: Vec<&Policy> = content.policies[..position].iter().collect();
        entry.fidelity = fidelity_beside(&content.policies[position], &before);
    }
    let mut rest = entries.iter_mut().skip(content.policies.len());
    for operation in &content.operations {
        for (position, policy) in operation.policies.iter().enumerate() {
            let mut before: Vec<&Policy> = of_api(content)
                .into_iter()
                .filter(|other| *other != policy)
                .collect();
            before.extend(&operation.policies[..position]);
            if let Some(entry) = rest.next() {
                entry.fidelity = fidelity_beside(policy, &before);
            }
        }
    }
    entries
}
