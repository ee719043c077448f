//! Where an agent is tested as an agent: its control plane is the suite's, which offers it any work, and hears everything
//! that it tells.

mod waiting;

pub(crate) use waiting::is_deployed;

use std::{collections::BTreeMap, time::Duration};

use gatehouse_connector_sdk::context::Context;
use gatehouse_control_plane_api::{
    agent::{
        DeploymentOutcome, DeploymentReport, DeploymentWork, DesiredState, DiscoveryCompletion,
        DiscoveryWork, EnvironmentAssignment, Priority, Task, TaskWork,
    },
    problem::ProblemKind,
};
use gatehouse_schemas::{
    environment::DiscoveryFilter,
    identity::{DeploymentId, DiscoveryId, ExternalRef, Generation, TaskId},
};
use tempfile::TempDir;
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use super::{
    AgentPlace, RunningAgent,
    connector::session::take_environment,
    control_plane::{ControlPlane, Event, Mistakes, Reply, Told, World},
};
use crate::{subject::Subject, verdict::Stop};

/// What a report of an outcome is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It is taken, unless it is about something that is not desired any more.
    AsUsual,
    /// The control plane is not able to take it now.
    Unavailable,
    /// None.
    Silence,
}

/// One agent, its control plane, and its gateway.
pub(crate) struct Stage {
    pub(crate) subject: Subject,
    control_plane: ControlPlane,
    mistakes: Mistakes,
    events: mpsc::UnboundedReceiver<Event>,
    agent: Option<RunningAgent>,
    state: TempDir,
    context: Context,
    /// What reports of outcomes are answered from now on.
    pub(crate) answer: Answer,
    unanswered: Vec<oneshot::Sender<Reply>>,
    /// The gateway's own identity for the API, once it is reported.
    external_ref: Option<ExternalRef>,
    /// What was told since the agent was started last.
    reports: Vec<DeploymentReport>,
    completion: Option<DiscoveryCompletion>,
    pages: usize,
    tasks_answered: usize,
}

impl Stage {
    /// An agent that serves an environment it may do anything in.
    pub(crate) async fn new(subject: &Subject) -> Result<Self, Stop> {
        Self::with(subject, |_| {}).await
    }

    /// The same in another environment.
    pub(crate) async fn with(
        subject: &Subject,
        change: impl FnOnce(&mut EnvironmentAssignment),
    ) -> Result<Self, Stop> {
        let mut stage = Self::without_agent(subject).await?;
        stage.assign(change);
        stage.start()?;
        Ok(stage)
    }

    /// The same with leases that do not last for the whole test.
    pub(crate) async fn with_lease(subject: &Subject, lease: Duration) -> Result<Self, Stop> {
        let mut stage = Self::without_agent(subject).await?;
        stage.note(|world| world.lease_ms = u64::try_from(lease.as_millis()).ok());
        stage.start()?;
        Ok(stage)
    }

    async fn without_agent(subject: &Subject) -> Result<Self, Stop> {
        let mistakes = Mistakes::default();
        let cannot = |error: std::io::Error| Stop::Fail(format!("the suite cannot start: {error}"));
        let control_plane = ControlPlane::start(mistakes.clone()).await.map_err(cannot)?;
        let state = tempfile::Builder::new().prefix("gatehouse-conformance").tempdir();
        let stage = Self {
            subject: subject.clone(),
            mistakes,
            events: control_plane.listen(),
            control_plane,
            agent: None,
            state: state.map_err(cannot)?,
            context: subject.context(),
            answer: Answer::AsUsual,
            unanswered: Vec::new(),
            external_ref: None,
            reports: Vec::new(),
            completion: None,
            pages: 0,
            tasks_answered: 0,
        };
        take_environment(&stage.control_plane, &stage.context);
        Ok(stage)
    }

    /// Starts the agent, which remembers no more than what is in its folder.
    pub(crate) fn start(&mut self) -> Result<(), Stop> {
        let place = AgentPlace::of(&self.control_plane, self.state.path());
        let agent = self.subject.gateway.start_agent(&place);
        let agent = agent.map_err(|error| Stop::Fail(format!("the agent cannot be started: {error}")))?;
        self.agent = Some(agent);
        Ok(())
    }

