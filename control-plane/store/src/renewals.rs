//! Renewing together: a thousand agents that ask every few seconds need one commit, not a thousand.
//!
//! The first who comes begins at once. Who comes while a commit is under way waits for the next, together with all who
//! come meanwhile.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gatehouse_schemas::{identity::AgentId, time::Timestamp};
use tokio::sync::{OnceCell, Semaphore};

use crate::{
    bulk,
    database::Store,
    error::{Result, StoreError},
    transaction::Transaction,
};

/// Everybody whose leases are to be renewed in one commit.
#[derive(Default)]
struct Batch {
    agents: Mutex<Vec<AgentId>>,
    /// Whether the commit succeeded, once it was tried.
    done: OnceCell<bool>,
}

/// The renewals that wait for their turn.
pub(crate) struct Renewals {
    waiting: Mutex<Arc<Batch>>,
    turn: Semaphore,
}

impl Default for Renewals {
    fn default() -> Self {
        Self {
            waiting: Mutex::default(),
            turn: Semaphore::new(1),
        }
    }
}

impl Store {
    /// Notes that an agent was heard of and renews the leases it has, until `expires_at` or a little later. Commits by
    /// itself, together with others', and waits for nobody else where the engine allows it.
    pub async fn renew_leases(&self, agent_id: AgentId, now: Timestamp, expires_at: Timestamp) -> Result<()> {
        let renewals = &self.inner.renewals;
        let batch = renewals.join(agent_id);
        let mut failure = None;
        let renewed = batch.done.get_or_init(|| async {
            let turn = renewals.turn.acquire().await;
            let agents = renewals.close(&batch);
            let result = renew(self, &agents, now, expires_at).await;
            drop(turn);
            result.map_err(|error| failure = Some(error)).is_ok()
        });
        if *renewed.await {
            return Ok(());
        }
        // Who tried knows why it failed; who waited for it is told to try again.
        Err(failure.unwrap_or(StoreError::Unavailable(sqlx::Error::PoolTimedOut)))
    }
}

impl Renewals {
    fn join(&self, agent_id: AgentId) -> Arc<Batch> {
        let waiting = lock(&self.waiting);
        lock(&waiting.agents).push(agent_id);
        waiting.clone()
    }

    /// Nobody joins it from now on.
    fn close(&self, batch: &Arc<Batch>) -> Vec<AgentId> {
        let mut waiting = lock(&self.waiting);
        if Arc::ptr_eq(&waiting, batch) {
            *waiting = Arc::default();
        }
        let mut agents = lock(&batch.agents).clone();
        agents.sort_unstable();
        agents.dedup();
        agents
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
