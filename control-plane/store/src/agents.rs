//! Agents and the one-time tokens they join with.

use std::{collections::HashMap, sync::Arc};

use gatehouse_schemas::{
    descriptor::Descriptor,
    identity::{AgentId, EnvironmentId, GatewayType, JoinTokenId},
    time::Timestamp,
};
use sqlx::{AnyConnection, any::AnyRow};
use uuid::Uuid;

use crate::{
    bulk,
    cursor::{Page, PageRequest, page},
    database::Store,
    error::{Result, StoreError},
    row::{Columns as _, each, limit, storable, to_json},
    transaction::{Transaction, reads},
};

/// An enrolled agent.
#[derive(Debug, Clone, PartialEq)]
pub struct Agent {
    /// Which.
    pub id: AgentId,
    /// The name it gave itself.
    pub name: String,
    /// The kind of gateway it serves.
    pub gateway_type: GatewayType,
    /// SHA-256, in hexadecimal, of the key it keeps.
    pub key_sha256: String,
    /// What its connector said of itself in the last session.
    pub descriptor: Option<Descriptor>,
    /// The protocol version agreed in the last session.
    pub protocol: Option<u32>,
    /// When its last session began.
    pub session_at: Option<Timestamp>,
    /// When it last asked for work.
    pub last_seen_at: Option<Timestamp>,
    /// When it enrolled.
    pub created_at: Timestamp,
    /// When it was revoked, if it was.
    pub revoked_at: Option<Timestamp>,
}

/// An agent that is not revoked, as far as the state of deployments follows from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownAgent {
    /// Which.
    pub id: AgentId,
    /// The name it gave itself.
    pub name: String,
    /// When it last asked for work.
    pub last_seen_at: Option<Timestamp>,
}

/// Which agents.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AgentFilter {
    /// Only of this gateway type.
    pub gateway_type: Option<GatewayType>,
}

/// A one-time join token, without the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinToken {
    /// Which.
    pub id: JoinTokenId,
    /// The kind of gateway that may join with it.
    pub gateway_type: GatewayType,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// When it was spent, if it was.
    pub spent_at: Option<Timestamp>,
    /// The agent that joined with it.
    pub spent_by: Option<AgentId>,
}

reads! {
    /// One agent.
    agent(id: AgentId) -> Option<Agent> = by_id;
    /// A page of agents, oldest first, revoked ones included.
    agents(filter: &AgentFilter, request: &PageRequest) -> Page<Agent> = list;
    /// All agents of a gateway type that are not revoked, oldest first.
    agents_of_type(gateway_type: &GatewayType) -> Vec<Agent> = of_type;
    /// The same without what their connectors say of themselves: for a thousand of them that is the most of it.
    known_agents(gateway_type: &GatewayType) -> Vec<KnownAgent> = known;
    /// Whether any agent of a gateway type, revoked or not, has asked for work since then.
    heard_of(gateway_type: &GatewayType, since: Timestamp) -> bool = any_heard_of;
    /// What the connector of this gateway type last said of itself, in any agent's session.
    descriptor(gateway_type: &GatewayType) -> Option<Descriptor> = newest_descriptor;
    /// The agent that acts in an environment: of those that hold a live lease of it, the one that has had it longest; if
    /// nobody does, the one of this gateway type that opened a session last. None if none ever did.
    acting_agent(environment_id: EnvironmentId, gateway_type: &GatewayType, now: Timestamp) -> Option<Agent> = acting;
    /// A page of the join tokens that are not spent, oldest first; ended ones included.
    join_tokens(request: &PageRequest) -> Page<JoinToken> = unspent_join_tokens;
    /// The join token with this SHA-256.
    join_token(sha256: &str) -> Option<JoinToken> = join_token_by_hash;
}

impl Store {
    /// The agent that asks, as it is now or later; agents that ask at the same time are looked up together.
    pub async fn caller(&self, id: AgentId) -> Result<Option<Agent>> {
        let look_up = |ids: Vec<AgentId>| async move {
            let mut connection = self.connection().await?;
            Ok(Arc::new(by_ids(&mut connection, &ids).await?))
        };
        let agents = self.inner.callers.ask(id, look_up).await?;
        Ok(agents.get(&id).cloned())
    }
}

async fn by_ids(connection: &mut AnyConnection, ids: &[AgentId]) -> Result<HashMap<AgentId, Agent>> {
    let mut agents = HashMap::with_capacity(ids.len());
    for ids in ids.chunks(bulk::size(1)) {
        let listed = bulk::rows(0, 1, ids.len());
        let statement = format!("SELECT * FROM agents WHERE id IN (VALUES {listed})");
        let query = sqlx::query(sqlx::AssertSqlSafe(statement));
        let rows = ids.iter().fold(query, |query, id| query.bind(id.to_string()));
        for row in rows.fetch_all(&mut *connection).await? {
            let agent = agent(&row)?;
            agents.insert(agent.id, agent);
        }
    }
    Ok(agents)
}

async fn by_id(connection: &mut AnyConnection, id: AgentId) -> Result<Option<Agent>> {
    let row = sqlx::query("SELECT * FROM agents WHERE id = $1")
        .bind(id.to_string())
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(agent).transpose()
}

