//! Plans: what deploys, undeploys and rollbacks will change, approved before it happens, and how that goes.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse as _, Response},
};
use gatehouse_control_plane_api::{
    admin::{ApplyPlanRequest, CreatePlanRequest, Page, Plan, PlanItem, PlanItemState, PlanState, Progress},
    problem::Problem,
};
use gatehouse_control_plane_store as store;
use gatehouse_schemas::{
    condition::{ConditionType, Phase},
    identity::{PlanId, ResourceName},
};
use http::StatusCode;
use serde::Deserialize;

use super::{paging, resources::set_location};
use crate::{
    agent_api::assignment,
    bootstrap::SYSTEM,
    extract::{Body, Path, Query},
    failure::{Answer, Failure},
    state::AppState,
    write::{
        Writer,
        plan::{self, Kept},
        rollout,
    },
};

/// Which plans, and which page of them.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PlanQuery {
    /// Only those in this state.
    #[param(inline)]
    state: Option<PlanState>,
    /// Only those about this API.
    #[param(value_type = Option<String>)]
    api: Option<ResourceName>,
    /// Only those about this environment.
    #[param(value_type = Option<String>)]
    environment: Option<ResourceName>,
    /// The most objects wanted.
    #[param(minimum = 1, maximum = 500, default = 100)]
    limit: Option<u32>,
    /// The `nextCursor` of the page before.
    cursor: Option<String>,
}

/// Asks for a plan. Nothing changes on any gateway.
///
/// The answer does not wait for the agents that look at the gateways: the plan is `Pending` until every item is worked
/// out. What nobody answers within a minute is refused, with the reason.
#[utoipa::path(post, path = "/api/v1/plans", operation_id = "createPlan", tag = "plans",
    request_body(content = CreatePlanRequest, example = json!({"items": [{"api": "orders", "environment": "local"}]})),
    responses(
        (status = 202, description = "Recorded; agents work it out", body = Plan, headers(
            ("location" = String, description = "Its path"),
        )),
        (status = 404, description = "There is no such API, revision or environment", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "There is no earlier revision to go back to", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn create(writer: Writer, Body(request): Body<CreatePlanRequest>) -> Answer<Response> {
    let id = plan::create(&writer, &request).await?;
    let location = format!("/api/v1/plans/{id}");
    let mut response = (StatusCode::ACCEPTED, Json(found(&writer.state, id).await?)).into_response();
    set_location(response.headers_mut(), &location);
    Ok(response)
}

/// Lists plans, newest first.
#[utoipa::path(get, path = "/api/v1/plans", operation_id = "listPlans", tag = "plans", params(PlanQuery),
    responses((status = 200, description = "A page of plans", body = Page<Plan>))
)]
pub(crate) async fn list(
    State(state): State<AppState>,
    Query(query): Query<PlanQuery>,
) -> Answer<Json<Page<Plan>>> {
    let request = paging::request(query.limit, query.cursor)?;
    let filter = store::PlanFilter {
        state: query.state.map(stored),
        api: query.api,
        environment: query.environment,
    };
    let page = state.store.plans(&filter, &request).await?;
    let mut items = Vec::with_capacity(page.items.len());
    for row in page.items {
        items.push(current(&state, row).await?);
    }
    Ok(Json(paging::page(items, page.next_cursor)))
}

