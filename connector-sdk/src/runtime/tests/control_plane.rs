//! A control plane as small as the Agent API allows, whose answers can be lost and which can go away.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

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
        DeploymentReport, DeploymentWork, DesiredState, DiscoveryCompletion, DiscoveryWork, EnrollRequest,
        EnrollResponse, EnvironmentAssignment, SecretsRequest, SecretsResponse, SessionRequest,
        SessionResponse, TokenRequest, TokenResponse, WorkResponse,
    },
    problem::ProblemKind,
};
use gatehouse_schemas::{
    environment::{DiscoveryFilter, Mode},
    identity::{AgentId, DeploymentId, DiscoveryId, EnvironmentId, FencingNumber, Generation},
    observed::DiscoveredItem,
    time::Timestamp,
};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};
use uuid::Uuid;

use crate::memory::test_support;

pub(super) const JOIN_TOKEN: &str = "join-me";

/// What the control plane knows, and what goes wrong.
#[derive(Default)]
pub(super) struct World {
    pub(super) generation: u64,
    pub(super) environments: BTreeMap<EnvironmentId, EnvironmentAssignment>,
    pub(super) deployments: BTreeMap<DeploymentId, DeploymentWork>,
    pub(super) discoveries: Vec<DiscoveryWork>,
    /// All that were taken, in order.
    pub(super) reports: Vec<DeploymentReport>,
    pub(super) pages: BTreeMap<u32, Vec<DiscoveredItem>>,
    pub(super) completions: Vec<DiscoveryCompletion>,
    pub(super) agents: BTreeMap<AgentId, String>,
    pub(super) join_tokens: BTreeSet<String>,
    pub(super) tokens: BTreeSet<String>,
    pub(super) issued: u64,
    pub(super) sessions: u64,
    /// Positions that were asked for.
    pub(super) asked: Vec<u64>,
    /// So many answers to reports are lost after the report was taken.
    pub(super) lose_replies: u32,
    /// Positions below this are too old, except 0.
    pub(super) oldest: u64,
    /// Connections from before outlive the listener; they get no answer worth the name.
    away: bool,
    turned_away: u64,
}

#[derive(Clone)]
struct Shared {
    world: Arc<Mutex<World>>,
    changed: watch::Sender<u64>,
}

/// A control plane that can go away and come back at the same address.
pub(super) struct ControlPlane {
    shared: Shared,
    address: SocketAddr,
    server: Option<JoinHandle<()>>,
}

impl ControlPlane {
    pub(super) async fn start() -> Self {
        let world = World {
            join_tokens: BTreeSet::from([JOIN_TOKEN.to_owned()]),
            ..World::default()
        };
        let shared = Shared {
            world: Arc::new(Mutex::new(world)),
            changed: watch::Sender::new(0),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = Some(serve(listener, shared.clone()));
        Self {
            shared,
            address,
            server,
        }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        self.shared.world.lock().unwrap()
    }

    /// Changes what is known, at the next generation, and wakes agents.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut World, Generation) -> T) -> T {
        let mut world = self.world();
        world.generation += 1;
        let generation = Generation(world.generation);
        let result = change(&mut world, generation);
        drop(world);
        self.shared.changed.send_modify(|count| *count += 1);
        result
    }

    /// Registers the environment of tests.
    pub(super) fn add_environment(&self) {
        self.change(|world, generation| {
            let assignment = assignment(generation);
            world.environments.insert(assignment.id, assignment);
        });
    }

    /// Desires an API in the environment of tests.
    pub(super) fn deploy(&self, api: u128, base_path: &str) -> Generation {
        self.desire(
            api,
            DesiredState::Present {
                api: Box::new(test_support::desired(api, base_path)),
            },
        )
    }

    /// Desires that an API is not there.
    pub(super) fn undeploy(&self, api: u128) -> Generation {
        self.desire(
            api,
            DesiredState::Absent {
                mark: test_support::mark(api),
            },
        )
    }

    fn desire(&self, api: u128, desired: DesiredState) -> Generation {
        self.change(|world, generation| {
            let id = DeploymentId(Uuid::from_u128(api));
            let work = DeploymentWork {
                id,
                environment_id: test_support::environment_id(),
                generation,
                desired,
                external_ref: None,
            };
            world.deployments.insert(id, work);
            generation
        })
    }

    pub(super) fn discover(&self) {
        self.change(|world, _| {
            world.discoveries.push(DiscoveryWork {
                id: DiscoveryId(Uuid::from_u128(99)),
                environment_id: test_support::environment_id(),
                filter: DiscoveryFilter::default(),
            });
        });
    }

    /// The outcomes reported for a generation, in order.
    pub(super) fn outcomes(&self, generation: Generation) -> Vec<DeploymentReport> {
        let world = self.world();
        let of_generation = world
            .reports
            .iter()
            .filter(|report| report.generation == generation);
        of_generation.cloned().collect()
    }

    /// Goes away; an agent that was connected has noticed it afterwards.
    pub(super) async fn go_away(&mut self) {
        if let Some(server) = self.server.take() {
            server.abort();
            let _ = server.await;
        }
        self.world().away = true;
        let connected = self.world().sessions > 0;
        self.shared.changed.send_modify(|count| *count += 1);
        while connected && self.world().turned_away == 0 {
            tokio::task::yield_now().await;
        }
    }

    pub(super) async fn come_back(&mut self) {
        self.world().away = false;
        self.world().turned_away = 0;
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.server = Some(serve(listener, self.shared.clone()));
    }
}

pub(super) fn assignment(generation: Generation) -> EnvironmentAssignment {
    EnvironmentAssignment {
        id: test_support::environment_id(),
        name: "test".parse().unwrap(),
        mode: Mode::ReadWrite,
        settings: serde_json::Map::new(),
        credentials: BTreeMap::new(),
        endpoints: Vec::new(),
        generation,
        fencing: Some(FencingNumber(1)),
        deleted: false,
    }
}

fn serve(listener: TcpListener, shared: Shared) -> JoinHandle<()> {
    let router = Router::new()
        .route("/agent/v1/enroll", post(enroll))
        .route("/agent/v1/token", post(token))
        .route("/agent/v1/session", post(session))
        .route("/agent/v1/work", get(work))
        .route("/agent/v1/environments/{id}/secrets", post(secrets))
        .route("/agent/v1/deployments/{id}/status", post(status))
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
        protocol: request.protocol_max,
        lease_ms: 30_000,
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
    State(_): State<Shared>,
    Path(_): Path<EnvironmentId>,
    Json(request): Json<SecretsRequest>,
) -> Response {
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
    world.reports.push(report);
    if world.lose_replies > 0 {
        world.lose_replies -= 1;
        return StatusCode::BAD_GATEWAY.into_response();
    }
    StatusCode::NO_CONTENT.into_response()
}

async fn page(State(shared): State<Shared>, Path((_, number)): Path<(String, u32)>, body: Bytes) -> Response {
    let items = body
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    shared.world.lock().unwrap().pages.insert(number, items);
    StatusCode::NO_CONTENT.into_response()
}

async fn completion(State(shared): State<Shared>, Json(completion): Json<DiscoveryCompletion>) -> Response {
    let mut world = shared.world.lock().unwrap();
    world.completions.push(completion);
    world.discoveries.clear();
    StatusCode::NO_CONTENT.into_response()
}
