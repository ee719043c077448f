//! The state of a deployment, told from what is desired and what agents reported.

mod verdict;

use self::verdict::{Verdict, current, verdict};
use crate::{
    canonical::Fingerprint,
    condition::{Condition, ConditionStatus, ConditionType, Phase},
    environment::Mode,
    identity::{GatewayType, Generation, ResourceName, RevisionNumber},
    time::Timestamp,
};

/// Everything the state of a deployment follows from.
#[derive(Debug, Clone)]
pub struct DeploymentFacts<'a> {
    /// The API's name.
    pub api: &'a ResourceName,
    /// The desired revision.
    pub revision: RevisionNumber,
    /// The environment's name.
    pub environment: &'a ResourceName,
    /// The environment's gateway type.
    pub gateway_type: &'a GatewayType,
    /// What may be done in the environment.
    pub mode: Mode,
    /// The generation of the desired state.
    pub generation: Generation,
    /// The fingerprint of the desired API; none when it is to be removed.
    pub desired: Option<&'a Fingerprint>,
    /// Whether every agent is a gateway of its own; otherwise one of them speaks for all.
    pub replicated: bool,
    /// The agents of the environment's gateway type that are not revoked, and what each said of this
    /// deployment.
    pub agents: &'a [AgentReport],
    /// Whether no agent can have been given this deployment, revoked ones included.
    pub never_handed_out: bool,
    /// The conditions so far, for the times at which they last changed.
    pub previous: &'a [Condition],
    /// Now.
    pub now: Timestamp,
}

/// An agent, and what it last said of a deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentReport {
    /// The agent's name.
    pub agent: String,
    /// Whether it was heard of within the time of a lease.
    pub online: bool,
    /// Whether it was heard of since the deployment was made, so that it may have been given it.
    pub heard_since: bool,
    /// What it last said; none if it has said nothing.
    pub report: Option<Report>,
}

/// What an agent said of a deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The generation it spoke of.
    pub generation: Generation,
    /// What it said.
    pub outcome: ReportOutcome,
}

/// What an agent says became of a deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReportOutcome {
    /// Work has begun.
    Deploying,
    /// The gateway serves the desired state.
    Deployed {
        /// What the gateway was seen to hold.
        observed: Fingerprint,
    },
    /// It served the desired state before, and something else is there now. Nothing was changed.
    Drifted {
        /// Whether the API is not there at all.
        missing: bool,
    },
    /// The API is not on the gateway any more.
    Removed,
    /// The attempt failed.
    Failed {
        /// One word in PascalCase.
        reason: String,
        /// A sentence for people.
        message: String,
        /// Whether the agent tries again by itself.
        retrying: bool,
    },
}

/// The state of a deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeploymentStatus {
    /// The summary.
    pub phase: Phase,
    /// `Accepted`, `Deployed`, `InSync`, in this order.
    pub conditions: Vec<Condition>,
    /// The latest generation that any agent reported on.
    pub observed_generation: Generation,
    /// Whether the API is off every gateway that may have had it: the deployment can be forgotten.
    pub removed: bool,
}

