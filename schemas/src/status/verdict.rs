//! How far a deployment or its removal has come.

use super::{AgentReport, DeploymentFacts, MISSING, ReportOutcome, Told, offline, what};
use crate::condition::{ConditionStatus, Phase};

/// The summary, and the condition `Deployed`.
pub(super) struct Verdict {
    pub(super) phase: Phase,
    pub(super) deployed: Told,
}

impl Verdict {
    fn new(phase: Phase, status: ConditionStatus, reason: &str, message: String) -> Self {
        let deployed = Told::new(status, reason, message);
        Self { phase, deployed }
    }
}

/// An agent, and what it said of the present generation.
type Said<'a> = (&'a AgentReport, Option<&'a ReportOutcome>);

/// How far it has come.
pub(super) fn verdict(facts: &DeploymentFacts<'_>) -> Verdict {
    if facts.desired.is_some() {
        deploying(facts)
    } else {
        removing(facts)
    }
}

/// What the agents whose word counts said of the present generation. Of replicated gateways, all that are
/// online count, and those that are offline only when nobody else is there; otherwise one speaks for all.
pub(super) fn current<'a>(facts: &'a DeploymentFacts<'_>) -> Vec<Said<'a>> {
    let said = |agent: &'a AgentReport| (agent, outcome(agent, facts));
    let online: Vec<Said<'a>> = facts
        .agents
        .iter()
        .filter(|agent| agent.online)
        .map(said)
        .collect();
    if facts.replicated && !online.is_empty() {
        return online;
    }
    let has_spoken = |said: &Said<'_>| said.1.is_some();
    // The one that holds the lease is online; what others said before it took over is older.
    if online.iter().any(has_spoken) {
        return online.into_iter().filter(has_spoken).collect();
    }
    facts.agents.iter().map(said).filter(has_spoken).collect()
}

fn outcome<'a>(agent: &'a AgentReport, facts: &DeploymentFacts<'_>) -> Option<&'a ReportOutcome> {
    let report = agent.report.as_ref();
    let outcome = report.filter(|report| report.generation >= facts.generation);
    outcome.map(|report| &report.outcome)
}

fn deploying(facts: &DeploymentFacts<'_>) -> Verdict {
    let said = current(facts);
    let started = said.iter().any(|(_, outcome)| outcome.is_some());
    let waiting: Vec<&str> = said
        .iter()
        .filter(|(_, outcome)| !is_settled(*outcome))
        .map(|(agent, _)| agent.agent.as_str())
        .collect();
    if let Some(verdict) = failed(&said, facts) {
        return verdict;
    }
    let what = what(facts);
    if started && waiting.is_empty() {
        if let Some(verdict) = missing(&said, facts) {
            return verdict;
        }
        let message = format!("{what} is served");
        return Verdict::new(Phase::Deployed, ConditionStatus::True, "Deployed", message);
    }
    let phase = if started { Phase::Deploying } else { Phase::Pending };
    let (reason, message) = if !facts.agents.iter().any(|agent| agent.online) {
        ("AgentOffline", offline(facts))
    } else if started {
        let agents = waiting.join(", ");
        ("Deploying", format!("agents at work on {what}: {agents}"))
    } else {
        ("Pending", format!("no agent has taken up {what} yet"))
    };
    Verdict::new(phase, ConditionStatus::False, reason, message)
}

/// Whether the present generation was carried out there at some time.
fn is_settled(outcome: Option<&ReportOutcome>) -> bool {
    matches!(
        outcome,
        Some(ReportOutcome::Deployed { .. } | ReportOutcome::Drifted { .. })
    )
}

