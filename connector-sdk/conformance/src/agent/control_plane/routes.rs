//! The requests of the Agent API.

use std::{collections::BTreeMap, time::Duration};

use aws_lc_rs::digest;
use axum::{
    Json, Router,
    body::Bytes,
    extract::{FromRequest, Path, Query, Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use gatehouse_control_plane_api::{
    agent::{
        DeploymentReport, DiscoveryCompletion, EnrollRequest, EnrollResponse, InventoryResponse,
        ObservationsReport, PROTOCOL_MAX, PROTOCOL_MIN, SecretsRequest, SecretsResponse, SessionRequest,
        SessionResponse, StepReport, TaskReport, TokenRequest, TokenResponse, WorkResponse,
    },
    problem::{PROBLEM_MEDIA_TYPE, ProblemKind},
};
use gatehouse_schemas::{
    canonical::hexadecimal,
    identity::{AgentId, DeploymentId, DiscoveryId, EnvironmentId, Generation, TaskId},
    time::Timestamp,
};
use serde::{Deserialize, de::DeserializeOwned};
use tokio::{net::TcpListener, task::JoinHandle};
use uuid::Uuid;

use super::{JOIN_TOKEN, Page, Reply, Shared, Told};

/// How long a lease lasts: longer than any behaviour takes.
const LEASE_MS: u64 = 120_000;
/// When tokens end: no test waits for that (the year 2096).
const TOKENS_END: Timestamp = Timestamp(4_000_000_000_000);
/// A page of findings has at most so many bytes.
const PAGE_MAX: usize = 64 << 20;

pub(super) fn serve(listener: TcpListener, shared: Shared) -> JoinHandle<()> {
    let known = Router::new()
        .route("/agent/v1/session", post(session))
        .route("/agent/v1/work", get(work))
        .route("/agent/v1/environments/{id}/secrets", post(secrets))
        .route("/agent/v1/environments/{id}/observations", post(observations))
        .route("/agent/v1/environments/{id}/inventory", get(inventory))
        .route("/agent/v1/deployments/{id}/status", post(status))
        .route("/agent/v1/deployments/{id}/steps", post(steps))
        .route("/agent/v1/tasks/{id}/result", post(task_result))
        .route("/agent/v1/discoveries/{id}/pages/{number}", post(page))
        .route("/agent/v1/discoveries/{id}/completion", post(completion))
        .layer(middleware::from_fn_with_state(shared.clone(), authorised));
    let router = Router::new()
        .route("/agent/v1/enroll", post(enroll))
        .route("/agent/v1/token", post(token))
        .merge(known)
        .layer(axum::extract::DefaultBodyLimit::max(PAGE_MAX))
        .with_state(shared);
    tokio::spawn(async move {
        // It ends with its task.
        let _ = axum::serve(listener, router).await;
    })
}

fn refuse(kind: ProblemKind, detail: &str) -> Response {
    let problem = kind.problem(detail);
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let media_type = [(header::CONTENT_TYPE, PROBLEM_MEDIA_TYPE)];
    (status, media_type, Json(problem)).into_response()
}

async fn authorised(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let token = bearer(request.headers());
    let is_known = token.is_some_and(|token| shared.world().tokens.contains_key(token));
    match is_known {
        true => next.run(request).await,
        false => refuse(
            ProblemKind::Unauthenticated,
            "the token is not known; ask for one",
        ),
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?
        .strip_prefix("Bearer ")
}

/// A body that is read as the control plane reads it. What is not understood is remembered, and refused.
struct Body<T>(T);

impl<T: DeserializeOwned> FromRequest<Shared> for Body<T> {
    type Rejection = Response;

    async fn from_request(request: Request, shared: &Shared) -> Result<Self, Response> {
        let path = request.uri().path().to_owned();
        let wrong = |reason: String| {
            let mistake =
                format!("a request to `{path}` is not what the Agent API's document says: {reason}");
            shared.mistakes.add(&mistake);
            refuse(ProblemKind::MalformedRequest, &mistake)
        };
        let bytes = Bytes::from_request(request, shared)
            .await
            .map_err(|error| wrong(error.to_string()))?;
        serde_json::from_slice(&bytes)
            .map(Self)
            .map_err(|error| wrong(error.to_string()))
    }
}

async fn enroll(State(shared): State<Shared>, Body(request): Body<EnrollRequest>) -> Response {
    if request.join_token != JOIN_TOKEN {
        return refuse(ProblemKind::Unauthenticated, "the join token is not the suite's");
    }
    let agent_id = AgentId(Uuid::new_v4());
    shared.world().agents.insert(agent_id, request.key_sha256);
    Json(EnrollResponse { agent_id }).into_response()
}

async fn token(State(shared): State<Shared>, Body(request): Body<TokenRequest>) -> Response {
    let hash = hexadecimal(digest::digest(&digest::SHA256, request.key.as_bytes()).as_ref());
    let mut world = shared.world();
    if world.agents.get(&request.agent_id) != Some(&hash) {
        return refuse(ProblemKind::Unauthenticated, "the key is not the agent's");
    }
    let token = Uuid::new_v4().to_string();
    world.tokens.insert(token.clone(), request.agent_id);
    world.tokens_given += 1;
    let expires_at = TOKENS_END;
    Json(TokenResponse { token, expires_at }).into_response()
}

async fn session(State(shared): State<Shared>, Body(request): Body<SessionRequest>) -> Response {
    let protocol = request.protocol_max.min(PROTOCOL_MAX);
    if protocol < PROTOCOL_MIN || request.protocol_min > protocol {
        return refuse(
            ProblemKind::MalformedRequest,
            &format!("the suite speaks protocol versions {PROTOCOL_MIN} to {PROTOCOL_MAX}"),
        );
    }
    let mut world = shared.world();
    world.descriptor = Some(request.descriptor);
    let environments = world.assignment.clone().into_iter().collect();
    let lease_ms = world.lease_ms.unwrap_or(LEASE_MS);
    drop(world);
    shared.wake();
    Json(SessionResponse {
        protocol,
        lease_ms,
        environments,
    })
    .into_response()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WorkQuery {
    #[serde(default)]
    after: u64,
    #[serde(default)]
    wait_seconds: u64,
}

async fn work(State(shared): State<Shared>, Query(query): Query<WorkQuery>) -> Response {
    if let Some(refusal) = take_position(&shared, query.after) {
        return refusal;
    }
    let wait = shared
        .until(|world| world.generation > query.after || world.discovery.is_some() || world.task.is_some());
    // A timeout is an answer without news.
    let _ = tokio::time::timeout(Duration::from_secs(query.wait_seconds.min(60)), wait).await;
    shared.until(|world| !world.is_silent).await;
    let world = shared.world();
    let is_new = |generation: Generation| generation.0 > query.after;
    Json(WorkResponse {
        generation: Generation(world.generation),
        environments: world
            .assignment
            .iter()
            .filter(|it| is_new(it.generation))
            .cloned()
            .collect(),
        deployments: world
            .deployment
            .iter()
            .filter(|it| is_new(it.generation))
            .cloned()
            .collect(),
        discoveries: world.discovery.iter().cloned().collect(),
        tasks: world.task.iter().cloned().collect(),
    })
    .into_response()
}

/// Notes which position was asked for; refuses it if it is to be too old.
fn take_position(shared: &Shared, after: u64) -> Option<Response> {
    let mut world = shared.world();
    world.asked.push(after);
    let is_too_old = after != 0 && world.too_old > 0;
    if is_too_old {
        world.too_old -= 1;
    }
    drop(world);
    shared.wake();
    is_too_old.then(|| {
        refuse(
            ProblemKind::PositionTooOld,
            &format!("what came after generation {after} is not known any more; ask for everything"),
        )
    })
}

async fn secrets(
    State(shared): State<Shared>,
    Path(_): Path<EnvironmentId>,
    Body(request): Body<SecretsRequest>,
) -> Response {
    shared.world().secrets_asked += 1;
    shared.wake();
    shared.until(|world| !world.secrets_held).await;
    let world = shared.world();
    let mut values = BTreeMap::new();
    for name in request.names {
        match world.secrets.get(name.as_str()) {
            Some(value) => values.insert(name.to_string(), value.clone()),
            None => return refuse(ProblemKind::NotFound, &format!("there is no secret `{name}`")),
        };
    }
    Json(SecretsResponse { values }).into_response()
}

/// What an agent saw by itself is taken and not looked at: the suite asks.
async fn observations(Body(_): Body<ObservationsReport>) -> Response {
    StatusCode::NO_CONTENT.into_response()
}

async fn inventory(State(shared): State<Shared>) -> Response {
    let versions = shared.world().inventory.clone();
    Json(InventoryResponse { versions }).into_response()
}

async fn status(
    State(shared): State<Shared>,
    Path(id): Path<DeploymentId>,
    Body(report): Body<DeploymentReport>,
) -> Response {
    answer(shared.tell(Told::Status(id, report)).await)
}

async fn steps(
    State(shared): State<Shared>,
    Path(id): Path<DeploymentId>,
    Body(report): Body<StepReport>,
) -> Response {
    answer(shared.tell(Told::Step(id, report)).await)
}

async fn task_result(
    State(shared): State<Shared>,
    Path(id): Path<TaskId>,
    Body(report): Body<TaskReport>,
) -> Response {
    answer(shared.tell(Told::Task(id, report)).await)
}

#[derive(Deserialize)]
struct PositionQuery {
    position: Option<String>,
}

async fn page(
    State(shared): State<Shared>,
    Path((id, number)): Path<(DiscoveryId, u32)>,
    Query(query): Query<PositionQuery>,
    body: Bytes,
) -> Response {
    let lines = body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let items: Result<Vec<_>, _> = lines.map(serde_json::from_slice).collect();
    match items {
        Ok(items) => {
            let page = Page {
                number,
                items,
                position: query.position,
            };
            answer(shared.tell(Told::Page(id, page)).await)
        }
        Err(error) => {
            let mistake = format!("a line of page {number} is not a finding: {error}");
            shared.mistakes.add(&mistake);
            refuse(ProblemKind::Invalid, &mistake)
        }
    }
}

async fn completion(
    State(shared): State<Shared>,
    Path(id): Path<DiscoveryId>,
    Body(completion): Body<DiscoveryCompletion>,
) -> Response {
    answer(shared.tell(Told::Completion(id, completion)).await)
}

fn answer(reply: Reply) -> Response {
    match reply {
        Reply::Taken => StatusCode::NO_CONTENT.into_response(),
        Reply::Refused(kind, detail) => refuse(kind, &detail),
    }
}
