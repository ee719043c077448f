//! Making a plan and carrying it out, with progress while agents are at it.

use std::time::Duration;

use gatehouse_control_plane_api::{
    admin::{ApplyPlanRequest, CreatePlanRequest, Plan, PlanItem, PlanItemState, PlanState},
    client::Client,
};
use gatehouse_schemas::{canonical::Fingerprint, identity::PlanId};

use crate::{
    exit::Exit,
    failure::Failure,
    listed::word,
    plan_text::{progress_text, verb},
    waiting::{self, Look},
};

/// How long agents may look at gateways; the control plane gives up earlier and says why.
const PLANNING_MAX: Duration = Duration::from_secs(300);

/// Asks for a plan and waits until it is worked out.
pub(crate) async fn make(request: &CreatePlanRequest, client: &Client) -> anyhow::Result<Plan> {
    let asked = client.create_plan(request).await?;
    let found = waiting::until(PLANNING_MAX, async || {
        let plan = client.plan(asked.id).await?;
        Ok(match plan.state {
            PlanState::Pending => Look::NotYet(format!("looking at {}", places(&plan))),
            _ => Look::Done(plan),
        })
    });
    found
        .await?
        .map_err(|state| not_worked_out(asked.id, &state).into())
}

fn not_worked_out(id: PlanId, state: &str) -> Failure {
    let detail = format!(
        "plan {id} was not worked out within {PLANNING_MAX:?}: {state}; look with `gatehouse describe plan {id}`"
    );
    Failure::new(Exit::TimedOut, detail)
}

fn places(plan: &Plan) -> String {
    let open = plan
        .items
        .iter()
        .filter(|item| item.state == PlanItemState::Pending);
    let names: Vec<&str> = open.map(|item| item.environment.as_str()).collect();
    names.join(", ")
}

/// Has a plan carried out. What was approved is carried out, or nothing.
pub(crate) async fn apply(
    id: PlanId,
    fingerprint: Option<Fingerprint>,
    client: &Client,
) -> anyhow::Result<Plan> {
    Ok(client.apply_plan(id, &ApplyPlanRequest { fingerprint }).await?)
}

/// Waits until a plan that is being carried out has come to an end, whichever.
pub(crate) async fn follow(plan: &Plan, timeout: Duration, client: &Client) -> anyhow::Result<Plan> {
    let found = waiting::until(timeout, async || {
        let plan = client.plan(plan.id).await?;
        Ok(match plan.state {
            PlanState::Applying | PlanState::Compensating => Look::NotYet(state(&plan)),
            _ => Look::Done(plan),
        })
    });
    found
        .await?
        .map_err(|state| not_carried_out(plan.id, timeout, &state).into())
}

fn not_carried_out(id: PlanId, timeout: Duration, state: &str) -> Failure {
    let detail = format!(
        "plan {id} was not carried out within {timeout:?}: {state}; it goes on, look with `gatehouse describe plan {id}`"
    );
    Failure::new(Exit::TimedOut, detail)
}

fn state(plan: &Plan) -> String {
    let open = |item: &&PlanItem| {
        matches!(
            item.state,
            PlanItemState::Applying | PlanItemState::Compensating | PlanItemState::Ready
        )
    };
    let told: Vec<String> = plan.items.iter().filter(open).map(item_state).collect();
    format!("{}: {}", word(&plan.state), told.join("; "))
}

fn item_state(item: &PlanItem) -> String {
    let what = match item.state {
        PlanItemState::Compensating => "putting back",
        _ => verb(item.action),
    };
    let progress = item
        .progress
        .as_ref()
        .map(|progress| format!(", {}", progress_text(progress)))
        .unwrap_or_default();
    let trouble = item
        .message
        .as_ref()
        .map(|message| format!(": {message}"))
        .unwrap_or_default();
    format!("{what} {} in {}{progress}{trouble}", item.api, item.environment)
}

/// What the end of a plan means for the command: nothing if all of it was carried out.
pub(crate) fn verdict(plan: &Plan) -> Result<(), Failure> {
    let exit = match plan.state {
        PlanState::Applied => return Ok(()),
        PlanState::Void => Exit::Conflict,
        // A plan that failed only because gateways had moved is void, item by item.
        _ if all_void(plan) => Exit::Conflict,
        _ => Exit::Error,
    };
    let told: Vec<String> = plan
        .items
        .iter()
        .filter(|item| item.state != PlanItemState::Applied)
        .map(|item| {
            let message = item.message.as_deref().unwrap_or("it was not carried out");
            format!(
                "{} in {} is {}: {message}",
                item.api,
                item.environment,
                word(&item.state)
            )
        })
        .collect();
    let detail = format!("plan {} is {}: {}", plan.id, word(&plan.state), told.join("; "));
    Err(Failure::new(exit, detail))
}

fn all_void(plan: &Plan) -> bool {
    let failed = plan
        .items
        .iter()
        .filter(|item| matches!(item.state, PlanItemState::Failed | PlanItemState::Void));
    let mut failed = failed.peekable();
    failed.peek().is_some() && failed.all(|item| item.state == PlanItemState::Void)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_that_is_over_says_how_it_stands_and_where_to_look() {
        let id = PlanId(uuid::Uuid::nil());
        let failure = not_worked_out(id, "looking at kong-eu");
        assert_eq!(failure.exit, Exit::TimedOut);
        assert_eq!(
            failure.detail,
            "plan 00000000-0000-0000-0000-000000000000 was not worked out within 300s: looking at kong-eu; look with \
             `gatehouse describe plan 00000000-0000-0000-0000-000000000000`"
        );
        let failure = not_carried_out(
            id,
            Duration::from_secs(60),
            "Applying: deploying orders in kong-eu",
        );
        assert_eq!(failure.exit, Exit::TimedOut);
        assert_eq!(
            failure.detail,
            "plan 00000000-0000-0000-0000-000000000000 was not carried out within 60s: Applying: deploying orders in kong-eu; \
             it goes on, look with `gatehouse describe plan 00000000-0000-0000-0000-000000000000`"
        );
    }
}
