//! Work: what an agent must look at since the position it names.
//!
//! Everything comes out of one consistent view, so that the position returned covers exactly what was seen. Agents of
//! one gateway type that ask at the same time share a view: what is each one's own is worked out without the database.

mod together;
mod view;

pub(crate) use together::Looks;
pub use view::{AgentSeen, WorkView};

use std::sync::Arc;

use gatehouse_schemas::{
    environment::{EnvironmentSpec, Mode},
    identity::{
        AgentId, DeploymentId, EnvironmentId, ExternalRef, FencingNumber, GatewayType, Generation,
        ResourceName,
    },
    time::Timestamp,
};

use crate::{
    database::Store, deployments::Desired, discoveries::Discovery, error::Result, steps::Step, tasks::Task,
    terms::DeploymentTerms,
};

/// What an agent must look at.
#[derive(Debug, Clone, PartialEq)]
pub struct Work {
    /// The position this covers.
    pub generation: Generation,
    /// Environments that are new, changed or deleted, or whose lease moved; from the beginning, all.
    pub environments: Vec<AssignedEnvironment>,
    /// Deployments whose desired state changed; from the beginning, and of every changed environment, all that are
    /// not confirmed removed.
    pub deployments: Vec<WorkDeployment>,
    /// Discoveries that this agent should run and that have not ended, old and new.
    pub discoveries: Vec<PendingDiscovery>,
    /// Tasks that this agent should answer and that have not ended, old and new.
    pub tasks: Vec<PendingTask>,
}

/// An environment as one agent sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct AssignedEnvironment {
    /// Which.
    pub id: EnvironmentId,
    /// Its name.
    pub name: ResourceName,
    /// The generation of its last change.
    pub generation: Generation,
    /// What people say of it; absent once it is deleted.
    pub spec: Option<EnvironmentSpec>,
    /// Present while this agent may act there.
    pub fencing: Option<FencingNumber>,
}

/// The desired state of one deployment.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkDeployment {
    /// Which.
    pub id: DeploymentId,
    /// Where.
    pub environment_id: EnvironmentId,
    /// What may be done there. Whoever hands out work decides by it.
    pub mode: Mode,
    /// The generation of this desired state.
    pub generation: Generation,
    /// What should be there.
    pub desired: Desired,
    /// The gateway's own identity for the API, once reported.
    pub external_ref: Option<ExternalRef>,
    /// Whether this generation was reported as carried out.
    pub confirmed: bool,
    /// On what terms it may be carried out.
    pub terms: DeploymentTerms,
    /// The recorded steps of this generation and of earlier ones that were not finished, in order.
    pub steps: Vec<Step>,
}

/// A discovery that the agent should run.
#[derive(Debug, Clone, PartialEq)]
pub struct PendingDiscovery {
    /// The discovery.
    pub discovery: Discovery,
    /// What may be done in its environment.
    pub mode: Mode,
    /// Whether it was asked for, or came to this agent, after the position the agent named.
    pub is_new: bool,
}

/// A task that the agent should answer.
#[derive(Debug, Clone, PartialEq)]
pub struct PendingTask {
    /// The task.
    pub task: Task,
    /// What may be done in its environment.
    pub mode: Mode,
    /// Whether it was asked, or came to this agent, after the position the agent named.
    pub is_new: bool,
}

impl Work {
    /// Whether there is anything the agent has not seen.
    pub fn has_news(&self) -> bool {
        !self.environments.is_empty()
            || !self.deployments.is_empty()
            || self.discoveries.iter().any(|pending| pending.is_new)
            || self.tasks.iter().any(|pending| pending.is_new)
    }
}

impl Store {
    /// What an agent of this gateway type must look at since position `after`; 0 is the beginning.
    ///
    /// Fails with [`StoreError::PositionTooOld`](crate::StoreError::PositionTooOld) when the position is not one this
    /// database can continue from: it was restored from a backup, or forgot ends that the agent may not know of.
    pub async fn work(
        &self,
        agent_id: AgentId,
        gateway_type: &GatewayType,
        after: Generation,
        now: Timestamp,
    ) -> Result<Work> {
        self.work_view(gateway_type, after)
            .await?
            .of(agent_id, after, now)
    }

    /// What any agent of this gateway type may have to look at since position `after` or an older one, as it is now or
    /// later. Who asks while a look waits for its turn shares it.
    pub async fn work_view(&self, gateway_type: &GatewayType, after: Generation) -> Result<Arc<WorkView>> {
        self.inner.looks.look(self, gateway_type, after).await
    }

    /// The same where nothing happens, for an agent that begins to wait: while the database still stands at the
    /// position, a look of a moment ago will do. Only when leases end may be a moment out of date in it.
    pub async fn resting_view(&self, gateway_type: &GatewayType, after: Generation) -> Result<Arc<WorkView>> {
        match self.inner.looks.recent(gateway_type, after) {
            Some(view) if self.position().await? == after => Ok(view),
            _ => self.work_view(gateway_type, after).await,
        }
    }

    /// The generation of the last change of desired state; who asks at the same time is answered together.
    async fn position(&self) -> Result<Generation> {
        self.inner.positions.ask((), |_| self.generation()).await
    }
}
