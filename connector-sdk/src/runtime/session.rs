//! The agent's life: enroll, hold a session, wait for work, come back after outages, stop.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use gatehouse_control_plane_api::{
    agent::{
        EnvironmentAssignment, PROTOCOL_MAX, PROTOCOL_MIN, SessionRequest, SessionResponse, WorkResponse,
    },
    agent_client::{AgentApiError, AgentClient},
    problem::ProblemKind,
};
use gatehouse_schemas::identity::Generation;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::{
    AgentOptions, RunError, Tuning,
    census::Served,
    connection::{Connection, ConnectionError},
    deployments::Deployments,
    discovery::Discoveries,
    enrollment,
    environments::{Change, Environments},
    hints::{Following, Listening},
    identity::{Identity, StateFolder},
    tasks::{Tasks, Tools},
};
use crate::{
    connector::Connector,
    error::chain,
    layers::{Isolation, Layered},
    monitor::{Census, Session, TypeMonitor},
    scheduler::Scheduler,
};

/// Runs an agent until cancelled, or until it is told that it is not known.
pub(super) async fn run(
    connector: Arc<dyn Connector>,
    options: AgentOptions,
    caught_up: CancellationToken,
    monitor: TypeMonitor,
    cancellation: CancellationToken,
) -> Result<(), RunError> {
    let client = options.client()?;
    let state = StateFolder::open(&options.state_dir)?;
    let gateway_type = connector.descriptor().gateway_type.clone();
    let join = enrollment::Join {
        client: &client,
        options: &options,
        gateway_type: &gateway_type,
        state: &state,
        monitor: &monitor,
        cancellation: &cancellation,
    };
    let mut identity = join.identity().await?;
    let mut may_join_again = options.join_token.is_some();
    let process = OfProcess {
        scheduler: Arc::new(Scheduler::new(connector.descriptor()).counted(monitor.clone())),
        isolation: Isolation::default(),
        monitor: monitor.clone(),
    };
    while let Some(Identity {
        agent_id: Some(agent_id),
        key,
    }) = identity
    {
        let connection = Connection::new(client.clone(), agent_id, key);
        let agent = RunningAgent::new(
            connector.clone(),
            connection,
            options.tuning,
            &process,
            caught_up.clone(),
            cancellation.clone(),
        );
        let Err(ConnectionError::Revoked(source)) = agent.run().await else {
            return Ok(());
        };
        let revoked = |source| RunError::Revoked {
            agent_id,
            gateway_type: gateway_type.clone(),
            source,
        };
        if !may_join_again {
            return Err(revoked(source));
        }
        warn!(agent.id = %agent_id, error = %chain(&source), "The control plane does not accept agent `{agent_id}`; joining again with the token given");
        may_join_again = false;
        identity = match join.again().await {
            // Most often the token is the one from long ago that is still on the command line.
            Err(RunError::EnrollmentRefused { .. }) => return Err(revoked(source)),
            result => result?,
        };
    }
    Ok(())
}

/// What outlasts an enrollment: the vendor counts calls whoever makes them, and what hangs goes on hanging.
struct OfProcess {
    scheduler: Arc<Scheduler>,
    isolation: Isolation,
    monitor: TypeMonitor,
}

/// An enrolled agent.
struct RunningAgent {
    connector: Arc<dyn Connector>,
    connection: Arc<Connection>,
    environments: Arc<Environments>,
    deployments: Deployments,
    discoveries: Discoveries,
    tasks: Tasks,
    listening: Listening,
    tuning: Tuning,
    monitor: TypeMonitor,
    /// Counted as long as this lives.
    _served: Arc<Served>,
    caught_up: CancellationToken,
    cancellation: CancellationToken,
}

/// Where the agent stands in the stream of work.
struct Position {
    after: Generation,
    /// Until when nobody else has this agent's leases.
    leased_until: Instant,
    /// Answers in a row that brought nothing new although they came at once.
    idle_answers: u32,
}

