//! Leases: who may act in an environment, with a fencing number that rises whenever that moves.

use gatehouse_schemas::{
    identity::{AgentId, EnvironmentId, FencingNumber, GatewayType, Generation},
    time::Timestamp,
};
use sqlx::{AnyConnection, any::AnyRow};

use crate::{
    bulk,
    concern::Concern,
    error::Result,
    row::{Columns as _, each, signed},
    transaction::{Transaction, reads},
};

/// The right of one agent to act in one environment, until it ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Where.
    pub environment_id: EnvironmentId,
    /// Who.
    pub agent_id: AgentId,
    /// Goes with every report; a report with an older one is refused.
    pub fencing: FencingNumber,
    /// When it ends unless it is renewed.
    pub expires_at: Timestamp,
    /// The generation in which it came to this agent.
    pub generation: Generation,
    /// Whether every agent of the environment has one of its own.
    pub replicated: bool,
}

impl Lease {
    /// Whether it has not ended.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.expires_at > now
    }
}

/// An agent's wish to act in an environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// Where.
    pub environment_id: EnvironmentId,
    /// Who.
    pub agent_id: AgentId,
    /// Whether every agent of the environment is a gateway of its own.
    pub replicated: bool,
    /// When the lease shall end unless it is renewed.
    pub expires_at: Timestamp,
}

impl Claim {
    fn slot(&self) -> String {
        if self.replicated {
            self.agent_id.to_string()
        } else {
            String::new()
        }
    }
}

reads! {
    /// All leases of an environment, ended ones included.
    leases_in(environment_id: EnvironmentId) -> Vec<Lease> = in_environment;
    /// The leases of some agents in an environment, ended ones included.
    leases_of(environment_id: EnvironmentId, agents: &[AgentId]) -> Vec<Lease> = of_agents;
    /// All leases of all environments, ended ones included.
    all_leases() -> Vec<Lease> = all;
    /// All leases of the environments of a gateway type, ended ones included.
    leases_of_type(gateway_type: &GatewayType) -> Vec<Lease> = of_type;
}

async fn in_environment(connection: &mut AnyConnection, environment_id: EnvironmentId) -> Result<Vec<Lease>> {
    let rows = sqlx::query("SELECT * FROM leases WHERE environment_id = $1 ORDER BY fencing")
        .bind(environment_id.to_string())
        .fetch_all(connection)
        .await?;
    each(rows, lease)
}

async fn of_agents(
    connection: &mut AnyConnection,
    environment_id: EnvironmentId,
    agents: &[AgentId],
) -> Result<Vec<Lease>> {
    let mut leases = Vec::with_capacity(agents.len());
    for agents in agents.chunks(bulk::size(1)) {
        let listed = bulk::rows(1, 1, agents.len());
        let statement = format!(
            "SELECT * FROM leases WHERE environment_id = $1 AND agent_id IN (VALUES {listed}) ORDER BY fencing"
        );
        let query = sqlx::query(sqlx::AssertSqlSafe(statement)).bind(environment_id.to_string());
        let query = agents.iter().fold(query, |query, id| query.bind(id.to_string()));
        leases.extend(each(query.fetch_all(&mut *connection).await?, lease)?);
    }
    Ok(leases)
}

async fn all(connection: &mut AnyConnection) -> Result<Vec<Lease>> {
    let rows = sqlx::query("SELECT * FROM leases ORDER BY environment_id, fencing")
        .fetch_all(connection)
        .await?;
    each(rows, lease)
}

pub(crate) async fn of_type(
    connection: &mut AnyConnection,
    gateway_type: &GatewayType,
) -> Result<Vec<Lease>> {
    let rows = sqlx::query(
        "SELECT leases.* FROM leases JOIN environment_states \
         ON environment_states.environment_id = leases.environment_id \
         WHERE gateway_type = $1 ORDER BY leases.environment_id, fencing",
    )
    .bind(gateway_type.to_string())
    .fetch_all(connection)
    .await?;
    each(rows, lease)
}

fn lease(row: &AnyRow) -> Result<Lease> {
    Ok(Lease {
        environment_id: row.parsed("environment_id")?,
        agent_id: row.parsed("agent_id")?,
        fencing: FencingNumber(row.count("fencing")?),
        expires_at: row.time("expires_at")?,
        generation: Generation(row.count("generation")?),
        replicated: !row.text("slot")?.is_empty(),
    })
}

impl Transaction {
    /// Takes or renews a lease. Gives the fencing number, or nothing while another agent holds it. The number rises, and
    /// the environment's agents are woken, when the lease comes to an agent that did not hold it last.
    pub async fn claim_lease(&mut self, claim: &Claim) -> Result<Option<FencingNumber>> {
        let now = self.now;
        let standing = sqlx::query("SELECT * FROM leases WHERE environment_id = $1 AND slot = $2")
            .bind(claim.environment_id.to_string())
            .bind(claim.slot())
            .fetch_optional(self.connection())
            .await?;
        let standing = standing.as_ref().map(lease).transpose()?;
        match standing {
            Some(lease) if lease.agent_id == claim.agent_id => self.extend_lease(claim, lease.fencing).await,
            Some(lease) if lease.is_live(now) => Ok(None),
            _ => self.take_lease(claim).await,
        }
    }

    async fn extend_lease(&mut self, claim: &Claim, fencing: FencingNumber) -> Result<Option<FencingNumber>> {
        sqlx::query("UPDATE leases SET expires_at = $3 WHERE environment_id = $1 AND slot = $2")
            .bind(claim.environment_id.to_string())
            .bind(claim.slot())
            .bind(claim.expires_at.0)
            .execute(self.connection())
            .await?;
        Ok(Some(fencing))
    }

    async fn take_lease(&mut self, claim: &Claim) -> Result<Option<FencingNumber>> {
        // A connector that changed between shared and replicated leaves no lease of the other sort behind.
        let other_sort = if claim.replicated { "= ''" } else { "<> ''" };
        let statement = format!("DELETE FROM leases WHERE environment_id = $1 AND slot {other_sort}");
        let ended = sqlx::query(sqlx::AssertSqlSafe(statement))
            .bind(claim.environment_id.to_string())
            .execute(self.connection())
            .await?;
        let generation = if claim.replicated && ended.rows_affected() == 0 {
            // Another gateway's own lease is its own business, and who takes it knows.
            self.concerns(Concern::nobody());
            self.next_generation().await?
        } else {
            self.next_generation_in(claim.environment_id).await?
        };
        let fencing = self.increment("fencing").await?;
        sqlx::query(
            "INSERT INTO leases (environment_id, slot, agent_id, fencing, expires_at, generation) \
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (environment_id, slot) \
             DO UPDATE SET agent_id = $3, fencing = $4, expires_at = $5, generation = $6",
        )
        .bind(claim.environment_id.to_string())
        .bind(claim.slot())
        .bind(claim.agent_id.to_string())
        .bind(signed(fencing))
        .bind(claim.expires_at.0)
        .bind(signed(generation.0))
        .execute(self.connection())
        .await?;
        Ok(Some(FencingNumber(fencing)))
    }

    /// Gives an agent's leases up at once, so that another agent need not wait for their end.
    pub async fn release_leases(&mut self, agent_id: AgentId) -> Result<()> {
        self.next_generation_of_all().await?;
        sqlx::query("DELETE FROM leases WHERE agent_id = $1")
            .bind(agent_id.to_string())
            .execute(self.connection())
            .await?;
        Ok(())
    }
}
