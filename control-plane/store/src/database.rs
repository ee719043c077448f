//! The database: connecting, bringing the schema up to date, checking the key, reading.

use std::{
    collections::HashMap, fs, io, os::unix::fs::OpenOptionsExt as _, path::Path, str::FromStr as _,
    sync::Arc, time::Duration,
};

use gatehouse_schemas::{
    identity::{AgentId, GatewayType, Generation},
    time::Timestamp,
};
use sqlx::{
    Any, AnyConnection, AnyPool, Executor as _,
    any::{AnyConnectOptions, AnyPoolOptions},
    migrate::Migrator,
    pool::PoolConnection,
    sqlite::SqliteConnectOptions,
};
use tokio::sync::{Semaphore, watch};

use crate::{
    agents::Agent,
    changes::Changes,
    error::{Result, StoreError},
    key::EncryptionKey,
    row::Columns as _,
    together::Together,
    transaction::Transaction,
    work::Looks,
};

static MIGRATIONS: Migrator = sqlx::migrate!();

/// How long a request waits for a free connection, or for its turn to write, before it is told that the database is
/// overloaded.
pub(crate) const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);
const SQLITE_CONNECTIONS: u32 = 6;
const POSTGRES_CONNECTIONS: u32 = 16;

/// Which engine the address names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    Sqlite,
    Postgres,
}

/// The database of one control plane. Cloning shares it.
#[derive(Clone)]
pub struct Store {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) engine: Engine,
    pool: AnyPool,
    pub(crate) key: EncryptionKey,
    pub(crate) changes: Changes,
    pub(crate) looks: Looks,
    pub(crate) renewals: Together<AgentId, ()>,
    pub(crate) callers: Together<AgentId, Arc<HashMap<AgentId, Agent>>>,
    pub(crate) positions: Together<(), Generation>,
    /// SQLite has one writer; waiting here is fairer than its busy handler. PostgreSQL needs none of it.
    pub(crate) writer: Arc<Semaphore>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Store({:?})", self.inner.engine)
    }
}

/// One consistent view of the database; sees nothing of what is committed after it was taken.
pub struct Snapshot {
    transaction: sqlx::Transaction<'static, Any>,
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Snapshot")
    }
}

impl Store {
    /// Opens the database at `sqlite://PATH`, `sqlite::memory:` or `postgres://…`, creating the SQLite file
    /// (mode 0600) if there is none, and brings its schema up to date. Several control planes may do so at once.
    ///
    /// Fails if the database's secrets were encrypted with another key.
    pub async fn connect(url: &str, key: EncryptionKey) -> Result<Self> {
        let engine = Engine::of(url)?;
        if engine == Engine::Sqlite {
            create_private_file(url)?;
        }
        let pool = open_pool(url, engine).await?;
        MIGRATIONS.run(&pool).await.map_err(migration_error)?;
        let changes = Changes::start(engine, url).await?;
        let inner = Inner {
            engine,
            pool,
            key,
            changes,
            looks: Looks::default(),
            renewals: Together::default(),
            callers: Together::default(),
            positions: Together::default(),
            writer: Arc::new(Semaphore::new(1)),
        };
        let store = Self {
            inner: Arc::new(inner),
        };
        store.check_key().await?;
        Ok(store)
    }

    /// Starts a transaction for writing, on behalf of `actor` (`token/NAME`, `agent/ID`, `system`).
    /// Transactions for writing run one after the other. Dropping it without [`Transaction::commit`] undoes it.
    pub async fn begin(&self, actor: &str, request_id: Option<&str>, now: Timestamp) -> Result<Transaction> {
        Transaction::begin(self, actor, request_id, now).await
    }

    /// A consistent view for several reads that belong together.
    pub async fn snapshot(&self) -> Result<Snapshot> {
        let begin = match self.inner.engine {
            Engine::Sqlite => "BEGIN",
            Engine::Postgres => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        };
        Ok(Snapshot {
            transaction: self.begin_whole(begin).await?,
        })
    }

    /// Begins a transaction to the end, even if its caller goes away meanwhile. A `BEGIN` that is cut off between
    /// the question and the answer is not undone by sqlx: it would stay open on a connection that goes back to the
    /// pool, and whoever gets it next would be in somebody else's transaction.
    pub(crate) async fn begin_whole(&self, begin: &'static str) -> Result<sqlx::Transaction<'static, Any>> {
        let pool = self.inner.pool.clone();
        let begun = tokio::spawn(async move { pool.begin_with(begin).await });
        Ok(begun.await.map_err(|_| sqlx::Error::PoolClosed)??)
    }

    /// Changes its value whenever desired state, a lease, a deployment's status or a discovery may have changed,
    /// in this process or another replica. A wake-up says "look again", never what.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.inner.changes.subscribe()
    }