    /// Ends the agent without a word, and forgets what it told.
    pub(crate) async fn kill(&mut self) {
        if let Some(agent) = self.agent.take() {
            agent.kill().await;
        }
        // What was told and not heard is as good as lost on the way.
        while self.events.try_recv().is_ok() {}
        self.unanswered.clear();
        self.reports.clear();
    }

    /// Changes the environment.
    pub(crate) fn assign(&self, change: impl FnOnce(&mut EnvironmentAssignment)) {
        self.control_plane.change(|world, generation| {
            if let Some(assignment) = &mut world.assignment {
                change(assignment);
                assignment.generation = generation;
            }
        });
    }

    /// Offers a desired state; gives its generation.
    pub(crate) fn offer(&self, desired: DesiredState) -> Generation {
        self.offer_as(desired, |_, _| {})
    }

    /// Offers a desired state in words of one's own, in an environment that may change with it.
    pub(crate) fn offer_as(
        &self,
        desired: DesiredState,
        change: impl FnOnce(&mut DeploymentWork, &mut EnvironmentAssignment),
    ) -> Generation {
        let mark = match &desired {
            DesiredState::Present { api } => &api.mark,
            DesiredState::Absent { mark } => mark,
        };
        let mut work = DeploymentWork {
            id: DeploymentId(mark.api_id.0),
            environment_id: self.context.environment.id,
            generation: Generation(0),
            desired,
            external_ref: self.external_ref.clone(),
            confirmed: false,
            expected: None,
            adopt: None,
            accept_loss: false,
            priority: Priority::Normal,
            steps: Vec::new(),
        };
        self.control_plane.change(|world, generation| {
            work.generation = generation;
            if let Some(assignment) = &mut world.assignment {
                let before = assignment.clone();
                change(&mut work, assignment);
                if *assignment != before {
                    assignment.generation = generation;
                }
            }
            world.deployment = Some(work);
            generation
        })
    }

    /// Replaces the desired state without a word, at a position that the agent is past; the next position it names is too
    /// old. Gives the generation of what is desired now.
    pub(crate) fn offer_behind(&self, desired: DesiredState) -> Generation {
        self.control_plane.change(|world, generation| {
            let behind = Generation(generation.0.saturating_sub(1));
            if let Some(work) = &mut world.deployment {
                (work.desired, work.generation) = (desired, behind);
            }
            world.too_old = 1;
            behind
        })
    }

    /// As the control plane knows it once the outcome is taken.
    pub(crate) fn confirm(&self) {
        let external_ref = self.external_ref.clone();
        self.note(|world| {
            if let Some(work) = &mut world.deployment {
                work.confirmed = true;
                work.external_ref = external_ref;
            }
        });
    }

    /// Lets the control plane know of no deployment.
    pub(crate) fn list_nothing(&self) {
        self.note(|world| world.deployment = None);
    }

    /// Asks for a discovery of everything.
    pub(crate) fn discover(&self) {
        let environment_id = self.context.environment.id;
        self.control_plane.change(|world, _| {
            world.discovery = Some(DiscoveryWork {
                id: DiscoveryId(Uuid::new_v4()),
                environment_id,
                filter: DiscoveryFilter::default(),
                resume: None,
            });
        });
    }

    /// Asks for a look at what is known of deployments.
    pub(crate) fn look(&self) {
        let environment_id = self.context.environment.id;
        self.control_plane.change(|world, _| {
            world.task = Some(TaskWork {
                id: TaskId(Uuid::new_v4()),
                environment_id,
                task: Task::Observe { deployments: None },
            });
        });
    }

    /// Nothing new, at a new position.
    pub(crate) fn move_on(&self) {
        self.control_plane.change(|_, _| {});
    }

    /// No token that was given so far is accepted any more.
    pub(crate) fn refuse_tokens(&self) {
        self.note(World::refuse_tokens);
    }

