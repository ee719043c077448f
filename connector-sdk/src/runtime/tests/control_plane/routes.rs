//! The requests of the Agent API.

use std::{collections::BTreeMap, time::Duration};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, Query, Request, State},
    http::{HeaderMap, StatusCode},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use gatehouse_control_plane_api::{
    agent::{
        DeploymentOutcome, DeploymentReport, DiscoveryCompletion, DiscoveryWish, DiscoveryWishAnswer,
        EnrollRequest, EnrollResponse, InventoryResponse, ObservationsReport, SecretsRequest,
        SecretsResponse, SessionRequest, SessionResponse, StepReport, StepState, TaskReport, TokenRequest,
        TokenResponse, WorkResponse,
    },
    problem::ProblemKind,
};
use gatehouse_schemas::{
    identity::{AgentId, DeploymentId, EnvironmentId, Generation, TaskId},
    time::Timestamp,
};
use tokio::{net::TcpListener, task::JoinHandle};
use uuid::Uuid;

use super::{Shared, World};

pub(super) fn serve(listener: TcpListener, shared: Shared) -> JoinHandle<()> {
    let router = Router::new()
        .route("/agent/v1/enroll", post(enroll))
        .route("/agent/v1/token", post(token))
        .route("/agent/v1/session", post(session))
        .route("/agent/v1/work", get(work))
        .route("/agent/v1/environments/{id}/secrets", post(secrets))
        .route("/agent/v1/deployments/{id}/status", post(status))
        .route("/agent/v1/deployments/{id}/steps", post(steps))
        .route("/agent/v1/environments/{id}/observations", post(observations))
        .route("/agent/v1/environments/{id}/inventory", get(inventory))
        .route("/agent/v1/environments/{id}/discoveries", post(wish))
        .route("/agent/v1/tasks/{id}/result", post(task_result))
        .route("/agent/v1/discoveries/{id}/pages/{number}", post(page))
        .route("/agent/v1/discoveries/{id}/completion", post(completion))
        .layer(middleware::from_fn_with_state(shared.clone(), unless_away))
        .with_state(shared);
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() })
}

async fn unless_away(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let is_away = || {
        let mut world = shared.world.lock().unwrap();
        world.turned_away += u64::from(world.away);
        world.away
    };
    if is_away() {
        return StatusCode::BAD_GATEWAY.into_response();
    }
    let response = next.run(request).await;
    match is_away() {
        true => StatusCode::BAD_GATEWAY.into_response(),
        false => response,
    }
}

fn refuse(kind: ProblemKind) -> Response {
    let problem = kind.problem("refused by the test");
    (StatusCode::from_u16(problem.status).unwrap(), Json(problem)).into_response()
}

fn is_authorised(world: &World, headers: &HeaderMap) -> bool {
    headers
        .get("authorization")
        .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "))
        .is_some_and(|token| world.tokens.contains(token))
}

async fn enroll(State(shared): State<Shared>, Json(request): Json<EnrollRequest>) -> Response {
    let mut world = shared.world.lock().unwrap();
    if !world.join_tokens.remove(&request.join_token) {
        return refuse(ProblemKind::Unauthenticated);
    }
    let agent_id = AgentId(Uuid::new_v4());
    world.agents.insert(agent_id, request.key_sha256);
    Json(EnrollResponse { agent_id }).into_response()
}

async fn token(State(shared): State<Shared>, Json(request): Json<TokenRequest>) -> Response {
    let mut world = shared.world.lock().unwrap();
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, request.key.as_bytes());
    let hash = gatehouse_schemas::canonical::hexadecimal(digest.as_ref());
    if world.agents.get(&request.agent_id) != Some(&hash) {
        return refuse(ProblemKind::Unauthenticated);
    }
    world.issued += 1;
    let token = format!("token-{}", world.issued);
    world.tokens.insert(token.clone());
    Json(TokenResponse {
        token,
        expires_at: Timestamp(4_000_000_000_000),
    })
    .into_response()
}

