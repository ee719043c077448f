//! Why a deployment is not begun, in words that people can act on.

use gatehouse_control_plane_api::agent::{DeploymentOutcome, ExpectedState};
use gatehouse_schemas::{
    descriptor::Fidelity, desired::DesiredApi, fidelity, fidelity::PolicyFidelity, identity::ResourceName,
    observed::Observation,
};

fn refusal(reason: &str, message: String) -> DeploymentOutcome {
    DeploymentOutcome::Failed {
        reason: reason.to_owned(),
        message,
        retrying: false,
    }
}

/// Refuses if the gateway does not hold any more what the plan saw there.
pub(super) fn moved(
    api: &ResourceName,
    environment: &ResourceName,
    expected: &ExpectedState,
    observation: &Observation,
) -> Option<DeploymentOutcome> {
    let change = match (expected, observation) {
        (_, Observation::Unknown { .. }) | (ExpectedState::Absent, Observation::Absent) => return None,
        (ExpectedState::Present { fingerprint }, Observation::Present(observed))
            if *fingerprint == observed.fingerprint =>
        {
            return None;
        }
        (ExpectedState::Present { .. }, Observation::Present(_)) => "was changed there",
        (ExpectedState::Present { .. }, Observation::Absent) => "was removed there",
        (ExpectedState::Absent, Observation::Present(_)) => "appeared there",
    };
    Some(refusal(
        "PlanVoid",
        format!(
            "`{api}` {change} since the plan for `{environment}` was made; nothing was touched; make a new plan and look at it"
        ),
    ))
}

/// Refuses what the gateway cannot express: security policies always, others unless that was accepted.
pub(super) fn losses(
    desired: &DesiredApi,
    report: &[PolicyFidelity],
    environment: &ResourceName,
    accepted: bool,
) -> Option<DeploymentOutcome> {
    let losses = fidelity::losses(desired, report);
    let api = &desired.mark.api_name;
    if !losses.unenforceable.is_empty() {
        let policies: Vec<_> = losses.unenforceable.iter().map(described).collect();
        return Some(refusal(
            "PolicyUnsupported",
            format!(
                "`{api}` was not deployed to `{environment}`, whose gateway cannot enforce {}; deploy it to another gateway, or protect it with a policy that this one can enforce",
                policies.join("; ")
            ),
        ));
    }
    if losses.others.is_empty() || accepted {
        return None;
    }
    let policies: Vec<_> = losses.others.iter().map(described).collect();
    Some(refusal(
        "LossNotAccepted",
        format!(
            "`{api}` was not deployed to `{environment}`, whose gateway does not express everything: {}; accept that with --accept-loss or the environment's `acceptLoss`, or change the policies",
            policies.join("; ")
        ),
    ))
}

fn described(loss: &PolicyFidelity) -> String {
    let place = loss.operation.as_ref().map_or_else(
        || "the whole API".to_owned(),
        |operation| format!("`{} {}`", operation.method, operation.path),
    );
    let what = match &loss.fidelity {
        Fidelity::Exact => "exact".to_owned(),
        Fidelity::Approximated { difference } => format!("approximated: {difference}"),
        Fidelity::Unsupported { reason } => format!("unsupported: {reason}"),
    };
    format!("`{}` of {place} at `{}` ({what})", loss.policy, loss.pointer)
}

#[cfg(test)]
mod tests;