/// Reads a plan. One that could be applied, and no longer can because the world moved, says `Void`.
#[utoipa::path(get, path = "/api/v1/plans/{id}", operation_id = "readPlan", tag = "plans",
    params(("id" = PlanId, Path, description = "Which plan")),
    responses(
        (status = 200, description = "The plan", body = Plan),
        (status = 404, description = "There is no such plan", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn read(State(state): State<AppState>, Path(id): Path<PlanId>) -> Answer<Json<Plan>> {
    Ok(Json(found(&state, id).await?))
}

/// Carries out a plan: exactly what it says, or nothing.
///
/// The answer does not wait for the gateways; the plan's items tell how it goes.
#[utoipa::path(post, path = "/api/v1/plans/{id}/apply", operation_id = "applyPlan", tag = "plans",
    params(("id" = PlanId, Path, description = "Which plan")),
    request_body(content = ApplyPlanRequest, example = json!({})),
    responses(
        (status = 202, description = "Recorded; agents carry it out", body = Plan),
        (status = 404, description = "There is no such plan", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The world moved since the plan was made (`plan-void`), or the plan's state does not \
            allow it (`wrong-state`)", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn apply(
    writer: Writer,
    Path(id): Path<PlanId>,
    Body(request): Body<ApplyPlanRequest>,
) -> Answer<Response> {
    rollout::apply(&writer, id, &request).await?;
    Ok((StatusCode::ACCEPTED, Json(found(&writer.state, id).await?)).into_response())
}

async fn found(state: &AppState, id: PlanId) -> Answer<Plan> {
    let row = state.store.plan(id).await?;
    let row = row.ok_or_else(|| Failure::not_found("plan", id))?;
    current(state, row).await
}

/// The plan as it stands now: the world may have moved since somebody last looked.
async fn current(state: &AppState, mut row: store::Plan) -> Answer<Plan> {
    if row.state == store::PlanState::Ready && plan::may_have_moved(&state.store, &row).await? {
        let mut transaction = state.store.begin(SYSTEM, None, state.now()).await?;
        if let Some(mut kept) = Kept::read(&mut transaction, row.id).await? {
            let is_void = plan::notice_void(&mut transaction, &mut kept).await?;
            if is_void {
                transaction.commit().await?;
            } else {
                transaction.rollback().await?;
            }
            row = match state.store.plan(row.id).await? {
                Some(row) => row,
                None => row,
            };
        }
    }
    view(state, row).await
}

async fn view(state: &AppState, row: store::Plan) -> Answer<Plan> {
    let mut items: Vec<PlanItem> = serde_json::from_value(row.items).map_err(Failure::internal)?;
    for item in &mut items {
        if matches!(item.state, PlanItemState::Applying | PlanItemState::Compensating) {
            progress(state, item).await?;
        }
    }
    let name = |actor: String| actor.strip_prefix("token/").map_or(actor.clone(), str::to_owned);
    Ok(Plan {
        id: row.id,
        fingerprint: row.fingerprint,
        state: plan::state(row.state),
        strategy: plan::strategy(row.strategy),
        accept_loss: row.accept_loss,
        items,
        created_at: row.created_at,
        created_by: name(row.created_by),
        applied_at: row.applied_at,
        applied_by: row.applied_by.map(name),
    })
}

/// How far an item is: the latest step, and what goes wrong meanwhile.
async fn progress(state: &AppState, item: &mut PlanItem) -> Answer<()> {
    let Some(id) = item.deployment_id else {
        return Ok(());
    };
    item.progress = state.store.progress(id).await?.map(|progress| Progress {
        step: assignment::step(progress.step),
        remaining_ms: progress.remaining_ms,
    });
    let Some(deployment) = state.store.deployment(id).await? else {
        return Ok(());
    };
    let mut conditions = deployment.conditions.into_iter();
    let deployed = conditions.find(|condition| condition.r#type == ConditionType::Deployed);
    let waits = deployed.as_ref().is_some_and(|it| it.reason == "AgentOffline");
    // What the plan itself waits for says more.
    if item.message.is_none() && (deployment.phase == Phase::Failed || waits) {
        item.message = deployed.map(|condition| condition.message);
    }
    Ok(())
}

fn stored(state: PlanState) -> store::PlanState {
    match state {
        PlanState::Pending => store::PlanState::Pending,
        PlanState::Ready => store::PlanState::Ready,
        PlanState::Refused => store::PlanState::Refused,
        PlanState::Void => store::PlanState::Void,
        PlanState::Applying => store::PlanState::Applying,
        PlanState::Applied => store::PlanState::Applied,
        PlanState::Incomplete => store::PlanState::Incomplete,
        PlanState::Compensating => store::PlanState::Compensating,
        PlanState::Compensated => store::PlanState::Compensated,
    }
}
