//! One agent process and the control plane it speaks to.

use std::{sync::Arc, time::Duration};

use gatehouse_connector_sdk::{
    context::Context,
    error::{Error, ErrorKind, Result},
};
use gatehouse_control_plane_api::{agent::EnvironmentAssignment, problem::ProblemKind};
use gatehouse_schemas::{
    environment::{CredentialSource, DriftPolicy},
    identity::{ExternalRef, Generation, ResourceName},
};
use secrecy::ExposeSecret as _;
use tempfile::TempDir;
use tokio::sync::mpsc;

use super::super::{
    AgentPlace,
    control_plane::{ControlPlane, Event, FENCING, Reply, World},
    gateway::Stand,
    process::AgentProcess,
};
use crate::sample;

/// How long an agent has for what it may still do after a refusal.
const SETTLING: Duration = Duration::from_millis(300);

/// An agent, when it was started, and whom it speaks to.
pub(super) struct Session {
    stand: Arc<Stand>,
    running: Option<Running>,
    process: Option<AgentProcess>,
    /// A listing that waits to be gone on with.
    pub(super) listing: Option<super::listing::Pending>,
}

struct Running {
    control_plane: ControlPlane,
    events: mpsc::UnboundedReceiver<Event>,
    state: TempDir,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("the session of an agent under test")
    }
}

impl Session {
    pub(super) fn new(stand: Arc<Stand>) -> Self {
        Self {
            stand,
            running: None,
            process: None,
            listing: None,
        }
    }

    /// An agent that runs, and an environment like the context's.
    pub(super) async fn begin(&mut self, context: &Context) -> Result<()> {
        let running = match self.running.take() {
            Some(running) => running,
            None => start(&self.stand)
                .await
                .map_err(|error| suite("cannot start", error))?,
        };
        let running = self.running.insert(running);
        take_environment(&running.control_plane, context);
        // What was told since nobody asked is about something that is over.
        while running.events.try_recv().is_ok() {}
        let is_alive = self.process.as_mut().is_some_and(|process| !process.has_ended());
        if !is_alive {
            let place = AgentPlace::of(&running.control_plane, running.state.path());
            let process = self
                .stand
                .start_agent(&place)
                .map_err(|error| suite("cannot start the agent", error))?;
            self.process = Some(process);
        }
        Ok(())
    }

    /// Changes what there is to do.
    pub(super) fn change<T: Default>(&self, change: impl FnOnce(&mut World, Generation) -> T) -> T {
        match &self.running {
            Some(running) => running.control_plane.change(change),
            None => T::default(),
        }
    }

    /// The next thing the agent tells. Its end is an error.
    pub(super) async fn next(&mut self) -> Result<Event> {
        let (Some(running), Some(process)) = (&mut self.running, &mut self.process) else {
            return Err(Error::new(ErrorKind::Unexpected, "the agent does not run"));
        };
        tokio::select! {
            event = running.events.recv() => event.ok_or_else(|| Error::new(ErrorKind::Unexpected, "the suite's control plane ended")),
            ended = process.ended() => {
                let how = ended.map_or_else(|error| error.to_string(), |status| status.to_string());
                Err(Error::new(ErrorKind::Unexpected, format!("the agent ended by itself ({how}); it said last:\n{}", self.stand.log_tail())))
            }
        }
    }

    /// Ends the agent's process without a word, and what there was to do.
    pub(super) async fn crash(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().await;
        }
        self.forget();
    }

    fn forget(&mut self) {
        self.listing = None;
        self.change(|world, _| {
            world.deployment = None;
            world.task = None;
            world.discovery = None;
        });
    }

    /// Ends the agent's process at once, and what there was to do.
    pub(super) fn cut_off(&mut self) {
        // It is killed when it is dropped.
        self.process = None;
        self.forget();
    }

    /// Ends the agent's process as the suite wanted it.
    pub(super) async fn die(&mut self) -> Error {
        self.crash().await;
        Error::new(
            ErrorKind::Unavailable,
            "the agent's process was ended, as it was asked for",
        )
    }

    /// Gives the agent time to do what it does next.
    pub(super) async fn settle(&mut self) {
        let _: Option<Result<Event>> = tokio::time::timeout(SETTLING, self.next()).await.ok();
    }

    /// Which versions the agent is told to be known.
    pub(super) fn know(&self, known: &std::collections::BTreeMap<ExternalRef, String>) {
        let versions = known
            .iter()
            .map(|(external_ref, version)| (external_ref.0.clone(), version.clone()));
        let versions = versions.collect();
        self.change(|world, _| world.inventory = versions);
    }
}

async fn start(stand: &Stand) -> std::io::Result<Running> {
    let control_plane = ControlPlane::start(stand.mistakes()).await?;
    let events = control_plane.listen();
    Ok(Running {
        events,
        control_plane,
        state: tempfile::Builder::new()
            .prefix("gatehouse-conformance")
            .tempdir()?,
    })
}

/// Tells the agent of the environment, if it is not as it was.
pub(in crate::agent) fn take_environment(control_plane: &ControlPlane, context: &Context) {
    let environment = &context.environment;
    let mut secrets =
        std::collections::BTreeMap::from([(sample::SECRET.0.to_owned(), sample::SECRET.1.to_owned())]);
    let mut credentials = std::collections::BTreeMap::new();
    for (number, (name, value)) in environment.credentials.iter().enumerate() {
        let secret: ResourceName = sample::name(&format!("credential-{number}"));
        secrets.insert(secret.to_string(), value.expose_secret().to_owned());
        credentials.insert(name.clone(), CredentialSource::SecretRef(secret));
    }
    let wanted = |generation| EnvironmentAssignment {
        id: environment.id,
        name: environment.name.clone(),
        mode: environment.mode,
        settings: environment.settings.clone(),
        credentials: credentials.clone(),
        endpoints: environment.endpoints.clone(),
        drift_policy: DriftPolicy::Alert,
        generation,
        fencing: Some(FENCING),
        deleted: false,
    };
    let is_as_it_was = {
        let world = control_plane.world();
        let as_it_was = |there: &EnvironmentAssignment| *there == wanted(there.generation);
        world.secrets == secrets && world.assignment.as_ref().is_some_and(as_it_was)
    };
    if !is_as_it_was {
        control_plane.change(|world, generation| {
            world.secrets = secrets;
            world.assignment = Some(wanted(generation));
        });
    }
}

pub(super) fn refuse(event: Event, why: &str) {
    // The agent hears of it or is gone.
    let _ = event
        .reply
        .send(Reply::Refused(ProblemKind::Stale, why.to_owned()));
}

fn suite(what: &str, error: std::io::Error) -> Error {
    Error::new(ErrorKind::Unexpected, format!("the conformance suite {what}")).with_source(error)
}
