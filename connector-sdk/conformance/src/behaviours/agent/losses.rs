//! What an agent does about policies that its gateway cannot express.

use gatehouse_schemas::{descriptor::Fidelity, desired::DesiredApi, policy::Policy};
use serde_json::{Value, json};

use super::{ensure_failed, present};
use crate::{
    agent::stage::Stage,
    sample,
    subject::Subject,
    verdict::{Stop, Verdict},
};

/// Policies that need nothing else, some for security and some for other things.
fn samples() -> [Value; 7] {
    [
        json!({ "type": "ip.filter", "with": { "allow": ["10.0.0.0/8"] } }),
        json!({ "type": "request.size", "with": { "maxBytes": 1_000 } }),
        json!({ "type": "rewrite", "with": { "query": { "set": { "from": "gatehouse" } } } }),
        json!({ "type": "cors", "with": { "allowOrigins": ["https://example.com"] } }),
        json!({ "type": "timeout", "with": { "responseMs": 1_000 } }),
        json!({ "type": "ratelimit", "with": { "limits": [{ "requests": 10, "per": "minute" }] } }),
        json!({ "type": "headers", "with": { "response": { "set": { "x-from": "gatehouse" } } } }),
    ]
}

/// The samples that are policies: all of them.
fn policies() -> impl Iterator<Item = Policy> {
    samples()
        .into_iter()
        .filter_map(|sample| serde_json::from_value(sample).ok())
}

/// An API with a policy that the connector says it cannot express as it is.
fn lossy(subject: &Subject, is_security: bool) -> Result<DesiredApi, Stop> {
    let declared = &subject.connector.descriptor().policies;
    let is_lost = |policy: &Policy| {
        let entry = declared.iter().find(|entry| entry.policy == policy.type_name());
        match entry.map(|entry| &entry.fidelity) {
            Some(Fidelity::Exact) => false,
            // At best; of security, a difference is a loss like any other.
            Some(Fidelity::Approximated { .. }) => !is_security,
            Some(Fidelity::Unsupported { .. }) | None => true,
        }
    };
    let mut lost = policies().filter(|policy| policy.is_security() == is_security && is_lost(policy));
    let policy = lost.next().ok_or_else(|| {
        Stop::Skip(format!(
            "the connector expresses every {} policy of the suite",
            if is_security { "security" } else { "other" }
        ))
    })?;
    let mut content = sample::content("/api-1");
    content.policies.push(policy);
    Ok(sample::without_secrets(1, content))
}

pub(super) async fn no_security_is_lost(subject: Subject) -> Verdict {
    let desired = lossy(&subject, true)?;
    let mut stage = Stage::new(&subject).await?;
    let before = stage.holds().await;
    let generation = stage.offer_as(present(desired), |work, _| work.accept_loss = true);
    let outcome = stage.outcome(generation).await?;
    ensure_failed(&outcome, Some("PolicyUnsupported"))?;
    stage.is_unchanged(&before).await
}

pub(super) async fn nothing_is_lost_that_nobody_accepted(subject: Subject) -> Verdict {
    let desired = lossy(&subject, false)?;
    let mut stage = Stage::new(&subject).await?;
    let before = stage.holds().await;
    let generation = stage.offer(present(desired.clone()));
    let outcome = stage.outcome(generation).await?;
    ensure_failed(&outcome, Some("LossNotAccepted"))?;
    stage.is_unchanged(&before).await?;
    let accepted = stage.offer_as(present(desired), |work, _| work.accept_loss = true);
    stage.deployed(accepted).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sample_is_a_policy() {
        assert_eq!(policies().count(), samples().len());
    }
}
