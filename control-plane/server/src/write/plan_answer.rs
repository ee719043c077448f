//! Working out one item of a plan from what an agent answered.

use gatehouse_control_plane_api::{
    admin::{PlanItem, PlanItemAction, PlanItemState},
    agent::{DesiredState, TaskResult},
};
use gatehouse_schemas::{
    canonical::Fingerprint,
    desired::DesiredApi,
    drift::overwritten,
    fidelity::losses,
    identity::{ExternalRef, GatewayType},
    observed::Observation,
    plan::{PlanAction, Unplannable, plan_removal, plan_with},
};
use serde_json::json;

use super::{obstacles, overwriting::in_words};

/// What working out one item needs to know besides the answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Question<'a> {
    /// What should be there.
    pub(super) desired: &'a DesiredState,
    /// What was last confirmed to be there.
    pub(super) applied: Option<&'a DesiredApi>,
    /// The kind of gateway.
    pub(super) gateway_type: &'a GatewayType,
    /// Whether losses are accepted, by the plan or by the environment.
    pub(super) accept_loss: bool,
    /// What the API was imported from in this environment.
    pub(super) source: Option<&'a ExternalRef>,
}

/// Works out an item. What cannot be carried out is refused, with a text that says what to do.
pub(super) fn work_out(item: &mut PlanItem, question: &Question<'_>, answer: &TaskResult) {
    match answer {
        TaskResult::Planned {
            observation,
            fidelity,
            notes,
            warnings,
            calls,
            eta_ms,
        } => {
            item.fidelity.clone_from(fidelity);
            item.notes.clone_from(notes);
            item.calls.clone_from(calls);
            item.eta_ms = Some(*eta_ms);
            planned(item, question, observation);
            item.warnings.extend_from_slice(warnings);
        }
        TaskResult::Failed { message, .. } => refuse(item, message.clone()),
        _ => refuse(
            item,
            "the agent answered another question than it was asked; update the agent, and plan again"
                .to_owned(),
        ),
    }
}

fn planned(item: &mut PlanItem, question: &Question<'_>, observation: &Observation) {
    let plan = match question.desired {
        DesiredState::Present { api } => plan_with(api, observation, item.adopt.as_ref(), question.applied),
        DesiredState::Absent { mark } => plan_removal(mark, observation),
    };
    let plan = match plan {
        Ok(plan) => plan,
        Err(error) => return refuse(item, unplannable(item, question, &error)),
    };
    item.warnings = warnings(item, question, observation, plan.action);
    item.plan = Some(plan);
    let DesiredState::Present { api } = question.desired else {
        item.state = PlanItemState::Ready;
        return;
    };
    let tolerable = obstacles::tolerable(
        api,
        &item.environment,
        question.gateway_type,
        &item.fidelity,
        question.accept_loss,
    );
    match tolerable {
        Ok(()) => item.state = PlanItemState::Ready,
        Err(failure) => refuse(item, failure.problem().detail.clone()),
    }
}

fn refuse(item: &mut PlanItem, message: String) {
    item.state = PlanItemState::Refused;
    item.message = Some(message);
}

/// An object that the API was imported from can be adopted; that is better advice than to remove it.
fn unplannable(item: &PlanItem, question: &Question<'_>, error: &Unplannable) -> String {
    match error {
        Unplannable::Foreign {
            external_ref, owner, ..
        } if owner.is_none() && question.source == Some(external_ref) => format!(
            "cannot deploy `{}`: it was imported from `{external_ref}` of environment `{}`, which Gatehouse does not \
             manage yet; take it over with `gatehouse adopt {} --env {}`",
            item.api, item.environment, item.api, item.environment
        ),
        Unplannable::Unknown { reason, .. } => format!(
            "cannot plan `{}` in `{}`: what the gateway holds is unknown ({reason}); remove the cause, and plan again",
            item.api, item.environment
        ),
        other => other.to_string(),
    }
}

fn warnings(
    item: &PlanItem,
    question: &Question<'_>,
    observation: &Observation,
    action: PlanAction,
) -> Vec<String> {
    let mut warnings = Vec::new();
    if action == PlanAction::Nothing {
        warnings.push("the gateway holds this already; nothing changes there".to_owned());
    }
    if item.action != PlanItemAction::Revert
        && let Some(applied) = question.applied
        && let Some(what) = moved(applied, question.desired, observation)
    {
        warnings.push(format!(
            "the gateway was changed beside Gatehouse since the last deploy: {what}; this plan undoes that"
        ));
    }
    if let DesiredState::Present { api } = question.desired {
        let lost = losses(api, &item.fidelity).others.len();
        if lost > 0 {
            warnings.push(format!(
                "not expressed exactly: {lost} of {} policies; the fidelity report says what differs",
                item.fidelity.len()
            ));
        }
    }
    warnings
}

fn moved(applied: &DesiredApi, desired: &DesiredState, observation: &Observation) -> Option<String> {
    match observation {
        Observation::Present(observed) if observed.fingerprint != applied.fingerprint => {
            let fields = match desired {
                DesiredState::Present { api } => overwritten(Some(&applied.content), api, observation),
                DesiredState::Absent { .. } => Vec::new(),
            };
            Some(match fields.as_slice() {
                [] => "it holds something else than was deployed".to_owned(),
                fields => format!("what it holds is overwritten: {}", in_words(fields)),
            })
        }
        Observation::Absent => Some("what was deployed is not there any more".to_owned()),
        Observation::Present(_) | Observation::Unknown { .. } => None,
    }
}

/// The fingerprint of what a plan says will change: of its items without what moves.
pub(super) fn fingerprint(
    items: &[PlanItem],
    accept_loss: bool,
    strategy: impl serde::Serialize,
) -> Fingerprint {
    let still: Vec<PlanItem> = items
        .iter()
        .map(|item| PlanItem {
            state: PlanItemState::Ready,
            message: None,
            progress: None,
            deployment_id: None,
            ..item.clone()
        })
        .collect();
    Fingerprint::of_value(&json!({ "items": still, "acceptLoss": accept_loss, "strategy": strategy }))
}
