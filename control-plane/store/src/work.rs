//! Work: what an agent must look at since the position it names.
//!
//! Everything comes out of one consistent view, so that the position returned covers exactly what was seen.

use std::collections::BTreeMap;

use gatehouse_schemas::{
    environment::{EnvironmentSpec, Mode},
    identity::{
        AgentId, DeploymentId, EnvironmentId, ExternalRef, FencingNumber, GatewayType, Generation,
        ResourceName,
    },
    time::Timestamp,
};
use sqlx::{AnyConnection, any::AnyRow};

use crate::{
    database::{Store, counter, current_generation},
    deployments::{self, Desired},
    discoveries::{self, Discovery},
    environments::{self, EnvironmentState},
    error::{Result, StoreError},
    leases::{self, Lease},
    row::{Columns as _, each, signed},
    steps::{self, Step},
    tasks::{self, Task},
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

/// An environment, and what people say of it while it is not deleted.
struct Place {
    state: EnvironmentState,
    spec: Option<EnvironmentSpec>,
}

impl Place {
    fn mode(&self) -> Mode {
        self.spec.as_ref().map(|spec| spec.mode).unwrap_or_default()
    }
}

/// Whose work, and since when.
struct Asker<'a> {
    agent_id: AgentId,
    gateway_type: &'a GatewayType,
    after: Generation,
    now: Timestamp,
}

impl Store {
    /// What an agent of this gateway type must look at since position `after`; 0 is the beginning.
    ///
    /// Fails with [`StoreError::PositionTooOld`] when the position is not one this database can continue from: it was
    /// restored from a backup, or forgot ends that the agent may not know of.
    pub async fn work(
        &self,
        agent_id: AgentId,
        gateway_type: &GatewayType,
        after: Generation,
        now: Timestamp,
    ) -> Result<Work> {
        let asker = Asker {
            agent_id,
            gateway_type,
            after,
            now,
        };
        let mut snapshot = self.snapshot().await?;
        asker.work(snapshot.connection()).await
    }
}

