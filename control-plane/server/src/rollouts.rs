//! The reconciler of plans and tasks: ends tasks that nobody answered, takes back adoptions of drift that are void, and
//! takes the next step with every plan that is being carried out or put back. It looks at state alone, so it may be killed anywhere and run in several replicas.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use gatehouse_control_plane_api::{
    admin::{PlanItem, PlanItemState},
    agent::{Task, TaskResult},
};
use gatehouse_control_plane_store::{self as store, Deployment, PlanState, TaskState};
use gatehouse_schemas::{
    environment::EnvironmentSpec,
    identity::{DeploymentId, GatewayType, PlanId},
    resource::Kind,
};
use tracing::{debug, info, warn};

use crate::{
    agent_api::tasks,
    bootstrap::SYSTEM,
    failure::{Answer, Failure, chain},
    state::AppState,
    status::is_online,
    write::{drift_void, rollout_progress::advance},
};

/// How often it looks although nothing happened: tasks end by the clock.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The shortest time between two looks, however much happens.
const PAUSE: Duration = Duration::from_millis(50);

/// How often it goes on with a plan although nothing it follows from changed: patience ends by the clock.
const STEP_AGAIN: Duration = Duration::from_secs(15);

/// What a plan's next step followed from when it was taken last: others wait for the writer, so it is not asked for
/// the same again.
#[derive(Debug)]
struct Stand {
    plan: store::Plan,
    deployments: Vec<Option<Deployment>>,
    at: Instant,
}

type Stands = BTreeMap<PlanId, Stand>;

/// Runs until the server shuts down.
pub(crate) async fn run(state: AppState) {
    let mut stands = Stands::new();
    // Subscribed before the first look: nothing that happens in between is missed.
    let mut changes = state.store.changes();
    loop {
        if let Err(failure) = look(&state, &mut stands).await {
            warn!(
                error = %failure.cause().map(chain).unwrap_or_default(),
                "Could not look at plans: {}; trying again", failure.problem().detail
            );
        }
        tokio::time::sleep(PAUSE).await;
        tokio::select! {
            () = state.shutdown.cancelled() => return,
            _ = changes.changed() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

async fn look(state: &AppState, stands: &mut Stands) -> Answer<()> {
    for task in state.store.overdue_tasks(state.now()).await? {
        report(end(state, &task).await, "task", task.id);
    }
    let failed = state.store.failed_on_a_look().await?;
    for deployment in failed
        .iter()
        .filter(|deployment| drift_void::says_void(deployment))
    {
        report(go_back(state, deployment.id).await, "deployment", deployment.id);
    }
    let mut open = state.store.open_plans().await?;
    open.retain(|plan| matches!(plan.state, PlanState::Applying | PlanState::Compensating));
    stands.retain(|id, _| open.iter().any(|plan| plan.id == *id));
    for plan in open {
        let id = plan.id;
        report(go_on(state, stands, plan).await, "plan", id);
    }
    Ok(())
}

/// Takes the next step with a plan if what it follows from changed.
async fn go_on(state: &AppState, stands: &mut Stands, plan: store::Plan) -> Answer<()> {
    let deployments = followed(state, &plan).await?;
    let is_same = |stand: &Stand| {
        stand.plan == plan && stand.deployments == deployments && stand.at.elapsed() < STEP_AGAIN
    };
    if stands.get(&plan.id).is_some_and(is_same) {
        return Ok(());
    }
    step(state, &plan).await?;
    let at = Instant::now();
    stands.insert(
        plan.id,
        Stand {
            plan,
            deployments,
            at,
        },
    );
    Ok(())
}

/// The deployments whose state decides how a plan goes on. Every report is written into them.
async fn followed(state: &AppState, plan: &store::Plan) -> Answer<Vec<Option<Deployment>>> {
    let items: Vec<PlanItem> = serde_json::from_value(plan.items.clone()).map_err(Failure::internal)?;
    let mut found = Vec::new();
    for item in items {
        let is_open = matches!(item.state, PlanItemState::Applying | PlanItemState::Compensating);
        if let Some(id) = item.deployment_id.filter(|_| is_open) {
            found.push(state.store.deployment(id).await?);
        }
    }
    Ok(found)
}

/// One that goes wrong must not keep the others waiting.
fn report(outcome: Answer<()>, what: &str, id: impl std::fmt::Display) {
    if let Err(failure) = outcome {
        warn!(
            error = %failure.cause().map(chain).unwrap_or_default(),
            "Could not go on with {what} `{id}`: {}; trying again", failure.problem().detail
        );
    }
}

async fn step(state: &AppState, plan: &store::Plan) -> Answer<()> {
    let mut transaction = state.store.begin(SYSTEM, None, state.now()).await?;
    if advance(&mut transaction, plan.id, state.online_since()).await? {
        transaction.commit().await?;
        debug!(plan.id = %plan.id, "Went on with plan `{}`", plan.id);
    } else {
        transaction.rollback().await?;
    }
    Ok(())
}

async fn go_back(state: &AppState, id: DeploymentId) -> Answer<()> {
    let mut transaction = state.store.begin(SYSTEM, None, state.now()).await?;
    if drift_void::go_back(&mut transaction, id, state.online_since()).await? {
        transaction.commit().await?;
        info!(deployment.id = %id, "The adoption of drift in deployment `{id}` is void; what was applied is desired again");
    }
    Ok(())
}

/// Ends a task that nobody answered; says whose answer is missing.
async fn end(state: &AppState, task: &store::Task) -> Answer<()> {
    let mut transaction = state.store.begin(SYSTEM, None, state.now()).await?;
    let pending = transaction.task(task.id).await?;
    let Some(task) = pending.filter(|task| task.state == TaskState::Pending) else {
        return Ok(());
    };
    let environment = transaction
        .resource_by_id(Kind::Environment, task.environment_id.0)
        .await?;
    let result = match environment {
        None => unanswered(
            "EnvironmentDeleted",
            format!(
                "environment `{}` was deleted before an agent answered; make it again, then ask again",
                task.environment
            ),
        ),
        Some(environment) => {
            let spec: EnvironmentSpec =
                serde_json::from_value(environment.spec).map_err(Failure::internal)?;
            let agents = transaction.agents_of_type(&spec.gateway_type).await?;
            let online = agents.iter().any(|agent| is_online(agent, state.online_since()));
            nobody(&task, &spec.gateway_type, online)
        }
    };
    let asked: Task = serde_json::from_value(task.task.clone()).map_err(Failure::internal)?;
    tasks::finish(&mut transaction, &task, &asked, &result).await?;
    Ok(transaction.commit().await?)
}

fn unanswered(reason: &str, message: String) -> TaskResult {
    TaskResult::Failed {
        reason: reason.to_owned(),
        message,
    }
}

fn nobody(task: &store::Task, gateway_type: &GatewayType, online: bool) -> TaskResult {
    let seconds = (task.expires_at.0 - task.created_at.0) / 1000;
    let environment = &task.environment;
    if online {
        return unanswered(
            "NoAnswer",
            format!(
                "an agent for gateway type `{gateway_type}` is connected, but did not answer for environment `{environment}` \
                 within {seconds} seconds; look at the agent's log, then ask again"
            ),
        );
    }
    unanswered(
        "NoAgent",
        format!(
            "no agent for gateway type `{gateway_type}` answered for environment `{environment}` within {seconds} seconds, \
             since none is connected; start one with a token from `gatehouse agent join-token --type {gateway_type}`, then \
             ask again"
        ),
    )
}