impl RunningAgent {
    fn new(
        connector: Arc<dyn Connector>,
        connection: Connection,
        tuning: Tuning,
        process: &OfProcess,
        caught_up: CancellationToken,
        cancellation: CancellationToken,
    ) -> Self {
        let connection = Arc::new(connection);
        let OfProcess {
            scheduler,
            isolation,
            monitor,
        } = process;
        let environments = Arc::new(Environments::new(scheduler.clone()));
        let Layered {
            writing,
            reading,
            pure,
        } = Layered::new(&connector, &tuning, isolation, monitor);
        let deployments = Deployments::new(
            writing.clone(),
            pure.clone(),
            connection.clone(),
            environments.clone(),
            tuning,
        );
        let served = Arc::new(Served {
            environments: environments.clone(),
            deployments: deployments.clone(),
            isolation: isolation.clone(),
        });
        let census: Arc<dyn Census> = served.clone();
        monitor.watch(Arc::downgrade(&census));
        let tools = Tools {
            connector: reading.clone(),
            pure,
            connection: connection.clone(),
            environments: environments.clone(),
            deployments: deployments.clone(),
            tuning,
        };
        let tasks = Tasks::new(tools);
        let listening = Listening::new(Following {
            connector: writing,
            tasks: tasks.clone(),
            connection: connection.clone(),
            environments: environments.clone(),
            deployments: deployments.clone(),
            pace: tuning.hints,
        });
        Self {
            connector,
            deployments,
            listening,
            discoveries: Discoveries::new(reading, connection.clone(), environments.clone(), tuning),
            tasks,
            connection,
            environments,
            tuning,
            monitor: monitor.clone(),
            _served: served,
            caught_up,
            cancellation,
        }
    }

    /// Sessions, one after the other, until cancelled or revoked.
    async fn run(self) -> Result<(), ConnectionError> {
        let mut failures = 0;
        let mut leased_until = Instant::now();
        let result = loop {
            let ended = self
                .cancellation
                .run_until_cancelled(self.session(&mut failures, &mut leased_until))
                .await;
            match ended {
                None => break Ok(()),
                Some(ConnectionError::Revoked(error)) => break Err(ConnectionError::Revoked(error)),
                Some(ConnectionError::Api(error)) => {
                    failures += 1;
                    self.monitor.session(Session::Down(chain(&error)));
                    let pause = self.tuning.reconnect.pause(failures);
                    tell_outage(&error, failures, self.connection.base(), pause);
                    self.rest(pause, leased_until).await;
                }
            }
        };
        tokio::join!(
            self.deployments.stop(),
            self.discoveries.stop(),
            self.listening.stop(),
            self.tasks.stop()
        );
        self.environments.end_all();
        result
    }

    /// One session, until it fails.
    async fn session(&self, failures: &mut u32, leased_until: &mut Instant) -> ConnectionError {
        let asked = Instant::now();
        let session = match self.open().await {
            Ok(session) => session,
            Err(error) => return error,
        };
        let lease = Duration::from_millis(session.lease_ms);
        let mut position = Position {
            after: Generation(0),
            leased_until: asked + lease,
            idle_answers: 0,
        };
        self.monitor.session(Session::Up);
        self.deployments.forget_refusals();
        self.environments.retain(&session.environments);
        self.take_environments(session.environments);
        loop {
            let result = self.poll(&mut position, lease).await;
            *leased_until = position.leased_until;
            if let Err(error) = result {
                return error;
            }
            // Only now it is good for something; a session alone is not.
            *failures = 0;
        }
    }

    async fn open(&self) -> Result<SessionResponse, ConnectionError> {
        let request = &SessionRequest {
            descriptor: self.connector.descriptor().clone(),
            protocol_min: PROTOCOL_MIN,
            protocol_max: PROTOCOL_MAX,
        };
        let session = self
            .connection
            .call(|client, token| async move { client.session(&token, request).await })
            .await?;
        self.connection.agree(session.protocol);
        info!(
            agent.id = %self.connection.agent_id(),
            protocol = session.protocol,
            environments = session.environments.len(),
            "Connected to the control plane at {}",
            self.connection.base()
        );
        Ok(session)
    }