impl Asker<'_> {
    async fn work(&self, connection: &mut AnyConnection) -> Result<Work> {
        let generation = current_generation(connection).await?;
        let forgotten = Generation(counter(connection, "forgotten").await?);
        if self.after > generation || (self.after.0 > 0 && self.after < forgotten) {
            return Err(StoreError::PositionTooOld {
                after: self.after,
                current: generation,
            });
        }
        let places = places(connection, self.gateway_type).await?;
        let leases = leases::of_type(connection, self.gateway_type).await?;
        let runs = self.runs(&places, &leases);
        Ok(Work {
            generation,
            environments: self.environments(&places, &leases),
            deployments: self.deployments(connection, &places).await?,
            discoveries: self.discoveries(connection, &runs).await?,
            tasks: self.tasks(connection, &runs).await?,
        })
    }

    fn is_news(&self, generation: Generation) -> bool {
        self.after.0 == 0 || generation > self.after
    }

    fn environments(&self, places: &[Place], leases: &[Lease]) -> Vec<AssignedEnvironment> {
        let mut assigned = Vec::new();
        for Place { state, spec } in places {
            let here = || leases.iter().filter(|lease| lease.environment_id == state.id);
            let moved = |lease: &Lease| self.is_news(lease.generation) && self.concerns_me(lease);
            if !self.is_news(state.generation) && !here().any(moved) {
                continue;
            }
            let mine = here().find(|lease| lease.agent_id == self.agent_id && lease.is_live(self.now));
            assigned.push(AssignedEnvironment {
                id: state.id,
                name: state.name.clone(),
                generation: state.generation,
                spec: spec.clone(),
                fencing: mine.map(|lease| lease.fencing),
            });
        }
        assigned
    }

    /// Another gateway's own lease is its own business.
    fn concerns_me(&self, lease: &Lease) -> bool {
        !lease.replicated || lease.agent_id == self.agent_id
    }

    /// A changed environment brings all its deployments: what was withheld while its mode forbade writing is due now.
    async fn deployments(
        &self,
        connection: &mut AnyConnection,
        places: &[Place],
    ) -> Result<Vec<WorkDeployment>> {
        let mut found = Vec::new();
        for place in places.iter().filter(|place| place.state.deleted_at.is_none()) {
            let after = if self.is_news(place.state.generation) {
                Generation(0)
            } else {
                self.after
            };
            found.extend(self.deployments_in(connection, place, after).await?);
        }
        Ok(found)
    }

    async fn deployments_in(
        &self,
        connection: &mut AnyConnection,
        environment: &Place,
        after: Generation,
    ) -> Result<Vec<WorkDeployment>> {
        let rows = sqlx::query(
            "SELECT id, generation, absent, desired, external_ref, confirmed, expected, adopt, accept_loss, priority, \
             plan_id FROM deployments \
             WHERE environment_id = $1 AND generation > $2 ORDER BY generation, id",
        )
        .bind(environment.state.id.to_string())
        .bind(signed(after.0))
        .fetch_all(&mut *connection)
        .await?;
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let recorded = steps::in_environment(connection, environment.state.id, after).await?;
        let mut steps: BTreeMap<DeploymentId, Vec<Step>> = BTreeMap::new();
        for (id, step) in recorded {
            steps.entry(id).or_default().push(step);
        }
        rows.iter()
            .map(|row| work_deployment(row, environment, &mut steps))
            .collect()
    }

    /// Where this agent is the one that runs discoveries and answers tasks: as the holder of the lease or, where every
    /// agent has one, of the oldest live one.
    fn runs(&self, places: &[Place], leases: &[Lease]) -> Vec<Run> {
        let mut runners: BTreeMap<EnvironmentId, &Lease> = BTreeMap::new();
        for lease in leases.iter().filter(|lease| lease.is_live(self.now)) {
            runners.entry(lease.environment_id).or_insert(lease);
        }
        let mine = runners
            .into_values()
            .filter(|lease| lease.agent_id == self.agent_id);
        mine.map(|lease| {
            let place = places.iter().find(|place| place.state.id == lease.environment_id);
            Run {
                environment_id: lease.environment_id,
                mode: place.map(Place::mode).unwrap_or_default(),
                came_with: lease.generation,
            }
        })
        .collect()
    }

    async fn discoveries(
        &self,
        connection: &mut AnyConnection,
        runs: &[Run],
    ) -> Result<Vec<PendingDiscovery>> {
        let mut pending = Vec::new();
        for run in runs {
            for discovery in discoveries::open(connection, run.environment_id).await? {
                pending.push(PendingDiscovery {
                    is_new: self.is_news(discovery.generation) || self.is_news(run.came_with),
                    mode: run.mode,
                    discovery,
                });
            }
        }
        Ok(pending)
    }

    async fn tasks(&self, connection: &mut AnyConnection, runs: &[Run]) -> Result<Vec<PendingTask>> {
        let mut pending = Vec::new();
        for run in runs {
            let open = tasks::open(connection, run.environment_id).await?;
            for task in open.into_iter().filter(|task| task.expires_at > self.now) {
                pending.push(PendingTask {
                    is_new: self.is_news(task.generation) || self.is_news(run.came_with),
                    mode: run.mode,
                    task,
                });
            }
        }
        Ok(pending)
    }
}

/// An environment whose discoveries and tasks are the asking agent's.
struct Run {
    environment_id: EnvironmentId,
    mode: Mode,
    /// The generation in which the lease came to the agent.
    came_with: Generation,
}

async fn places(connection: &mut AnyConnection, gateway_type: &GatewayType) -> Result<Vec<Place>> {
    let rows = sqlx::query(
        "SELECT environment_states.*, resources.spec AS spec FROM environment_states \
         LEFT JOIN resources ON resources.id = environment_states.environment_id \
         WHERE gateway_type = $1 ORDER BY environment_states.name",
    )
    .bind(gateway_type.to_string())
    .fetch_all(connection)
    .await?;
    each(rows, |row| {
        Ok(Place {
            state: environments::state(row)?,
            spec: row.optional_json("spec")?,
        })
    })
}

fn work_deployment(
    row: &AnyRow,
    place: &Place,
    steps: &mut BTreeMap<DeploymentId, Vec<Step>>,
) -> Result<WorkDeployment> {
    let id = row.parsed("id")?;
    Ok(WorkDeployment {
        id,
        environment_id: place.state.id,
        mode: place.mode(),
        generation: Generation(row.count("generation")?),
        desired: deployments::desired(row)?,
        external_ref: row.optional_text("external_ref")?.map(ExternalRef),
        confirmed: row.flag("confirmed")?,
        terms: DeploymentTerms::of(row)?,
        steps: steps.remove(&id).unwrap_or_default(),
    })
}
