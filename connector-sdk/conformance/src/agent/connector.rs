//! An agent behind the Agent API, seen as a connector: each operation is what the control plane would ask the agent to do.
//!
//! A failed attempt to deploy or undeploy ends the agent's process, so that its own next attempt does not mix with what
//! the suite asks next; whoever asks next meets an agent that comes back after a crash.

mod listing;
pub(super) mod session;

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use gatehouse_connector_sdk::{
    connector::{
        ApiReference, CheckReport, Connector, DeployRequest, Deployed, DiscoveryPage, Hints, PageRequest,
        Remarks, Translation,
    },
    context::{Context, EnvironmentContext},
    error::{Error, ErrorKind, Result},
    journal::{StepIntent, StepState},
};
use gatehouse_control_plane_api::{
    agent::{
        DeploymentOutcome, DeploymentWork, DesiredState, Priority, Step, StepReport, Task, TaskResult,
        TaskWork,
    },
    problem::ProblemKind,
};
use gatehouse_schemas::{
    descriptor::Descriptor,
    desired::{DesiredApi, Mark},
    fidelity::PolicyFidelity,
    identity::{DeploymentId, ExternalRef, Generation, TaskId},
    observed::Observation,
    plan::Plan,
    quota::VendorCalls,
};
use serde_json::Value;
use tokio::sync::{Mutex as AsyncMutex, MutexGuard, oneshot};
use uuid::Uuid;

use self::{listing::Listing, session::Session};
use super::{
    control_plane::{Reply, Told},
    gateway::Stand,
};
use crate::gateway::Disturbance;

/// An agent as a connector.
#[derive(Debug)]
pub(super) struct AgentConnector {
    descriptor: Arc<Descriptor>,
    /// One thing at a time.
    session: AsyncMutex<Session>,
    /// Those of the last operation: `translate` and `estimate` are asked without any.
    surroundings: Mutex<Option<Context>>,
    stand: Arc<Stand>,
}

impl AgentConnector {
    pub(super) fn new(descriptor: Arc<Descriptor>, stand: Arc<Stand>) -> Self {
        Self {
            descriptor,
            session: AsyncMutex::new(Session::new(stand.clone())),
            surroundings: Mutex::default(),
            stand,
        }
    }

    /// Lets the agent work something out.
    async fn task(&self, context: &Context, task: Task) -> Result<TaskResult> {
        let mut session = self.session.lock().await;
        session.begin(context).await?;
        let id = TaskId(Uuid::new_v4());
        let environment_id = context.environment.id;
        session.change(|world, _| {
            world.task = Some(TaskWork {
                id,
                environment_id,
                task,
            });
        });
        loop {
            let event = session.next().await?;
            let Told::Task(told, report) = event.told else {
                session::refuse(event, "the suite waits for the answer to a task");
                continue;
            };
            session.change(|world, _| world.task = None);
            // The agent hears of it or is gone.
            let _ = event.reply.send(Reply::Taken);
            if told != id {
                continue;
            }
            return match report.result {
                TaskResult::Failed { reason, message } => Err(error(&reason, message)),
                result => Ok(result),
            };
        }
    }

    async fn planned(
        &self,
        context: &Context,
        desired: DesiredState,
        external_ref: Option<ExternalRef>,
    ) -> Result<Planned> {
        let task = Task::Plan {
            desired,
            external_ref,
            adopt: None,
        };
        match self.task(context, task).await? {
            TaskResult::Planned {
                observation,
                fidelity,
                calls,
                ..
            } => Ok(Planned {
                observation,
                fidelity,
                calls,
            }),
            other => Err(unexpected("a plan", &other)),
        }
    }

    /// Lets the agent bring one API to a desired state. If this is cut off, so is the agent.
    async fn reach(&self, context: &Context, work: Wanted) -> Result<DeploymentOutcome> {
        let mut attempt = Attempt {
            session: self.session.lock().await,
            is_over: false,
        };
        let outcome = self.reached(context, work, &mut attempt.session).await;
        attempt.is_over = true;
        outcome
    }

