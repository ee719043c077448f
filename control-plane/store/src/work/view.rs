//! One look at everything that agents of one gateway type share, and what of it concerns one of them.

use std::collections::BTreeMap;

use gatehouse_schemas::{
    environment::{EnvironmentSpec, Mode},
    identity::{AgentId, DeploymentId, EnvironmentId, ExternalRef, GatewayType, Generation},
    time::Timestamp,
};
use sqlx::{AnyConnection, any::AnyRow};

use super::{AssignedEnvironment, PendingDiscovery, PendingTask, Work, WorkDeployment};
use crate::{
    database::counter,
    deployments,
    discoveries::{self, Discovery},
    environments::{self, EnvironmentState},
    error::{Result, StoreError},
    leases::{self, Lease},
    row::{Columns as _, each, signed},
    steps::{self, Step},
    tasks::{self, Task},
};

/// Everything of one gateway type that any of its agents may have to look at since a position.
#[derive(Debug)]
pub struct WorkView {
    since: Generation,
    generation: Generation,
    forgotten: Generation,
    places: BTreeMap<EnvironmentId, Place>,
    /// In the order of their names.
    order: Vec<EnvironmentId>,
    leases: BTreeMap<EnvironmentId, Vec<Lease>>,
    agents: BTreeMap<AgentId, AgentSeen>,
    deployments: Vec<WorkDeployment>,
    discoveries: Vec<Discovery>,
    tasks: Vec<Task>,
}

/// When an agent that is not revoked was heard of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AgentSeen {
    /// When it last asked for work, if the database was told.
    pub last_seen_at: Option<Timestamp>,
}

/// An environment, and what people say of it while it is not deleted.
#[derive(Debug)]
struct Place {
    state: EnvironmentState,
    spec: Option<EnvironmentSpec>,
}

impl Place {
    fn mode(&self) -> Mode {
        self.spec.as_ref().map(|spec| spec.mode).unwrap_or_default()
    }
}

/// An environment whose discoveries and tasks are the asking agent's.
struct Run {
    mode: Mode,
    /// The generation in which the lease came to the agent.
    came_with: Generation,
}

/// The position of who asks.
#[derive(Clone, Copy)]
struct Since(Generation);

impl Since {
    /// From the beginning, everything is news.
    fn has(self, generation: Generation) -> bool {
        self.0.0 == 0 || generation > self.0
    }
}

impl WorkView {
    /// Looks. The connection must be in a transaction that sees one state of the database.
    pub(super) async fn load(
        connection: &mut AnyConnection,
        gateway_type: &GatewayType,
        since: Generation,
    ) -> Result<Self> {
        let generation = Generation(counter(connection, "generation").await?);
        let forgotten = Generation(counter(connection, "forgotten").await?);
        let places = places(connection, gateway_type).await?;
        let mut leases: BTreeMap<EnvironmentId, Vec<Lease>> = BTreeMap::new();
        for lease in leases::of_type(connection, gateway_type).await? {
            leases.entry(lease.environment_id).or_default().push(lease);
        }
        let order = places.iter().map(|place| place.state.id).collect();
        let places = places.into_iter().map(|place| (place.state.id, place)).collect();
        Ok(Self {
            since,
            generation,
            forgotten,
            deployments: deployments(connection, gateway_type, since, &places).await?,
            places,
            order,
            leases,
            agents: agents(connection, gateway_type).await?,
            discoveries: discoveries::open_of_type(connection, gateway_type).await?,
            tasks: tasks::open_of_type(connection, gateway_type).await?,
        })
    }

    /// The environments of the gateway type, deleted ones included.
    pub fn environments(&self) -> impl Iterator<Item = &EnvironmentState> {
        self.places.values().map(|place| &place.state)
    }

    /// The leases of an environment, ended ones included, oldest first.
    pub fn leases(&self, environment_id: EnvironmentId) -> &[Lease] {
        self.leases
            .get(&environment_id)
            .map(Vec::as_slice)
            .unwrap_or_default()
    }

    /// An agent of the gateway type; none if it is revoked.
    pub fn agent(&self, id: AgentId) -> Option<AgentSeen> {
        self.agents.get(&id).copied()
    }

    /// Whether this is the position that it leads to.
    pub(super) fn ends_at(&self, position: Generation) -> bool {
        self.generation == position
    }

    /// Whether there is nothing in it for anybody who has a lease and knows the position it leads to.
    pub(super) fn is_resting(&self) -> bool {
        self.deployments.is_empty() && self.discoveries.is_empty() && self.tasks.is_empty()
    }

    /// What one agent must look at since the position it names. The position must be one that the look was asked for.
    pub fn of(&self, agent_id: AgentId, after: Generation, now: Timestamp) -> Result<Work> {
        let is_unknown = after > self.generation || after < self.since;
        if is_unknown || (after.0 > 0 && after < self.forgotten) {
            return Err(StoreError::PositionTooOld {
                after,
                current: self.generation,
            });
        }
        let news = Since(after);
        let runs = self.runs(agent_id, now);
        Ok(Work {
            generation: self.generation,
            environments: self.assigned(agent_id, news, now),
            deployments: self.changed(news),
            discoveries: self.pending_discoveries(&runs, news),
            tasks: self.pending_tasks(&runs, news, now),
        })
    }

    /// A changed environment brings all its deployments.
    fn changed(&self, news: Since) -> Vec<WorkDeployment> {
        let concerns = |deployment: &&WorkDeployment| {
            let place = self.places.get(&deployment.environment_id);
            news.has(deployment.generation) || place.is_some_and(|place| news.has(place.state.generation))
        };
        self.deployments.iter().filter(concerns).cloned().collect()
    }

