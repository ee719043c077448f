//! All agents, and what they tell.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use gatehouse_integration_tests::{admin::Admin, control_plane::ControlPlane};
use serde_json::json;
use tokio::{
    sync::mpsc::{self, UnboundedReceiver},
    task::JoinSet,
    time::timeout_at,
};

use crate::{
    agent::{Agent, Event},
    layouts::Layout,
};

/// How long anything may take before the bench gives up.
const PATIENCE: Duration = Duration::from_secs(180);
const ENROLLING_AT_ONCE: usize = 16;

/// All agents.
pub(crate) struct Fleet {
    size: usize,
    events: UnboundedReceiver<(usize, Event)>,
    /// Why an agent was last without the control plane.
    lost: String,
    _agents: JoinSet<()>,
}

/// What was handed out while the agents came back.
#[derive(Debug, Default)]
pub(crate) struct Handed {
    /// Desired state that an agent had not settled: work.
    pub(crate) given: usize,
    /// Desired state that an agent had settled, and ignores.
    pub(crate) given_again: usize,
    /// The agents that were given a discovery.
    pub(crate) runners: HashSet<usize>,
}

impl Fleet {
    /// Enrolls all agents with join tokens and connects them.
    pub(crate) async fn start(
        layout: Layout,
        size: usize,
        control_plane: &ControlPlane,
    ) -> anyhow::Result<Self> {
        let (tell, events) = mpsc::unbounded_channel();
        let url = control_plane.url();
        let address = url.trim_start_matches("http://").parse()?;
        let admin = control_plane.admin();
        let enrolled = (0..size).map(|number| {
            let agent = Agent::new(
                number,
                layout.gateway_type(number),
                layout.is_replicated(),
                address,
                tell.clone(),
            );
            enroll(agent, admin.clone())
        });
        let agents: Vec<Agent> = stream::iter(enrolled)
            .buffer_unordered(ENROLLING_AT_ONCE)
            .try_collect()
            .await?;
        let mut running = JoinSet::new();
        for agent in agents {
            running.spawn(agent.run());
        }
        Ok(Self {
            size,
            events,
            lost: String::new(),
            _agents: running,
        })
    }

    /// Waits until every agent has a session and an answer; how long after `since` the last one had, and what was
    /// handed out meanwhile.
    pub(crate) async fn connected(&mut self, since: Instant) -> anyhow::Result<(Duration, Handed)> {
        let mut missing: HashSet<usize> = (0..self.size).collect();
        let mut handed = Handed::default();
        while !missing.is_empty() {
            match self
                .next()
                .await
                .with_context(|| format!("{} agents are missing", missing.len()))?
            {
                (agent, Event::Connected) => drop(missing.remove(&agent)),
                (agent, event) => handed.count(agent, &event),
            }
        }
        Ok((since.elapsed(), handed))
    }

    /// Waits until so many agents were given a generation of a deployment; when each was.
    pub(crate) async fn given(&mut self, wanted: (&str, u64), agents: usize) -> anyhow::Result<Vec<Instant>> {
        let mut times = Vec::with_capacity(agents);
        while times.len() < agents {
            let (_, event) = self
                .next()
                .await
                .with_context(|| format!("{} of {agents} were reached", times.len()))?;
            if let Event::Given {
                deployment,
                generation,
                at,
            } = event
                && (deployment.to_string().as_str(), generation.0) == wanted
            {
                times.push(at);
            }
        }
        Ok(times)
    }

    /// Takes in what is told until nothing more comes for a while.
    pub(crate) async fn settle(&mut self, quiet: Duration) -> Handed {
        let mut handed = Handed::default();
        while let Ok(Some((agent, event))) = tokio::time::timeout(quiet, self.events.recv()).await {
            handed.count(agent, &event);
        }
        handed
    }

    async fn next(&mut self) -> anyhow::Result<(usize, Event)> {
        let end = tokio::time::Instant::now() + PATIENCE;
        let event = timeout_at(end, self.events.recv()).await.with_context(|| {
            format!(
                "nothing happens any more; an agent was last lost to: {}",
                self.lost
            )
        })?;
        if let Some((_, Event::Lost(why))) = &event {
            self.lost.clone_from(why);
        }
        event.context("all agents have ended")
    }
}

impl Handed {
    fn count(&mut self, agent: usize, event: &Event) {
        match event {
            Event::Given { .. } => self.given += 1,
            Event::GivenAgain => self.given_again += 1,
            Event::Discovery => drop(self.runners.insert(agent)),
            Event::Connected | Event::Lost(_) => {}
        }
    }
}

async fn enroll(mut agent: Agent, admin: Admin) -> anyhow::Result<Agent> {
    let request = json!({"gatewayType": agent.gateway_type});
    let created = admin.post("/join-tokens", request).await.expect_ok();
    let token = created["token"].as_str().unwrap_or_default();
    ensure!(!token.is_empty(), "no join token in {created}");
    agent.enroll(token).await?;
    Ok(agent)
}