    async fn reached(
        &self,
        context: &Context,
        work: Wanted,
        session: &mut Session,
    ) -> Result<DeploymentOutcome> {
        session.begin(context).await?;
        let id = DeploymentId(work.mark.api_id.0);
        let generation = session.change(|world, generation| {
            world.deployment = Some(DeploymentWork {
                id,
                environment_id: context.environment.id,
                generation,
                desired: work.desired,
                external_ref: work.external_ref,
                confirmed: false,
                expected: None,
                adopt: work.adopt,
                accept_loss: true,
                priority: Priority::Normal,
                steps: recorded(context, generation),
            });
            generation
        });
        loop {
            let event = session.next().await?;
            match event.told {
                Told::Status(told, report) if told == id && report.generation == generation => {
                    let _ = event.reply.send(Reply::Taken);
                    match report.outcome {
                        DeploymentOutcome::Deploying => {}
                        DeploymentOutcome::Failed { reason, message, .. } => {
                            session.crash().await;
                            return Err(error(&reason, message));
                        }
                        outcome => {
                            session.change(|world, _| world.deployment = None);
                            return Ok(outcome);
                        }
                    }
                }
                Told::Step(told, report) if told == id && report.step.generation == generation => {
                    if let Some(refusal) = self.step(context, session, report, event.reply).await {
                        return Err(refusal);
                    }
                }
                _ => session::refuse(event, "the suite waits for the outcome of another deployment"),
            }
        }
    }

    /// Takes in the record of a step; an error ends the attempt.
    async fn step(
        &self,
        context: &Context,
        session: &mut Session,
        report: StepReport,
        reply: oneshot::Sender<Reply>,
    ) -> Option<Error> {
        let number = report.step.number;
        let ends = self.stand.death();
        let recorded = match report.step.state {
            StepState::Done if ends == Some(Disturbance::DieAfterStep(number)) => {
                return Some(session.die().await);
            }
            StepState::Done => context.journal.done(number).await,
            StepState::Intended => context.journal.intend(intent(report.step)).await,
        };
        match recorded {
            Ok(()) if ends == Some(Disturbance::DieBeforeStep(number)) => Some(session.die().await),
            Ok(()) => {
                let _ = reply.send(Reply::Taken);
                None
            }
            Err(refusal) => {
                let _ = reply.send(Reply::Refused(ProblemKind::Stale, refusal.to_string()));
                // What it does although it was refused, it does now.
                session.settle().await;
                session.crash().await;
                Some(refusal)
            }
        }
    }

    fn remember(&self, context: &Context) {
        *self.surroundings.lock().unwrap_or_else(PoisonError::into_inner) = Some(context.clone());
    }

    /// What an agent says of a desired API to whoever plans to deploy it.
    fn asked(&self, desired: &DesiredApi) -> Result<Planned> {
        let context = self
            .surroundings
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let context = context.unwrap_or_else(|| self.stand.surroundings());
        let state = DesiredState::Present {
            api: Box::new(desired.clone()),
        };
        let asking = self.planned(&context, state, None);
        tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(asking))
    }
}

/// An attempt under way.
struct Attempt<'a> {
    session: MutexGuard<'a, Session>,
    is_over: bool,
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.session.cut_off();
        }
    }
}

/// What an agent answers to whoever plans.
struct Planned {
    observation: Observation,
    fidelity: Vec<PolicyFidelity>,
    calls: VendorCalls,
}

/// What is to be reached.
struct Wanted {
    mark: Mark,
    desired: DesiredState,
    external_ref: Option<ExternalRef>,
    adopt: Option<ExternalRef>,
}

#[async_trait]
impl Connector for AgentConnector {
    fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    async fn check(&self, context: &Context) -> Result<CheckReport> {
        self.remember(context);
        match self.task(context, Task::Check).await? {
            TaskResult::Checked {
                gateway_version,
                findings,
            } => Ok(CheckReport {
                gateway_version,
                findings,
            }),
            other => Err(unexpected("a check", &other)),
        }
    }

