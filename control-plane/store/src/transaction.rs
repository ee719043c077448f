//! Transactions: all writes, the audit event beside them, and the generation they get.

use gatehouse_schemas::{
    identity::{EnvironmentId, Generation},
    time::Timestamp,
};
use sqlx::{Any, AnyConnection, Executor as _};
use tokio::{sync::OwnedSemaphorePermit, time::timeout};

use crate::{
    changes::CHANNEL,
    concern::Concern,
    database::{ACQUIRE_TIMEOUT, Engine, Store},
    environments,
    error::{Result, StoreError},
    row::Columns as _,
};

/// PostgreSQL's advisory lock that makes transactions for writing run one after the other, as SQLite does by itself.
/// What was checked in a transaction is then still so when it commits.
const WRITER_LOCK: &str = "SELECT pg_advisory_xact_lock(7308332045)";

/// Defines reads once, as methods of [`Store`], [`Snapshot`](crate::Snapshot) and [`Transaction`].
macro_rules! reads {
    ($(
        $(#[$docs:meta])*
        $name:ident($($argument:ident: $type:ty),*) -> $output:ty = $function:path;
    )+) => {
        impl $crate::database::Store {$(
            $(#[$docs])*
            pub async fn $name(&self, $($argument: $type),*) -> $crate::error::Result<$output> {
                let mut connection = self.connection().await?;
                $function(&mut connection, $($argument),*).await
            }
        )+}
        impl $crate::database::Snapshot {$(
            $(#[$docs])*
            pub async fn $name(&mut self, $($argument: $type),*) -> $crate::error::Result<$output> {
                $function(self.connection(), $($argument),*).await
            }
        )+}
        impl $crate::transaction::Transaction {$(
            $(#[$docs])*
            pub async fn $name(&mut self, $($argument: $type),*) -> $crate::error::Result<$output> {
                $function(self.connection(), $($argument),*).await
            }
        )+}
    };
}
pub(crate) use reads;

/// A transaction for writing. It sees its own writes; others see them after [`Transaction::commit`].
pub struct Transaction {
    inner: sqlx::Transaction<'static, Any>,
    pub(crate) store: Store,
    pub(crate) actor: String,
    pub(crate) request_id: Option<String>,
    pub(crate) now: Timestamp,
    generation: Option<Generation>,
    wakes: bool,
    /// Whose agents must look again, as far as it was said.
    concern: Option<Concern>,
    _writer: Option<OwnedSemaphorePermit>,
}

impl std::fmt::Debug for Transaction {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Transaction(by {} at {})", self.actor, self.now)
    }
}

impl Transaction {
    pub(crate) async fn begin(
        store: &Store,
        actor: &str,
        request_id: Option<&str>,
        now: Timestamp,
    ) -> Result<Self> {
        let (inner, writer) = match store.inner.engine {
            Engine::Sqlite => begin_sqlite(store).await?,
            Engine::Postgres => begin_postgres(store).await?,
        };
        Ok(Self::new(store, (inner, writer), actor, request_id, now))
    }

    /// A transaction that may run beside others on PostgreSQL: for statements that decide nothing by what they read.
    pub(crate) async fn begin_unordered(store: &Store, actor: &str, now: Timestamp) -> Result<Self> {
        let begun = match store.inner.engine {
            Engine::Sqlite => begin_sqlite(store).await?,
            Engine::Postgres => (store.begin_whole("BEGIN").await?, None),
        };
        Ok(Self::new(store, begun, actor, None, now))
    }

    fn new(store: &Store, begun: Begun, actor: &str, request_id: Option<&str>, now: Timestamp) -> Self {
        let (inner, writer) = begun;
        Self {
            inner,
            store: store.clone(),
            actor: actor.to_owned(),
            request_id: request_id.map(str::to_owned),
            now,
            generation: None,
            wakes: false,
            concern: None,
            _writer: writer,
        }
    }

    /// When the transaction takes place, as its caller said.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// On whose behalf it takes place.
    pub fn actor(&self) -> &str {
        &self.actor
    }

    /// Makes everything permanent, then wakes whoever waits for changes. When this returns `Ok`, nothing of it can be
    /// lost any more.
    pub async fn commit(self) -> Result<()> {
        // Whoever asked may go away in the middle; what is committed must still wake up those who wait for it.
        let committed = tokio::spawn(self.commit_and_wake()).await;
        committed.map_err(|_| StoreError::from(sqlx::Error::PoolClosed))?
    }

    async fn commit_and_wake(mut self) -> Result<()> {
        let concern = self.concern();
        if self.wakes && self.store.inner.engine == Engine::Postgres {
            sqlx::query("SELECT pg_notify($1, $2)")
                .bind(CHANNEL)
                .bind(self.store.inner.changes.notification(&concern))
                .execute(&mut *self.inner)
                .await?;
        }
        self.inner.commit().await?;
        if self.wakes {
            self.store.inner.changes.wake(&concern);
        }
        Ok(())
    }

    /// Undoes everything; the same as dropping, but waits until it is done.
    pub async fn rollback(self) -> Result<()> {
        Ok(self.inner.rollback().await?)
    }

    /// The generation of this transaction's changes of desired state; the first call takes the next number.
    pub async fn next_generation(&mut self) -> Result<Generation> {
        self.wake_on_commit();
        if let Some(generation) = self.generation {
            return Ok(generation);
        }
        let generation = Generation(self.increment("generation").await?);
        self.generation = Some(generation);
        Ok(generation)
    }

    /// The generation, for a change that concerns the agents of one environment.
    pub(crate) async fn next_generation_in(&mut self, environment_id: EnvironmentId) -> Result<Generation> {
        let environment = environments::by_id(self.connection(), environment_id).await?;
        self.concerns(match environment {
            Some(state) => Concern::of(&state.gateway_type),
            None => Concern::Everybody,
        });
        self.next_generation().await
    }

    /// The generation, for a change that may concern any agent.
    pub(crate) async fn next_generation_of_all(&mut self) -> Result<Generation> {
        self.concerns(Concern::Everybody);
        self.next_generation().await
    }

    /// Says whose agents must look again after the commit, besides those that were named before.
    pub(crate) fn concerns(&mut self, concern: Concern) {
        let before = self.concern.take().unwrap_or(Concern::nobody());
        self.concern = Some(before.and(concern));
    }

    /// A new generation of which nobody said whom it concerns is everybody's business.
    fn concern(&mut self) -> Concern {
        match (self.concern.take(), self.generation) {
            (Some(concern), _) => concern,
            (None, Some(_)) => Concern::Everybody,
            (None, None) => Concern::nobody(),
        }
    }

    pub(crate) async fn increment(&mut self, counter: &'static str) -> Result<u64> {
        let row = sqlx::query("UPDATE counters SET value = value + 1 WHERE name = $1 RETURNING value")
            .bind(counter)
            .fetch_one(self.connection())
            .await?;
        row.count("value")
    }

    pub(crate) fn wake_on_commit(&mut self) {
        self.wakes = true;
    }

    pub(crate) fn connection(&mut self) -> &mut AnyConnection {
        &mut self.inner
    }
}

type Begun = (sqlx::Transaction<'static, Any>, Option<OwnedSemaphorePermit>);

async fn begin_sqlite(store: &Store) -> Result<Begun> {
    let writer = timeout(ACQUIRE_TIMEOUT, store.inner.writer.clone().acquire_owned()).await;
    let writer = writer.map_err(|_| StoreError::from(sqlx::Error::PoolTimedOut))?;
    let writer = writer.map_err(|_| StoreError::from(sqlx::Error::PoolClosed))?;
    Ok((store.begin_whole("BEGIN IMMEDIATE").await?, Some(writer)))
}

async fn begin_postgres(store: &Store) -> Result<Begun> {
    let mut transaction = store.begin_whole("BEGIN").await?;
    (*transaction).execute(WRITER_LOCK).await?;
    Ok((transaction, None))
}
