//! Renewing together: a thousand agents that ask every few seconds need one commit, not a thousand.

use gatehouse_schemas::{identity::AgentId, time::Timestamp};

use crate::{bulk, database::Store, error::Result, transaction::Transaction};

impl Store {
    /// Notes that an agent was heard of and renews the leases it has, until `expires_at` or a little later. Commits by
    /// itself, together with others', and waits for nobody else where the engine allows it.
    pub async fn renew_leases(&self, agent_id: AgentId, now: Timestamp, expires_at: Timestamp) -> Result<()> {
        let renew = |agents: Vec<AgentId>| async move { renew(self, &agents, now, expires_at).await };
        self.inner.renewals.ask(agent_id, renew).await
    }
}

async fn renew(store: &Store, agents: &[AgentId], now: Timestamp, expires_at: Timestamp) -> Result<()> {
    let mut transaction = Transaction::begin_unordered(store, "system", now).await?;
    for agents in agents.chunks(bulk::size(1)) {
        for (set, value, agent) in [
            ("UPDATE agents SET last_seen_at", now, "id"),
            ("UPDATE leases SET expires_at", expires_at, "agent_id"),
        ] {
            let listed = bulk::rows(1, 1, agents.len());
            let statement = format!("{set} = $1 WHERE {agent} IN (VALUES {listed})");
            let query = sqlx::query(sqlx::AssertSqlSafe(statement)).bind(value.0);
            agents
                .iter()
                .fold(query, |query, agent| query.bind(agent.to_string()))
                .execute(transaction.connection())
                .await?;
        }
    }
    transaction.commit().await
}