    /// One request for work and what follows from it.
    async fn poll(&self, position: &mut Position, lease: Duration) -> Result<(), ConnectionError> {
        let asked = Instant::now();
        // Well within the lease, so that it does not end while everything is in order.
        let wait = (lease / 3).min(self.tuning.longest_poll);
        let after = position.after;
        let request = self
            .connection
            .call(|client: &AgentClient, token| async move { client.work(&token, after, wait).await });
        let (answer, leases_ended) = self.leased(position.leased_until, request).await;
        match answer {
            Ok(work) => {
                position.leased_until = asked + lease;
                let news = self.take(work, position);
                if leases_ended {
                    // To the control plane they may be as they were, so it tells of them only when it is
                    // asked for everything.
                    position.after = Generation(0);
                }
                self.breathe(news, asked, position).await;
                Ok(())
            }
            Err(ConnectionError::Api(error)) if error.is(ProblemKind::PositionTooOld) => {
                info!("The control plane asks to take everything anew");
                position.after = Generation(0);
                self.breathe(false, asked, position).await;
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Takes in an answer; says whether it held anything new.
    fn take(&self, work: WorkResponse, position: &mut Position) -> bool {
        let is_everything = position.after == Generation(0);
        let mut news = work.generation != position.after || !work.deployments.is_empty();
        position.after = work.generation;
        if self.take_environments(work.environments) {
            // Their desired state may be from before the position: look at all of it once more.
            position.after = Generation(0);
            news = true;
        }
        let offered: Vec<_> = work.deployments.iter().map(|work| work.id).collect();
        if is_everything {
            self.deployments.retain(&offered);
        }
        for deployment in work.deployments {
            self.deployments.offer(deployment);
        }
        if !self.caught_up.is_cancelled() {
            self.deployments.when_tried(offered, self.caught_up.clone());
        }
        news | self.discoveries.take(work.discoveries) | self.tasks.take(work.tasks)
    }

    /// Takes in environments; says whether any of them needs to be looked at as a whole.
    fn take_environments(&self, environments: Vec<EnvironmentAssignment>) -> bool {
        let mut look = false;
        for assignment in environments {
            let (id, name) = (assignment.id, assignment.name.clone());
            if assignment.deleted {
                self.monitor.forget(&name);
            }
            if self.environments.apply(assignment) == Change::Look {
                info!(environment.name = %name, "Serving environment `{name}`");
                self.deployments.forget(id);
                self.listening.begin(id);
                look = true;
            }
        }
        look
    }

    /// Waits for something; when the leases run out meanwhile, they end. Says whether any did.
    async fn leased<T>(&self, leased_until: Instant, something: impl Future<Output = T>) -> (T, bool) {
        let mut something = std::pin::pin!(something);
        let left = leased_until.saturating_duration_since(Instant::now());
        if let Ok(result) = tokio::time::timeout(left, &mut something).await {
            return (result, false);
        }
        let ended = self.end_leases();
        (something.await, ended)
    }

    /// A pause between two sessions.
    async fn rest(&self, pause: Duration, leased_until: Instant) {
        let sleep = self.leased(leased_until, tokio::time::sleep(pause));
        self.cancellation.run_until_cancelled(sleep).await;
    }

    /// Agents that share a gateway must not act once another may hold the lease. A gateway of its own has
    /// nobody to collide with.
    fn end_leases(&self) -> bool {
        let ended = !self.connector.descriptor().capabilities.replicated && self.environments.end_all();
        if ended {
            warn!("The leases ran out without the control plane; nothing is changed until it is back");
        }
        ended
    }

    /// Keeps a control plane that answers at once with nothing new from being asked without end.
    async fn breathe(&self, news: bool, asked: Instant, position: &mut Position) {
        if news || asked.elapsed() > Duration::from_millis(200) {
            position.idle_answers = 0;
            return;
        }
        position.idle_answers = (position.idle_answers + 1).min(6);
        // 8, 16, … 256 ms
        tokio::time::sleep(Duration::from_millis(4 << position.idle_answers)).await;
    }
}

/// An outage is told when it begins and now and then while it lasts, not at every attempt.
fn tell_outage(error: &AgentApiError, failures: u32, base: &str, pause: Duration) {
    let error = chain(error);
    if failures % 20 == 1 {
        warn!(error = %error, failures, "Lost the control plane at {base}; the gateways go on, and it is asked again with growing pauses");
    } else {
        debug!(error = %error, failures, "The control plane at {base} is still away; asking again in {pause:?}");
    }
}

#[cfg(test)]
mod tests;
