//! A control plane as small as the Agent API allows, whose answers can be lost and which can go away.

mod routes;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
};

use gatehouse_control_plane_api::agent::{
    DeploymentObservation, DeploymentOutcome, DeploymentReport, DeploymentWork, DesiredState,
    DiscoveryCompletion, DiscoveryWork, EnvironmentAssignment, ResumePosition, Step, Task, TaskReport,
    TaskResult, TaskWork,
};
use gatehouse_schemas::{
    environment::{DiscoveryFilter, Mode},
    identity::{AgentId, DeploymentId, DiscoveryId, EnvironmentId, FencingNumber, Generation, TaskId},
    observed::DiscoveredItem,
};
use routes::serve;
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
    /// The position after each page.
    pub(super) positions: BTreeMap<u32, Option<String>>,
    /// The versions that are known.
    pub(super) inventory: BTreeMap<String, String>,
    pub(super) inventory_asked: u32,
    /// How often a discovery was asked for.
    pub(super) wishes: u32,
    /// When the next ones who ask for a discovery are told to ask again, in milliseconds.
    pub(super) put_off: Vec<u64>,
    /// Nobody can ask for discoveries: it is an older control plane.
    pub(super) knows_no_wishes: bool,
    pub(super) tasks: Vec<TaskWork>,
    pub(super) answers: Vec<(TaskId, TaskReport)>,
    pub(super) observations: Vec<DeploymentObservation>,
    /// So many requests to record steps fail before anything is recorded.
    pub(super) refuse_steps: u32,
    /// So many answers to requests to record steps are lost after the step was recorded.
    pub(super) lose_steps: u32,
    /// The lease moves away when so many steps were recorded.
    pub(super) move_lease_after_steps: Option<usize>,
    /// How often a step was recorded, done ones included.
    pub(super) steps_recorded: u32,
    /// All records of steps, in order.
    pub(super) steps: Vec<Step>,
    /// What was told to remain when each was recorded.
    pub(super) remaining: Vec<Option<u64>>,
    /// The observations, pages and answers whose reply is lost after they were taken.
    pub(super) lose_answers: u32,
    pub(super) completions: Vec<DiscoveryCompletion>,
    pub(super) agents: BTreeMap<AgentId, String>,
    pub(super) join_tokens: BTreeSet<String>,
    pub(super) tokens: BTreeSet<String>,
    pub(super) issued: u64,
    pub(super) sessions: u64,
    /// The protocol that sessions agree on, if not on the newest.
    pub(super) protocol: Option<u32>,
    pub(super) secrets_asked_for: Vec<String>,
    /// Positions that were asked for.
    pub(super) asked: Vec<u64>,
    /// So many answers to reports are lost after the report was taken.
    pub(super) lose_replies: u32,
    /// Positions below this are too old, except 0.
    pub(super) oldest: u64,
    /// Requests for work fail, and nothing else does.
    pub(super) no_work: bool,
    /// How long leases last, if not for long.
    pub(super) lease_ms: Option<u64>,
    /// How long the next request for work waits before it is looked at.
    pub(super) delay_work: Option<std::time::Duration>,
    /// Connections from before outlive the listener; they get no answer worth the name.
    away: bool,
    turned_away: u64,
}

#[derive(Clone)]
pub(super) struct Shared {
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

    /// Speaks this protocol from the next session on.
    pub(super) fn speak(&self, protocol: u32) {
        self.world().protocol = Some(protocol);
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

    /// Desires something particular.
    pub(super) fn desire_api(
        &self,
        desired: gatehouse_schemas::desired::DesiredApi,
        change: impl FnOnce(&mut DeploymentWork),
    ) -> Generation {
        let api = desired.mark.api_id.0.as_u128();
        let state = DesiredState::Present {
            api: Box::new(desired),
        };
        self.desire_with(api, state, change)
    }

    fn desire(&self, api: u128, desired: DesiredState) -> Generation {
        self.desire_with(api, desired, |_| {})
    }

    /// Desires something of an API, with more said about it.
    pub(super) fn desire_with(
        &self,
        api: u128,
        desired: DesiredState,
        change: impl FnOnce(&mut DeploymentWork),
    ) -> Generation {
        self.change(|world, generation| {
            let id = DeploymentId(Uuid::from_u128(api));
            let former = world.deployments.get(&id);
            let mut work = DeploymentWork {
                id,
                environment_id: test_support::environment_id(),
                generation,
                desired,
                external_ref: former.and_then(|work| work.external_ref.clone()),
                confirmed: false,
                expected: None,
                adopt: None,
                accept_loss: false,
                priority: gatehouse_control_plane_api::agent::Priority::Normal,
                steps: former.map(|work| work.steps.clone()).unwrap_or_default(),
            };
            change(&mut work);
            world.deployments.insert(id, work);
            generation
        })
    }

    pub(super) fn discover(&self) {
        self.discover_with(|_| {});
    }

    /// Asks for a discovery of some APIs.
    pub(super) fn discover_with(&self, filter: impl FnOnce(&mut DiscoveryFilter)) {
        let mut wanted = DiscoveryFilter::default();
        filter(&mut wanted);
        self.list(wanted, None);
    }

    /// Asks to go on with a discovery.
    pub(super) fn resume(&self, resume: ResumePosition) {
        self.list(DiscoveryFilter::default(), Some(resume));
    }

    fn list(&self, filter: DiscoveryFilter, resume: Option<ResumePosition>) {
        self.change(|world, generation| {
            world.discoveries.push(DiscoveryWork {
                id: DiscoveryId(Uuid::from_u128(u128::from(generation.0) + 1000)),
                environment_id: test_support::environment_id(),
                filter,
                resume,
            });
        });
    }

    /// Asks for something in the environment of tests.
    pub(super) fn ask(&self, number: u128, task: Task) {
        self.change(|world, _| {
            world.tasks.push(TaskWork {
                id: TaskId(Uuid::from_u128(number)),
                environment_id: test_support::environment_id(),
                task,
            });
        });
    }

    /// The answers to a task.
    pub(super) fn answers(&self, number: u128) -> Vec<TaskResult> {
        let world = self.world();
        let answers = world.answers.iter();
        answers
            .filter(|(id, _)| id.0.as_u128() == number)
            .map(|(_, report)| report.result.clone())
            .collect()
    }

    /// Changes the environment of tests.
    pub(super) fn change_environment(&self, change: impl FnOnce(&mut EnvironmentAssignment)) {
        self.change(|world, generation| {
            let environment = world.environments.get_mut(&test_support::environment_id());
            let environment = environment.unwrap();
            change(environment);
            environment.generation = generation;
        });
    }

    /// Whether an outcome like this was reported for a generation.
    pub(super) fn has(&self, generation: Generation, like: impl Fn(&DeploymentOutcome) -> bool) -> bool {
        self.outcomes(generation)
            .iter()
            .any(|report| like(&report.outcome))
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
        drift_policy: gatehouse_schemas::environment::DriftPolicy::Alert,
        generation,
        fencing: Some(FencingNumber(1)),
        deleted: false,
    }
}