    async fn discover(&self, context: &Context, page: PageRequest) -> Result<DiscoveryPage> {
        let mut session = self.session.lock().await;
        session.begin(context).await?;
        Listing::page(&mut session, context, page).await
    }

    async fn observe(&self, context: &Context, api: &ApiReference) -> Result<Observation> {
        self.remember(context);
        let desired = DesiredState::Absent {
            mark: api.mark.clone(),
        };
        let planned = self.planned(context, desired, api.external_ref.clone()).await?;
        Ok(planned.observation)
    }

    /// An agent asks the gateway by itself, and tells the control plane what it sees then.
    async fn hints(&self, _context: &Context) -> Result<Hints> {
        Ok(Hints::NotConfigured)
    }

    fn translate(&self, _environment: &EnvironmentContext, desired: &DesiredApi) -> Translation {
        let fidelity = self.asked(desired).map(|planned| planned.fidelity);
        Translation {
            vendor_form: Value::Null,
            fidelity: fidelity.unwrap_or_default(),
        }
    }

    fn refusal(&self, _environment: &EnvironmentContext, _desired: &DesiredApi) -> Option<Error> {
        None
    }

    fn remarks(
        &self,
        _environment: &EnvironmentContext,
        _desired: &DesiredApi,
        _observed: &Observation,
    ) -> Remarks {
        Remarks::default()
    }

    fn estimate(
        &self,
        _environment: &EnvironmentContext,
        desired: Option<&DesiredApi>,
        _plan: Option<&Plan>,
    ) -> VendorCalls {
        let planned = desired.and_then(|desired| self.asked(desired).ok());
        planned.map(|planned| planned.calls).unwrap_or_default()
    }

    async fn deploy(&self, context: &Context, request: &DeployRequest) -> Result<Deployed> {
        self.remember(context);
        let wanted = Wanted {
            mark: request.desired.mark.clone(),
            desired: DesiredState::Present {
                api: Box::new(request.desired.clone()),
            },
            external_ref: request.external_ref.clone(),
            adopt: request.external_ref.clone().filter(|_| request.adopt),
        };
        match self.reach(context, wanted).await? {
            DeploymentOutcome::Deployed {
                external_ref,
                endpoint_urls,
                observed,
            } => Ok(Deployed {
                external_ref,
                endpoint_urls,
                observed,
            }),
            other => Err(unexpected("a deploy", &other)),
        }
    }

    async fn undeploy(&self, context: &Context, api: &ApiReference) -> Result<()> {
        self.remember(context);
        let wanted = Wanted {
            mark: api.mark.clone(),
            desired: DesiredState::Absent {
                mark: api.mark.clone(),
            },
            external_ref: api.external_ref.clone(),
            adopt: None,
        };
        match self.reach(context, wanted).await? {
            DeploymentOutcome::Removed => Ok(()),
            other => Err(unexpected("an undeploy", &other)),
        }
    }
}

/// The steps that earlier attempts recorded, as of the generation before.
fn recorded(context: &Context, generation: Generation) -> Vec<Step> {
    let earlier = Generation(generation.0.saturating_sub(1));
    let steps = context.journal.recorded().into_iter();
    steps
        .map(|step| Step {
            generation: earlier,
            ..step
        })
        .collect()
}

fn intent(step: Step) -> StepIntent {
    StepIntent {
        number: step.number,
        of: step.of,
        description: step.description,
        object: step.object,
    }
}

/// An error by the word that agents report.
fn error(reason: &str, message: String) -> Error {
    let kind = ErrorKind::ALL.into_iter().find(|kind| kind.as_str() == reason);
    match (kind, reason) {
        (Some(kind), _) => Error::new(kind, message),
        (None, "PolicyUnsupported") => Error::new(ErrorKind::Unsupported, message),
        (None, _) => Error::new(ErrorKind::Unexpected, format!("{reason}: {message}")),
    }
}

fn unexpected(asked: &str, answer: &dyn std::fmt::Debug) -> Error {
    Error::new(
        ErrorKind::Unexpected,
        format!("the agent was asked for {asked} and answered {answer:?}"),
    )
}