async fn list(
    connection: &mut AnyConnection,
    filter: &AgentFilter,
    request: &PageRequest,
) -> Result<Page<Agent>> {
    let after = request.after("agents")?;
    let rows = sqlx::query(
        "SELECT * FROM agents WHERE ($1 IS NULL OR gateway_type = $1) AND ($2 IS NULL OR id > $2) \
         ORDER BY id LIMIT $3",
    )
    .bind(filter.gateway_type.as_ref().map(ToString::to_string))
    .bind(after)
    .bind(limit(request.size()))
    .fetch_all(connection)
    .await?;
    let agents = each(rows, agent)?;
    Ok(page("agents", request, agents, |agent| agent.id.to_string()))
}

async fn of_type(connection: &mut AnyConnection, gateway_type: &GatewayType) -> Result<Vec<Agent>> {
    let rows = sqlx::query("SELECT * FROM agents WHERE gateway_type = $1 AND revoked_at IS NULL ORDER BY id")
        .bind(gateway_type.to_string())
        .fetch_all(connection)
        .await?;
    each(rows, agent)
}

async fn known(connection: &mut AnyConnection, gateway_type: &GatewayType) -> Result<Vec<KnownAgent>> {
    let rows = sqlx::query(
        "SELECT id, name, last_seen_at FROM agents WHERE gateway_type = $1 AND revoked_at IS NULL ORDER BY id",
    )
    .bind(gateway_type.to_string())
    .fetch_all(connection)
    .await?;
    each(rows, |row| {
        Ok(KnownAgent {
            id: row.parsed("id")?,
            name: row.text("name")?,
            last_seen_at: row.optional_time("last_seen_at")?,
        })
    })
}

async fn any_heard_of(
    connection: &mut AnyConnection,
    gateway_type: &GatewayType,
    since: Timestamp,
) -> Result<bool> {
    let row =
        sqlx::query("SELECT COUNT(*) AS agents FROM agents WHERE gateway_type = $1 AND last_seen_at >= $2")
            .bind(gateway_type.to_string())
            .bind(since.0)
            .fetch_one(connection)
            .await?;
    Ok(row.count("agents")? > 0)
}

async fn newest_descriptor(
    connection: &mut AnyConnection,
    gateway_type: &GatewayType,
) -> Result<Option<Descriptor>> {
    let row = sqlx::query(
        "SELECT descriptor FROM agents WHERE gateway_type = $1 AND session_at IS NOT NULL AND revoked_at IS NULL \
         ORDER BY session_at DESC, id DESC LIMIT 1",
    )
    .bind(gateway_type.to_string())
    .fetch_optional(connection)
    .await?;
    Ok(row
        .map(|row| row.optional_json("descriptor"))
        .transpose()?
        .flatten())
}

async fn acting(
    connection: &mut AnyConnection,
    environment_id: EnvironmentId,
    gateway_type: &GatewayType,
    now: Timestamp,
) -> Result<Option<Agent>> {
    let holder = sqlx::query(
        "SELECT agents.* FROM leases JOIN agents ON agents.id = leases.agent_id \
         WHERE leases.environment_id = $1 AND leases.expires_at > $2 AND revoked_at IS NULL AND session_at IS NOT NULL \
         ORDER BY leases.fencing LIMIT 1",
    )
    .bind(environment_id.to_string())
    .bind(now.0)
    .fetch_optional(&mut *connection)
    .await?;
    if let Some(holder) = holder {
        return agent(&holder).map(Some);
    }
    let newest = sqlx::query(
        "SELECT * FROM agents WHERE gateway_type = $1 AND session_at IS NOT NULL AND revoked_at IS NULL \
         ORDER BY session_at DESC, id DESC LIMIT 1",
    )
    .bind(gateway_type.to_string())
    .fetch_optional(connection)
    .await?;
    newest.as_ref().map(agent).transpose()
}

fn agent(row: &AnyRow) -> Result<Agent> {
    Ok(Agent {
        id: row.parsed("id")?,
        name: row.text("name")?,
        gateway_type: row.parsed("gateway_type")?,
        key_sha256: row.text("key_sha256")?,
        descriptor: row.optional_json("descriptor")?,
        protocol: row
            .optional_integer("protocol")?
            .and_then(|version| u32::try_from(version).ok()),
        session_at: row.optional_time("session_at")?,
        last_seen_at: row.optional_time("last_seen_at")?,
        created_at: row.time("created_at")?,
        revoked_at: row.optional_time("revoked_at")?,
    })
}

async fn join_token_by_hash(connection: &mut AnyConnection, sha256: &str) -> Result<Option<JoinToken>> {
    let row = sqlx::query("SELECT * FROM join_tokens WHERE sha256 = $1")
        .bind(sha256.to_owned())
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(join_token).transpose()
}

