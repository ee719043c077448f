//! A control plane as small as the Agent API allows: for one agent and one environment, with one thing to do at a time,
//! and with somebody who decides on everything that the agent tells.

mod routes;

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use gatehouse_control_plane_api::{
    agent::{
        DeploymentReport, DeploymentWork, DiscoveryCompletion, DiscoveryWork, EnvironmentAssignment,
        StepReport, TaskReport, TaskWork,
    },
    problem::ProblemKind,
};
use gatehouse_schemas::{
    descriptor::Descriptor,
    identity::{AgentId, DeploymentId, DiscoveryId, FencingNumber, Generation, TaskId},
    observed::DiscoveredItem,
};
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
};

/// The token that agents join with.
pub(super) const JOIN_TOKEN: &str = "conformance-join-token";
/// The lease of the one environment.
pub(super) const FENCING: FencingNumber = FencingNumber(1);

/// What an agent tells, and where the answer goes.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) told: Told,
    pub(super) reply: oneshot::Sender<Reply>,
}

/// What an agent tells.
#[derive(Debug)]
pub(super) enum Told {
    Status(DeploymentId, DeploymentReport),
    Step(DeploymentId, StepReport),
    Task(TaskId, TaskReport),
    Page(DiscoveryId, Page),
    Completion(DiscoveryId, DiscoveryCompletion),
}

/// A page of a listing.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) number: u32,
    pub(super) items: Vec<DiscoveredItem>,
    pub(super) position: Option<String>,
}

/// What an agent is answered.
#[derive(Debug, Clone)]
pub(super) enum Reply {
    Taken,
    Refused(ProblemKind, String),
}

/// What there is to do, and what is known.
#[derive(Debug, Default)]
pub(super) struct World {
    pub(super) generation: u64,
    pub(super) assignment: Option<EnvironmentAssignment>,
    pub(super) deployment: Option<DeploymentWork>,
    pub(super) discovery: Option<DiscoveryWork>,
    pub(super) task: Option<TaskWork>,
    /// The versions that are known, by the gateway's identities.
    pub(super) inventory: BTreeMap<String, String>,
    /// The values of secrets, by name.
    pub(super) secrets: BTreeMap<String, String>,
    /// What the agent last said of its connector.
    pub(super) descriptor: Option<Descriptor>,
    /// The positions that were asked for, in order.
    pub(super) asked: Vec<u64>,
    /// So many of the next positions are told to be too old.
    pub(super) too_old: u32,
    /// How often secrets were asked for.
    pub(super) secrets_asked: u64,
    /// Whether questions for secrets wait for their answer.
    pub(super) secrets_held: bool,
    /// How long a lease lasts, in milliseconds, if not longer than any test.
    pub(super) lease_ms: Option<u64>,
    /// Whether requests for work wait for their answer.
    pub(super) is_silent: bool,
    /// How many tokens were given.
    pub(super) tokens_given: u64,
    agents: BTreeMap<AgentId, String>,
    tokens: BTreeMap<String, AgentId>,
}

impl World {
    /// From now on, no token that was given so far is accepted.
    pub(super) fn refuse_tokens(&mut self) {
        self.tokens.clear();
    }
}

/// Why things that agents sent were not understood; clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct Mistakes {
    sentences: Arc<Mutex<Vec<String>>>,
}

impl Mistakes {
    pub(super) fn first(&self) -> Option<String> {
        self.lock().first().cloned()
    }

    fn add(&self, sentence: &str) {
        self.lock().push(sentence.to_owned());
    }

    fn lock(&self) -> MutexGuard<'_, Vec<String>> {
        self.sentences.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Clone)]
struct Shared {
    mistakes: Mistakes,
    world: Arc<Mutex<World>>,
    changed: watch::Sender<u64>,
    listener: Arc<Mutex<Option<mpsc::UnboundedSender<Event>>>>,
}

/// The control plane; it ends when this is dropped.
pub(super) struct ControlPlane {
    shared: Shared,
    address: SocketAddr,
    server: JoinHandle<()>,
}

impl ControlPlane {
    pub(super) async fn start(mistakes: Mistakes) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let shared = Shared {
            mistakes,
            world: Arc::default(),
            changed: watch::Sender::new(0),
            listener: Arc::default(),
        };
        let server = routes::serve(listener, shared.clone());
        Ok(Self {
            shared,
            address,
            server,
        })
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        self.shared.world()
    }

    /// Changes what there is to do, at the next generation, and wakes the agent.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut World, Generation) -> T) -> T {
        let mut world = self.world();
        world.generation += 1;
        let generation = Generation(world.generation);
        let result = change(&mut world, generation);
        drop(world);
        self.shared.wake();
        result
    }

    /// From now on, what the agent tells is heard here.
    pub(super) fn listen(&self) -> mpsc::UnboundedReceiver<Event> {
        let (sender, receiver) = mpsc::unbounded_channel();
        *self.shared.listener() = Some(sender);
        receiver
    }

    /// Changes what is known, without anything new for the agent.
    pub(super) fn note(&self, change: impl FnOnce(&mut World)) {
        change(&mut self.world());
        self.shared.wake();
    }

    /// Moves whenever the agent has asked for something, or something has changed.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.shared.changed.subscribe()
    }

    /// What the agent says of its connector, once it has opened a session.
    pub(super) async fn descriptor(&self) -> Option<Descriptor> {
        let mut changed = self.shared.changed.subscribe();
        loop {
            if let Some(descriptor) = self.world().descriptor.clone() {
                return Some(descriptor);
            }
            changed.changed().await.ok()?;
        }
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Shared {
    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self) {
        self.changed.send_modify(|count| *count += 1);
    }

    /// Waits until something holds.
    async fn until(&self, holds: impl Fn(&World) -> bool) {
        let mut changed = self.changed.subscribe();
        while !holds(&self.world()) && changed.changed().await.is_ok() {}
    }

    fn listener(&self) -> MutexGuard<'_, Option<mpsc::UnboundedSender<Event>>> {
        self.listener.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What whoever listens says to it; if nobody does, it is about something that is over.
    async fn tell(&self, told: Told) -> Reply {
        let over = || Reply::Refused(ProblemKind::Stale, "nobody waits for this any more".to_owned());
        let (reply, answer) = oneshot::channel();
        let sent = match self.listener().as_ref() {
            Some(listener) => listener.send(Event { told, reply }).is_ok(),
            None => false,
        };
        match sent {
            true => answer.await.unwrap_or_else(|_| over()),
            false => over(),
        }
    }
}