async fn session(
    State(shared): State<Shared>,
    headers: HeaderMap,
    Json(request): Json<SessionRequest>,
) -> Response {
    let mut world = shared.world.lock().unwrap();
    if !is_authorised(&world, &headers) {
        return refuse(ProblemKind::Unauthenticated);
    }
    world.sessions += 1;
    Json(SessionResponse {
        protocol: world.protocol.unwrap_or(request.protocol_max),
        lease_ms: world.lease_ms.unwrap_or(30_000),
        environments: world.environments.values().cloned().collect(),
    })
    .into_response()
}

async fn work(
    State(shared): State<Shared>,
    headers: HeaderMap,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    let after: u64 = query["after"].parse().unwrap();
    let wait = Duration::from_secs(query["waitSeconds"].parse().unwrap());
    if shared.world.lock().unwrap().no_work {
        return refuse(ProblemKind::Internal);
    }
    let delay = shared.world.lock().unwrap().delay_work.take();
    tokio::time::sleep(delay.unwrap_or_default()).await;
    let mut changed = shared.changed.subscribe();
    if let Some(answer) = answer(&shared, &headers, after, true) {
        return answer;
    }
    let _ = tokio::time::timeout(wait, changed.changed()).await;
    answer(&shared, &headers, after, false).unwrap_or_else(|| refuse(ProblemKind::Internal))
}

fn answer(shared: &Shared, headers: &HeaderMap, after: u64, may_wait: bool) -> Option<Response> {
    let mut world = shared.world.lock().unwrap();
    if !is_authorised(&world, headers) {
        return Some(refuse(ProblemKind::Unauthenticated));
    }
    if may_wait {
        world.asked.push(after);
    }
    if after > 0 && after < world.oldest {
        return Some(refuse(ProblemKind::PositionTooOld));
    }
    let response = WorkResponse {
        tasks: world.tasks.clone(),
        generation: Generation(world.generation),
        environments: newer(world.environments.values(), |it| it.generation, after),
        deployments: newer(world.deployments.values(), |it| it.generation, after),
        discoveries: world.discoveries.clone(),
    };
    (!may_wait || world.generation > after).then(|| Json(response).into_response())
}

fn newer<'a, T: Clone + 'a>(
    items: impl Iterator<Item = &'a T>,
    generation: impl Fn(&T) -> Generation,
    after: u64,
) -> Vec<T> {
    items.filter(|item| generation(item).0 > after).cloned().collect()
}

async fn secrets(
    State(shared): State<Shared>,
    Path(_): Path<EnvironmentId>,
    Json(request): Json<SecretsRequest>,
) -> Response {
    let names = request.names.iter().map(ToString::to_string);
    shared.world.lock().unwrap().secrets_asked_for.extend(names);
    let values = request
        .names
        .iter()
        .map(|name| (name.to_string(), format!("value of {name}")))
        .collect();
    Json(SecretsResponse { values }).into_response()
}

async fn status(
    State(shared): State<Shared>,
    headers: HeaderMap,
    Path(id): Path<DeploymentId>,
    Json(report): Json<DeploymentReport>,
) -> Response {
    let mut world = shared.world.lock().unwrap();
    if !is_authorised(&world, &headers) {
        return refuse(ProblemKind::Unauthenticated);
    }
    let Some(work) = world.deployments.get(&id) else {
        return refuse(ProblemKind::NotFound);
    };
    let fencing = world.environments[&work.environment_id].fencing;
    if report.generation != work.generation || Some(report.fencing) != fencing {
        return refuse(ProblemKind::Stale);
    }
    finish(&mut world, id, &report.outcome);
    world.reports.push(report);
    if world.lose_replies > 0 {
        world.lose_replies -= 1;
        return StatusCode::BAD_GATEWAY.into_response();
    }
    StatusCode::NO_CONTENT.into_response()
}

/// What a control plane keeps of an outcome: what was carried out is confirmed, and its steps are over.
fn finish(world: &mut World, id: DeploymentId, outcome: &DeploymentOutcome) {
    match outcome {
        DeploymentOutcome::Deployed { external_ref, .. } => {
            let work = world.deployments.get_mut(&id).unwrap();
            work.external_ref = Some(external_ref.clone());
            work.confirmed = true;
            work.steps.clear();
        }
        DeploymentOutcome::Removed => {
            world.deployments.remove(&id);
        }
        _ => {}
    }
}