async fn unspent_join_tokens(
    connection: &mut AnyConnection,
    request: &PageRequest,
) -> Result<Page<JoinToken>> {
    let after = request.after("join-tokens")?;
    let rows = sqlx::query(
        "SELECT * FROM join_tokens WHERE spent_at IS NULL AND ($1 IS NULL OR id > $1) ORDER BY id LIMIT $2",
    )
    .bind(after)
    .bind(limit(request.size()))
    .fetch_all(connection)
    .await?;
    let tokens = each(rows, join_token)?;
    Ok(page("join-tokens", request, tokens, |token| token.id.to_string()))
}

fn join_token(row: &AnyRow) -> Result<JoinToken> {
    Ok(JoinToken {
        id: row.parsed("id")?,
        gateway_type: row.parsed("gateway_type")?,
        created_at: row.time("created_at")?,
        expires_at: row.time("expires_at")?,
        spent_at: row.optional_time("spent_at")?,
        spent_by: row.optional_parsed("spent_by")?,
    })
}

impl Transaction {
    /// Records a join token by its SHA-256.
    pub async fn create_join_token(
        &mut self,
        sha256: &str,
        gateway_type: &GatewayType,
        expires_at: Timestamp,
    ) -> Result<JoinTokenId> {
        let id = JoinTokenId(Uuid::now_v7());
        let now = self.now.0;
        sqlx::query(
            "INSERT INTO join_tokens (id, sha256, gateway_type, created_at, expires_at) VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(id.to_string())
        .bind(sha256.to_owned())
        .bind(gateway_type.to_string())
        .bind(now)
        .bind(expires_at.0)
        .execute(self.connection())
        .await
        .map_err(|error| StoreError::or_exists(error, "this join token"))?;
        Ok(id)
    }

    /// Spends a join token on an agent; `false` if it was spent already.
    pub async fn spend_join_token(&mut self, id: JoinTokenId, agent_id: AgentId) -> Result<bool> {
        let now = self.now.0;
        let done = sqlx::query(
            "UPDATE join_tokens SET spent_at = $2, spent_by = $3 WHERE id = $1 AND spent_at IS NULL",
        )
        .bind(id.to_string())
        .bind(now)
        .bind(agent_id.to_string())
        .execute(self.connection())
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Takes a join token back before it is spent.
    pub async fn delete_join_token(&mut self, id: JoinTokenId) -> Result<()> {
        let done = sqlx::query("DELETE FROM join_tokens WHERE id = $1 AND spent_at IS NULL")
            .bind(id.to_string())
            .execute(self.connection())
            .await?;
        match done.rows_affected() {
            0 => Err(StoreError::not_found(format!("join token {id}"))),
            _ => Ok(()),
        }
    }

    /// Enrolls an agent.
    pub async fn create_agent(
        &mut self,
        name: &str,
        gateway_type: &GatewayType,
        key_sha256: &str,
    ) -> Result<AgentId> {
        let id = AgentId(Uuid::now_v7());
        let now = self.now.0;
        sqlx::query(
            "INSERT INTO agents (id, name, gateway_type, key_sha256, created_at) VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(id.to_string())
        .bind(storable(name))
        .bind(gateway_type.to_string())
        .bind(key_sha256.to_owned())
        .bind(now)
        .execute(self.connection())
        .await?;
        Ok(id)
    }

    /// Records what an agent's connector said of itself and the protocol agreed on.
    pub async fn begin_session(&mut self, id: AgentId, descriptor: &Descriptor, protocol: u32) -> Result<()> {
        self.wake_on_commit();
        let now = self.now.0;
        sqlx::query(
            "UPDATE agents SET descriptor = $2, protocol = $3, session_at = $4, last_seen_at = $4 WHERE id = $1",
        )
        .bind(id.to_string())
        .bind(to_json(descriptor)?)
        .bind(i64::from(protocol))
        .bind(now)
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Notes that an agent was heard of.
    pub async fn touch_agent(&mut self, id: AgentId) -> Result<()> {
        self.touch_agents(&[id]).await
    }

    /// Notes that agents were heard of.
    pub async fn touch_agents(&mut self, ids: &[AgentId]) -> Result<()> {
        let now = self.now.0;
        for ids in ids.chunks(bulk::size(1)) {
            let listed = bulk::rows(1, 1, ids.len());
            let statement = format!("UPDATE agents SET last_seen_at = $1 WHERE id IN (VALUES {listed})");
            let query = sqlx::query(sqlx::AssertSqlSafe(statement)).bind(now);
            let query = ids.iter().fold(query, |query, id| query.bind(id.to_string()));
            query.execute(self.connection()).await?;
        }
        Ok(())
    }

    /// Shuts an agent out from now on and frees its leases. Doing so again changes nothing.
    pub async fn revoke_agent(&mut self, id: AgentId) -> Result<()> {
        self.next_generation_of_all().await?;
        let now = self.now.0;
        let done = sqlx::query("UPDATE agents SET revoked_at = COALESCE(revoked_at, $2) WHERE id = $1")
            .bind(id.to_string())
            .bind(now)
            .execute(self.connection())
            .await?;
        if done.rows_affected() == 0 {
            return Err(StoreError::not_found(format!("agent {id}")));
        }
        sqlx::query("DELETE FROM leases WHERE agent_id = $1")
            .bind(id.to_string())
            .execute(self.connection())
            .await?;
        Ok(())
    }
}