    /// Changes its value whenever there may be something new for agents of a gateway type to look at, in this process
    /// or another replica.
    pub fn agent_changes(&self, gateway_type: &GatewayType) -> watch::Receiver<u64> {
        self.inner.changes.subscribe_agent(gateway_type)
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<()> {
        let mut connection = self.connection().await?;
        (*connection).execute("SELECT 1").await?;
        Ok(())
    }

    /// Closes all connections; SQLite's write-ahead log is merged into the file.
    pub async fn close(&self) {
        self.inner.pool.close().await;
    }

    pub(crate) async fn connection(&self) -> Result<PoolConnection<Any>> {
        Ok(self.inner.pool.acquire().await?)
    }

    /// The first start writes down the key's id; every later one compares.
    async fn check_key(&self) -> Result<()> {
        let given = self.inner.key.id();
        let mut connection = self.connection().await?;
        sqlx::query("INSERT INTO settings (name, value) VALUES ('key-id', $1) ON CONFLICT (name) DO NOTHING")
            .bind(&given)
            .execute(&mut *connection)
            .await?;
        let row = sqlx::query("SELECT value FROM settings WHERE name = 'key-id'")
            .fetch_one(&mut *connection)
            .await?;
        let expected = row.text("value")?;
        if expected == given {
            Ok(())
        } else {
            Err(StoreError::WrongKey { expected, given })
        }
    }
}

impl Snapshot {
    pub(crate) fn connection(&mut self) -> &mut AnyConnection {
        &mut self.transaction
    }
}

impl Engine {
    fn of(url: &str) -> Result<Self> {
        match url.split_once(':').map(|(scheme, _)| scheme) {
            Some("sqlite") => Ok(Self::Sqlite),
            Some("postgres" | "postgresql") => Ok(Self::Postgres),
            _ => Err(bad_address(
                url,
                "use `sqlite://PATH` or `postgres://USER@HOST/DATABASE`",
            )),
        }
    }
}

fn bad_address(url: &str, reason: impl Into<String>) -> StoreError {
    StoreError::Address {
        url: without_password(url),
        reason: reason.into(),
    }
}

fn without_password(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, place))) => format!("{scheme}://…@{place}"),
        _ => url.to_owned(),
    }
}

fn is_memory(url: &str) -> bool {
    url.contains(":memory:") || url.contains("mode=memory")
}

/// SQLite gives its log files the mode of the database file, so making that one private is enough.
fn create_private_file(url: &str) -> Result<()> {
    let options = SqliteConnectOptions::from_str(url).map_err(|error| bad_address(url, error.to_string()))?;
    if is_memory(url) {
        return Ok(());
    }
    let file: &Path = options.get_filename();
    let opened = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(file);
    match opened {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(bad_address(url, "its folder does not exist; create it first"))
        }
        Err(error) => Err(bad_address(url, error.to_string())),
    }
}

async fn open_pool(url: &str, engine: Engine) -> Result<AnyPool> {
    sqlx::any::install_default_drivers();
    let options = AnyConnectOptions::from_str(url).map_err(|error| bad_address(url, error.to_string()))?;
    let pool = AnyPoolOptions::new().acquire_timeout(ACQUIRE_TIMEOUT);
    let pool = match engine {
        // Every connection to `:memory:` is a database of its own, so there is one, and it is never given up.
        Engine::Sqlite if is_memory(url) => pool
            .max_connections(1)
            .min_connections(1)
            .idle_timeout(None)
            .max_lifetime(None),
        Engine::Sqlite => pool.max_connections(SQLITE_CONNECTIONS),
        Engine::Postgres => pool.max_connections(POSTGRES_CONNECTIONS),
    };
    let pool = pool.after_connect(move |connection, _| {
        Box::pin(async move {
            match engine {
                Engine::Sqlite => set_up_sqlite(connection).await,
                Engine::Postgres => Ok(()),
            }
        })
    });
    pool.connect_with(options).await.map_err(|error| match error {
        sqlx::Error::Configuration(reason) => bad_address(url, reason.to_string()),
        other => other.into(),
    })
}

/// WAL lets readers go on while one writes; `FULL` makes every commit reach the disk before it is acknowledged.
async fn set_up_sqlite(connection: &mut AnyConnection) -> sqlx::Result<()> {
    const PRAGMAS: [&str; 5] = [
        "PRAGMA busy_timeout = 10000",
        "PRAGMA journal_mode = WAL",
        "PRAGMA synchronous = FULL",
        "PRAGMA foreign_keys = ON",
        "PRAGMA temp_store = MEMORY",
    ];
    for pragma in PRAGMAS {
        connection.execute(pragma).await?;
    }
    Ok(())
}

fn migration_error(error: sqlx::migrate::MigrateError) -> StoreError {
    match error {
        sqlx::migrate::MigrateError::Execute(error) => error.into(),
        other => StoreError::Migration(other),
    }
}

pub(crate) async fn current_generation(connection: &mut AnyConnection) -> Result<Generation> {
    counter(connection, "generation").await.map(Generation)
}

pub(crate) async fn counter(connection: &mut AnyConnection, name: &'static str) -> Result<u64> {
    let row = sqlx::query("SELECT value FROM counters WHERE name = $1")
        .bind(name)
        .fetch_one(connection)
        .await?;
    row.count("value")
}

crate::transaction::reads! {
    /// The generation of the last change of desired state.
    generation() -> Generation = current_generation;
}