    fn assigned(&self, agent_id: AgentId, news: Since, now: Timestamp) -> Vec<AssignedEnvironment> {
        let mut assigned = Vec::new();
        for Place { state, spec } in self.order.iter().filter_map(|id| self.places.get(id)) {
            let here = self.leases(state.id);
            // Another gateway's own lease is its own business.
            let concerns_me = |lease: &Lease| !lease.replicated || lease.agent_id == agent_id;
            let moved = |lease: &Lease| news.has(lease.generation) && concerns_me(lease);
            if !news.has(state.generation) && !here.iter().any(moved) {
                continue;
            }
            let is_mine = |lease: &&Lease| lease.agent_id == agent_id && lease.is_live(now);
            assigned.push(AssignedEnvironment {
                id: state.id,
                name: state.name.clone(),
                generation: state.generation,
                spec: spec.clone(),
                fencing: here.iter().find(is_mine).map(|lease| lease.fencing),
            });
        }
        assigned
    }

    /// Where this agent is the one that runs discoveries and answers tasks: as the holder of the lease or, where every
    /// agent has one, of the oldest live one.
    fn runs(&self, agent_id: AgentId, now: Timestamp) -> BTreeMap<EnvironmentId, Run> {
        let mut runs = BTreeMap::new();
        for (environment_id, leases) in &self.leases {
            let runner = leases.iter().find(|lease| lease.is_live(now));
            if let Some(lease) = runner.filter(|lease| lease.agent_id == agent_id) {
                let place = self.places.get(environment_id);
                let run = Run {
                    mode: place.map(Place::mode).unwrap_or_default(),
                    came_with: lease.generation,
                };
                runs.insert(*environment_id, run);
            }
        }
        runs
    }

    fn pending_discoveries(&self, runs: &BTreeMap<EnvironmentId, Run>, news: Since) -> Vec<PendingDiscovery> {
        let pending = |discovery: &Discovery| {
            let run = runs.get(&discovery.environment_id)?;
            Some(PendingDiscovery {
                is_new: news.has(discovery.generation) || news.has(run.came_with),
                mode: run.mode,
                discovery: discovery.clone(),
            })
        };
        self.discoveries.iter().filter_map(pending).collect()
    }

    fn pending_tasks(
        &self,
        runs: &BTreeMap<EnvironmentId, Run>,
        news: Since,
        now: Timestamp,
    ) -> Vec<PendingTask> {
        let pending = |task: &Task| {
            let run = runs.get(&task.environment_id).filter(|_| task.expires_at > now)?;
            Some(PendingTask {
                is_new: news.has(task.generation) || news.has(run.came_with),
                mode: run.mode,
                task: task.clone(),
            })
        };
        self.tasks.iter().filter_map(pending).collect()
    }
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

async fn agents(
    connection: &mut AnyConnection,
    gateway_type: &GatewayType,
) -> Result<BTreeMap<AgentId, AgentSeen>> {
    let rows =
        sqlx::query("SELECT id, last_seen_at FROM agents WHERE gateway_type = $1 AND revoked_at IS NULL")
            .bind(gateway_type.to_string())
            .fetch_all(connection)
            .await?;
    let seen = |row: &AnyRow| {
        let last_seen_at = row.optional_time("last_seen_at")?;
        Ok((row.parsed("id")?, AgentSeen { last_seen_at }))
    };
    rows.iter().map(seen).collect()
}

/// Those whose desired state changed. A changed environment brings all its deployments: what was withheld while its mode
/// forbade writing is due now.
async fn deployments(
    connection: &mut AnyConnection,
    gateway_type: &GatewayType,
    after: Generation,
    places: &BTreeMap<EnvironmentId, Place>,
) -> Result<Vec<WorkDeployment>> {
    let rows = sqlx::query(
        "SELECT deployments.id, deployments.environment_id, deployments.generation, absent, desired, external_ref, \
         confirmed, expected, adopt, accept_loss, priority, plan_id \
         FROM environment_states JOIN deployments ON deployments.environment_id = environment_states.environment_id \
         AND deployments.generation > CASE WHEN environment_states.generation > $2 THEN 0 ELSE $2 END \
         WHERE gateway_type = $1 AND deleted_at IS NULL \
         ORDER BY environment_states.name, deployments.generation, deployments.id",
    )
    .bind(gateway_type.to_string())
    .bind(signed(after.0))
    .fetch_all(&mut *connection)
    .await?;
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let mut steps: BTreeMap<DeploymentId, Vec<Step>> = BTreeMap::new();
    for (id, step) in steps::of_type(connection, gateway_type, after).await? {
        steps.entry(id).or_default().push(step);
    }
    rows.iter()
        .map(|row| deployment(row, places, &mut steps))
        .collect()
}

fn deployment(
    row: &AnyRow,
    places: &BTreeMap<EnvironmentId, Place>,
    steps: &mut BTreeMap<DeploymentId, Vec<Step>>,
) -> Result<WorkDeployment> {
    let id = row.parsed("id")?;
    let environment_id = row.parsed("environment_id")?;
    Ok(WorkDeployment {
        id,
        environment_id,
        mode: places.get(&environment_id).map(Place::mode).unwrap_or_default(),
        generation: Generation(row.count("generation")?),
        desired: deployments::desired(row)?,
        external_ref: row.optional_text("external_ref")?.map(ExternalRef),
        confirmed: row.flag("confirmed")?,
        terms: crate::terms::DeploymentTerms::of(row)?,
        steps: steps.remove(&id).unwrap_or_default(),
    })
}