fn missing(said: &[Said<'_>], facts: &DeploymentFacts<'_>) -> Option<Verdict> {
    let is_missing = |said: &&Said<'_>| said.1 == Some(&ReportOutcome::Drifted { missing: true });
    let agents: Vec<&str> = said
        .iter()
        .filter(is_missing)
        .map(|(agent, _)| agent.agent.as_str())
        .collect();
    if agents.is_empty() {
        return None;
    }
    let message = format!(
        "`{api}` was deployed to `{environment}` and is not there any more (agents: {}); put it back with `gatehouse drift resolve {api} --env {environment} --revert`, or take it off with `gatehouse undeploy {api} --from {environment}`",
        agents.join(", "),
        api = facts.api,
        environment = facts.environment,
    );
    Some(Verdict::new(
        Phase::Failed,
        ConditionStatus::False,
        MISSING,
        message,
    ))
}

/// What to do about a failure that the agent does not get over by itself.
fn remedy(reason: &str, facts: &DeploymentFacts<'_>) -> String {
    let DeploymentFacts { api, environment, .. } = facts;
    match reason {
        "PlanVoid" => {
            format!(
                "nothing was changed; make a new plan with `gatehouse plan {api} --to {environment}`, and apply that"
            )
        }
        "LossNotAccepted" => format!(
            "nothing was changed; see what is lost with `gatehouse plan {api} --to {environment}`, then deploy with `--accept-loss` or change the policies"
        ),
        "PolicyUnsupported" => format!(
            "nothing was changed; see which policies with `gatehouse plan {api} --to {environment}`, then change them or deploy to a gateway that enforces them"
        ),
        _ => "deploy again once the cause is removed".to_owned(),
    }
}

fn failed(said: &[Said<'_>], facts: &DeploymentFacts<'_>) -> Option<Verdict> {
    said.iter().find_map(|(agent, outcome)| match outcome {
        Some(ReportOutcome::Failed {
            reason,
            message,
            retrying,
        }) => {
            let next = if *retrying {
                "the agent tries again".to_owned()
            } else {
                remedy(reason, facts)
            };
            let message = format!("{message} (agent `{}`; {next})", agent.agent);
            Some(Verdict::new(
                Phase::Failed,
                ConditionStatus::False,
                reason,
                message,
            ))
        }
        _ => None,
    })
}

fn removing(facts: &DeploymentFacts<'_>) -> Verdict {
    let (status, reason, message) = removal(facts);
    Verdict::new(Phase::Removing, status, &reason, message)
}

/// `Deployed` is false only when no gateway can serve the API any more.
fn removal(facts: &DeploymentFacts<'_>) -> (ConditionStatus, String, String) {
    if facts.never_handed_out {
        let message = format!(
            "`{}` never reached a gateway of `{}`",
            facts.api, facts.environment
        );
        return (ConditionStatus::False, "Removed".to_owned(), message);
    }
    let failure = current(facts)
        .into_iter()
        .find_map(|(agent, outcome)| match outcome {
            Some(ReportOutcome::Failed { reason, message, .. }) => Some((agent, reason, message)),
            _ => None,
        });
    if let Some((agent, reason, message)) = failure {
        let message = format!("{message} (agent `{}`)", agent.agent);
        return (ConditionStatus::Unknown, reason.clone(), message);
    }
    let holding = holding(facts);
    if holding.is_empty() && facts.agents.iter().any(|agent| has_removed(agent, facts)) {
        let message = format!("`{}` is not in `{}` any more", facts.api, facts.environment);
        return (ConditionStatus::False, "Removed".to_owned(), message);
    }
    if !facts.agents.iter().any(|agent| agent.online) {
        return (
            ConditionStatus::Unknown,
            "AgentOffline".to_owned(),
            offline(facts),
        );
    }
    let message = format!(
        "waiting for the agents that may still serve `{}`: {}; revoke an agent that is gone for good",
        facts.api,
        holding.join(", ")
    );
    (ConditionStatus::Unknown, "Removing".to_owned(), message)
}

/// The agents whose gateway may still have the API. A replicated gateway that is offline serves its last
/// known good state when it comes back, so it counts if it reported on the API or may have been killed before
/// it could.
fn holding<'a>(facts: &'a DeploymentFacts<'_>) -> Vec<&'a str> {
    if !facts.replicated && facts.agents.iter().any(|agent| has_removed(agent, facts)) {
        return Vec::new();
    }
    let may_hold = |agent: &&AgentReport| {
        (agent.online || agent.heard_since || agent.report.is_some()) && !has_removed(agent, facts)
    };
    let agents = facts.agents.iter().filter(may_hold);
    agents.map(|agent| agent.agent.as_str()).collect()
}

fn has_removed(agent: &AgentReport, facts: &DeploymentFacts<'_>) -> bool {
    outcome(agent, facts) == Some(&ReportOutcome::Removed)
}
