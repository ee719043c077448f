//! Discoveries: runs that list what a gateway has.

use gatehouse_schemas::{
    environment::DiscoveryFilter,
    identity::{DiscoveryId, EnvironmentId, GatewayType, Generation, ResourceName},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use sqlx::{AnyConnection, any::AnyRow};
use uuid::Uuid;

use crate::{
    cursor::{Page, PageRequest, page},
    error::{Result, StoreError},
    resources::Resource,
    row::{Columns as _, each, limit, signed, storable, to_json, to_word},
    transaction::{Transaction, reads},
};

/// One run that lists what a gateway has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discovery {
    /// Which.
    pub id: DiscoveryId,
    /// Where.
    pub environment_id: EnvironmentId,
    /// The environment's name when it was asked for.
    pub environment: ResourceName,
    /// What to look for.
    pub filter: DiscoveryFilter,
    /// How it goes.
    pub state: DiscoveryState,
    /// Why it is not complete, and what to do.
    pub message: Option<String>,
    /// How many findings there are of each class.
    pub counts: DiscoveryCounts,
    /// How many findings have arrived in whole pages, unchanged ones included.
    pub found: u64,
    /// Whose findings are its own, too: those of an earlier run that found exactly the same.
    pub findings_of: Option<DiscoveryId>,
    /// Where it goes on if its agent is interrupted; none before the first page has arrived.
    pub resume: Option<ResumePosition>,
    /// Whether no person asked for it: the environment's schedule did, or an agent whose gateway told of a change.
    pub scheduled: bool,
    /// The generation in which it was asked for.
    pub generation: Generation,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// By whom.
    pub created_by: String,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

impl Discovery {
    /// The run whose rows its findings are: itself, or an earlier one that found exactly the same.
    pub fn findings(&self) -> DiscoveryId {
        self.findings_of.unwrap_or(self.id)
    }
}

/// Where an interrupted discovery goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResumePosition {
    /// How many pages have arrived without a gap.
    pub pages: u32,
    /// The connector's position after the last of them; none if that page was the end of the listing.
    pub position: Option<String>,
}

/// How a discovery goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DiscoveryState {
    /// Nobody has taken it up.
    Pending,
    /// Findings arrive.
    Running,
    /// Everything was listed.
    Complete,
    /// The listing broke off.
    Partial,
    /// Nothing could be listed.
    Failed,
}

impl DiscoveryState {
    /// Whether it has ended.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Complete | Self::Partial | Self::Failed)
    }
}

/// How many findings there are of each class.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names are the classes")]
pub struct DiscoveryCounts {
    pub new: u64,
    pub changed: u64,
    pub unchanged: u64,
    pub gone: u64,
    pub conflict: u64,
    #[serde(default)]
    pub ignored: u64,
    pub error: u64,
}

/// Which discoveries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DiscoveryQuery {
    /// Only of this environment.
    pub environment_id: Option<EnvironmentId>,
}

reads! {
    /// One discovery.
    discovery(id: DiscoveryId) -> Option<Discovery> = by_id;
    /// A page of discoveries, newest first.
    discoveries(filter: &DiscoveryQuery, request: &PageRequest) -> Page<Discovery> = list;
    /// Discoveries of an environment that have not ended, oldest first.
    open_discoveries(environment_id: EnvironmentId) -> Vec<Discovery> = open;
}

async fn by_id(connection: &mut AnyConnection, id: DiscoveryId) -> Result<Option<Discovery>> {
    let row = sqlx::query("SELECT * FROM discoveries WHERE id = $1")
        .bind(id.to_string())
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(discovery).transpose()
}

async fn list(
    connection: &mut AnyConnection,
    filter: &DiscoveryQuery,
    request: &PageRequest,
) -> Result<Page<Discovery>> {
    let before = request.after("discoveries")?;
    let rows = sqlx::query(
        "SELECT * FROM discoveries WHERE ($1 IS NULL OR environment_id = $1) AND ($2 IS NULL OR id < $2) \
         ORDER BY id DESC LIMIT $3",
    )
    .bind(filter.environment_id.map(|id| id.to_string()))
    .bind(before)
    .bind(limit(request.size()))
    .fetch_all(connection)
    .await?;
    let found = each(rows, discovery)?;
    Ok(page("discoveries", request, found, |discovery| {
        discovery.id.to_string()
    }))
}