/// The state of a deployment.
///
/// What is unknown changes nothing: a deployment that was reported `Deployed` stays so when its agents go
/// offline; whether it is still in sync is then unknown.
pub fn deployment_status(facts: &DeploymentFacts<'_>) -> DeploymentStatus {
    let verdict = verdict(facts);
    let removed = verdict.phase == Phase::Removing && verdict.deployed.status == ConditionStatus::False;
    let conditions = [
        (ConditionType::Accepted, accepted(facts)),
        (ConditionType::InSync, in_sync(facts, &verdict)),
        (ConditionType::Deployed, verdict.deployed),
    ];
    let mut conditions: Vec<Condition> = conditions
        .into_iter()
        .map(|(r#type, told)| told.condition(r#type, facts))
        .collect();
    conditions.sort_by_key(|condition| condition.r#type);
    DeploymentStatus {
        phase: verdict.phase,
        conditions,
        observed_generation: observed_generation(facts),
        removed,
    }
}

/// A condition without its type and times.
struct Told {
    status: ConditionStatus,
    reason: String,
    message: String,
}

impl Told {
    fn new(status: ConditionStatus, reason: &str, message: String) -> Self {
        Self {
            status,
            reason: reason.to_owned(),
            message,
        }
    }

    fn condition(self, r#type: ConditionType, facts: &DeploymentFacts<'_>) -> Condition {
        let before = facts
            .previous
            .iter()
            .find(|condition| condition.r#type == r#type && condition.status == self.status);
        Condition {
            r#type,
            status: self.status,
            reason: self.reason,
            message: self.message,
            observed_generation: facts.generation,
            last_transition_time: before.map_or(facts.now, |condition| condition.last_transition_time),
        }
    }
}

fn accepted(facts: &DeploymentFacts<'_>) -> Told {
    if !facts.mode.may_write() {
        let message = format!(
            "environment `{}` is read-only; set its mode to `read-write` or `write-only` to deploy",
            facts.environment
        );
        return Told::new(ConditionStatus::False, "ModeForbids", message);
    }
    if !facts.agents.iter().any(|agent| agent.online) {
        return Told::new(ConditionStatus::Unknown, "AgentOffline", offline(facts));
    }
    let message = format!(
        "{} was validated, and an agent is there to carry it out",
        what(facts)
    );
    Told::new(ConditionStatus::True, "Accepted", message)
}

fn in_sync(facts: &DeploymentFacts<'_>, verdict: &Verdict) -> Told {
    if verdict.deployed.reason == MISSING {
        return Told::new(ConditionStatus::False, MISSING, verdict.deployed.message.clone());
    }
    let Some(desired) = facts.desired.filter(|_| verdict.phase == Phase::Deployed) else {
        let message = format!("nothing is known until `{}` is deployed", facts.api);
        return Told::new(ConditionStatus::Unknown, "NotDeployed", message);
    };
    let differs = |outcome: Option<&ReportOutcome>| match outcome {
        Some(ReportOutcome::Deployed { observed }) => observed != desired,
        Some(ReportOutcome::Drifted { .. }) => true,
        _ => false,
    };
    let drifted: Vec<&str> = current(facts)
        .into_iter()
        .filter(|(_, outcome)| differs(*outcome))
        .map(|(agent, _)| agent.agent.as_str())
        .collect();
    if !drifted.is_empty() {
        let message = format!(
            "the gateway holds something else than what is desired (agents: {}); {}",
            drifted.join(", "),
            resolve(facts)
        );
        return Told::new(ConditionStatus::False, "Drifted", message);
    }
    if !facts.agents.iter().any(|agent| agent.online) {
        return Told::new(ConditionStatus::Unknown, "AgentOffline", offline(facts));
    }
    let message = "the gateway was last seen to hold exactly what is desired".to_owned();
    Told::new(ConditionStatus::True, "InSync", message)
}

/// The reason for an API that was deployed and is not there any more.
const MISSING: &str = "Missing";

/// What to do about drift.
fn resolve(facts: &DeploymentFacts<'_>) -> String {
    format!(
        "see `gatehouse drift {environment}`, then put it right with `gatehouse drift resolve {api} --env {environment} --revert`, or keep it with `--adopt`",
        api = facts.api,
        environment = facts.environment,
    )
}

fn what(facts: &DeploymentFacts<'_>) -> String {
    if facts.desired.is_none() {
        return format!("the removal of `{}` from `{}`", facts.api, facts.environment);
    }
    format!(
        "revision {} of `{}` in `{}`",
        facts.revision, facts.api, facts.environment
    )
}

/// How to get an agent. The native gateway is its own agent and has a name of its own.
fn offline(facts: &DeploymentFacts<'_>) -> String {
    let gateway_type = facts.gateway_type;
    let program = match gateway_type.as_str() {
        "native" => "gatehouse-gateway".to_owned(),
        other => format!("gatehouse-agent-{other}"),
    };
    format!(
        "no agent for gateway type `{gateway_type}` is connected; start one with `{program} --control-plane URL --join-token TOKEN`, where `gatehouse agent join-token --type {gateway_type}` gives the token"
    )
}

fn observed_generation(facts: &DeploymentFacts<'_>) -> Generation {
    let reports = facts.agents.iter().filter_map(|agent| agent.report.as_ref());
    reports.map(|report| report.generation).max().unwrap_or_default()
}

#[cfg(test)]
mod tests;