    /// Whether questions for secrets wait for their answer.
    pub(crate) fn hold_secrets(&self, held: bool) {
        self.note(|world| world.secrets_held = held);
    }

    /// Whether requests for work wait for their answer.
    pub(crate) fn fall_silent(&self, is_silent: bool) {
        self.note(|world| world.is_silent = is_silent);
    }

    /// Takes the reports that were not answered yet.
    pub(crate) fn answer_reports(&mut self) {
        for reply in self.unanswered.drain(..) {
            // The agent hears of it or is gone.
            let _ = reply.send(Reply::Taken);
        }
    }

    pub(crate) fn secrets_asked(&self) -> u64 {
        self.control_plane.world().secrets_asked
    }

    pub(crate) fn tokens_given(&self) -> u64 {
        self.control_plane.world().tokens_given
    }

    /// What was told of a generation, but that work has begun.
    pub(crate) fn reports(&self, generation: Generation) -> Vec<&DeploymentReport> {
        let of = |report: &&DeploymentReport| {
            report.generation == generation && report.outcome != DeploymentOutcome::Deploying
        };
        self.reports.iter().filter(of).collect()
    }

    /// Whether anything was told of a generation, that it is at work included.
    pub(crate) fn is_taken_up(&self, generation: Generation) -> bool {
        self.reports.iter().any(|report| report.generation == generation)
    }

    /// Whether anything was told of deployments.
    pub(crate) fn has_reports(&self) -> bool {
        !self.reports.is_empty()
    }

    /// How many pages of findings came.
    pub(crate) fn pages(&self) -> usize {
        self.pages
    }

    /// Everything on the gateway.
    pub(crate) async fn holds(&self) -> BTreeMap<String, String> {
        self.subject.gateway.holds().await
    }

    fn note(&self, change: impl FnOnce(&mut World)) {
        self.control_plane.note(change);
    }

    /// Takes in what the agent tells, as a control plane does.
    fn hear(&mut self, event: Event) {
        let reply = match event.told {
            Told::Status(_, report) => {
                let answer = match report.outcome {
                    DeploymentOutcome::Deploying => Answer::AsUsual,
                    _ => self.answer,
                };
                let reply = self.usual(&report);
                self.reports.push(report);
                match answer {
                    Answer::AsUsual => reply,
                    Answer::Unavailable => refused(ProblemKind::Unavailable),
                    Answer::Silence => return self.unanswered.push(event.reply),
                }
            }
            Told::Step(_, report) => {
                self.note(|world| {
                    let work = world.deployment.iter_mut();
                    for work in work.filter(|work| work.generation == report.step.generation) {
                        work.steps.retain(|step| step.number != report.step.number);
                        work.steps.push(report.step.clone());
                    }
                });
                Reply::Taken
            }
            Told::Task(..) => {
                self.note(|world| world.task = None);
                self.tasks_answered += 1;
                Reply::Taken
            }
            Told::Page(..) => {
                self.pages += 1;
                Reply::Taken
            }
            Told::Completion(_, completion) => {
                self.note(|world| world.discovery = None);
                self.completion = Some(completion);
                Reply::Taken
            }
        };
        // The agent hears of it or is gone.
        let _ = event.reply.send(reply);
    }

    /// What a report is answered that arrives.
    fn usual(&mut self, report: &DeploymentReport) -> Reply {
        let desired = self
            .control_plane
            .world()
            .deployment
            .as_ref()
            .map(|it| it.generation);
        if desired != Some(report.generation) {
            return refused(ProblemKind::Stale);
        }
        match &report.outcome {
            DeploymentOutcome::Deployed { external_ref, .. } => {
                self.external_ref = Some(external_ref.clone());
            }
            DeploymentOutcome::Removed => self.external_ref = None,
            _ => {}
        }
        Reply::Taken
    }
}

fn refused(kind: ProblemKind) -> Reply {
    let (_, _, title) = kind.parts();
    Reply::Refused(kind, title.to_owned())
}