async fn open(connection: &mut AnyConnection, environment_id: EnvironmentId) -> Result<Vec<Discovery>> {
    let rows = sqlx::query(
        "SELECT * FROM discoveries WHERE environment_id = $1 AND finished_at IS NULL ORDER BY id",
    )
    .bind(environment_id.to_string())
    .fetch_all(connection)
    .await?;
    each(rows, discovery)
}

/// All that are not finished in environments of a gateway type, oldest first.
pub(crate) async fn open_of_type(
    connection: &mut AnyConnection,
    gateway_type: &GatewayType,
) -> Result<Vec<Discovery>> {
    let rows = sqlx::query(
        "SELECT * FROM discoveries WHERE finished_at IS NULL AND environment_id IN \
         (SELECT environment_id FROM environment_states WHERE gateway_type = $1) ORDER BY id",
    )
    .bind(gateway_type.to_string())
    .fetch_all(connection)
    .await?;
    each(rows, discovery)
}

fn discovery(row: &AnyRow) -> Result<Discovery> {
    let (pages, position) = (row.number("pages")?, row.optional_text("position")?);
    Ok(Discovery {
        id: row.parsed("id")?,
        environment_id: row.parsed("environment_id")?,
        environment: row.parsed("environment")?,
        filter: row.json("filter")?,
        state: row.word("state")?,
        message: row.optional_text("message")?,
        counts: row.json("counts")?,
        found: row.count("found")?,
        findings_of: row.optional_parsed("findings_of")?,
        resume: (pages > 0).then_some(ResumePosition { pages, position }),
        scheduled: row.flag("scheduled")?,
        generation: Generation(row.count("generation")?),
        created_at: row.time("created_at")?,
        created_by: row.text("created_by")?,
        finished_at: row.optional_time("finished_at")?,
    })
}

impl Transaction {
    /// Asks for a discovery of an environment; `scheduled` if no person did.
    pub async fn create_discovery(
        &mut self,
        environment: &Resource,
        filter: &DiscoveryFilter,
        scheduled: bool,
    ) -> Result<Discovery> {
        let id = DiscoveryId(Uuid::now_v7());
        let generation = self.next_generation_in(EnvironmentId(environment.id)).await?;
        let (now, actor) = (self.now.0, self.actor.clone());
        sqlx::query(
            "INSERT INTO discoveries (id, environment_id, environment, filter, state, counts, generation, created_at, \
             created_by, scheduled) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        )
        .bind(id.to_string())
        .bind(environment.id.to_string())
        .bind(environment.metadata.name.to_string())
        .bind(to_json(filter)?)
        .bind(to_word(&DiscoveryState::Pending)?)
        .bind(to_json(&DiscoveryCounts::default())?)
        .bind(signed(generation.0))
        .bind(now)
        .bind(actor)
        .bind(i64::from(scheduled))
        .execute(self.connection())
        .await?;
        let written = by_id(self.connection(), id).await?;
        written.ok_or_else(|| StoreError::not_found(format!("discovery {id}")))
    }

    /// Notes that findings arrive.
    pub async fn start_discovery(&mut self, id: DiscoveryId) -> Result<()> {
        self.wake_on_commit();
        sqlx::query("UPDATE discoveries SET state = $2 WHERE id = $1 AND finished_at IS NULL")
            .bind(id.to_string())
            .bind(to_word(&DiscoveryState::Running)?)
            .execute(self.connection())
            .await?;
        Ok(())
    }

    /// Ends a discovery.
    pub async fn finish_discovery(
        &mut self,
        id: DiscoveryId,
        state: DiscoveryState,
        message: Option<&str>,
        counts: DiscoveryCounts,
    ) -> Result<()> {
        self.wake_on_commit();
        let now = self.now.0;
        sqlx::query(
            "UPDATE discoveries SET state = $2, message = $3, counts = $4, finished_at = $5 WHERE id = $1",
        )
        .bind(id.to_string())
        .bind(to_word(&state)?)
        .bind(message.map(storable))
        .bind(to_json(&counts)?)
        .bind(now)
        .execute(self.connection())
        .await?;
        Ok(())
    }
}