async fn steps(
    State(shared): State<Shared>,
    Path(id): Path<DeploymentId>,
    Json(report): Json<StepReport>,
) -> Response {
    let mut world = shared.world.lock().unwrap();
    if world.refuse_steps > 0 {
        world.refuse_steps -= 1;
        return refuse(ProblemKind::Unavailable);
    }
    let Some(work) = world.deployments.get(&id) else {
        return refuse(ProblemKind::NotFound);
    };
    let fencing = world.environments[&work.environment_id].fencing;
    if report.step.generation != work.generation || Some(report.fencing) != fencing {
        return refuse(ProblemKind::Stale);
    }
    let work = world.deployments.get_mut(&id).unwrap();
    let key = (report.step.generation, report.step.number);
    work.steps.retain(|step| (step.generation, step.number) != key);
    work.steps.push(report.step.clone());
    let intended = work
        .steps
        .iter()
        .filter(|step| step.generation == report.step.generation)
        .count();
    if report.step.state == StepState::Intended && world.move_lease_after_steps == Some(intended) {
        world.move_lease_after_steps = None;
        let environment = world.deployments[&id].environment_id;
        world.environments.get_mut(&environment).unwrap().fencing = None;
    }
    world.steps.push(report.step);
    world.remaining.push(report.remaining_ms);
    world.steps_recorded += 1;
    if world.lose_steps > 0 {
        world.lose_steps -= 1;
        return StatusCode::BAD_GATEWAY.into_response();
    }
    StatusCode::NO_CONTENT.into_response()
}

async fn observations(State(shared): State<Shared>, Json(report): Json<ObservationsReport>) -> Response {
    let mut world = shared.world.lock().unwrap();
    assert!(report.items.len() <= 100);
    world.observations.extend(report.items);
    taken(&mut world)
}

async fn inventory(State(shared): State<Shared>) -> Response {
    let mut world = shared.world.lock().unwrap();
    world.inventory_asked += 1;
    Json(InventoryResponse {
        versions: world.inventory.clone(),
    })
    .into_response()
}

async fn task_result(
    State(shared): State<Shared>,
    Path(id): Path<TaskId>,
    Json(report): Json<TaskReport>,
) -> Response {
    let mut world = shared.world.lock().unwrap();
    world.answers.push((id, report));
    world.tasks.retain(|task| task.id != id);
    taken(&mut world)
}

/// The answer to what was taken, unless it is to be lost.
fn taken(world: &mut World) -> Response {
    if world.lose_answers > 0 {
        world.lose_answers -= 1;
        return StatusCode::BAD_GATEWAY.into_response();
    }
    StatusCode::NO_CONTENT.into_response()
}

async fn page(
    State(shared): State<Shared>,
    Path((_, number)): Path<(String, u32)>,
    Query(query): Query<BTreeMap<String, String>>,
    body: Bytes,
) -> Response {
    let items = body
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    let mut world = shared.world.lock().unwrap();
    world.pages.insert(number, items);
    world.positions.insert(number, query.get("position").cloned());
    taken(&mut world)
}

async fn completion(State(shared): State<Shared>, Json(completion): Json<DiscoveryCompletion>) -> Response {
    let mut world = shared.world.lock().unwrap();
    world.completions.push(completion);
    world.discoveries.clear();
    taken(&mut world)
}

async fn wish(
    State(shared): State<Shared>,
    headers: HeaderMap,
    Json(_wish): Json<DiscoveryWish>,
) -> Response {
    let mut world = shared.world.lock().unwrap();
    if !is_authorised(&world, &headers) {
        return refuse(ProblemKind::Unauthenticated);
    }
    world.wishes += 1;
    if world.knows_no_wishes {
        return refuse(ProblemKind::NotFound);
    }
    let ask_again_ms = world.put_off.pop();
    Json(DiscoveryWishAnswer { ask_again_ms }).into_response()
}
