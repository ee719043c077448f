//! A fresh database per test, on every engine there is; and the objects tests begin with.

use std::{
    collections::BTreeMap,
    env,
    future::Future,
    path::{Path, PathBuf},
};

use gatehouse_control_plane_store::{
    Deployment, DeploymentTerms, EncryptionKey, NewDeployment, Resource, Result, Store, Transaction,
};
use gatehouse_schemas::{
    canonical::Fingerprint,
    condition::Phase,
    desired::{DesiredApi, Mark},
    identity::{AgentId, EnvironmentId, GatewayType, ResourceName, RevisionNumber},
    resource::{Kind, Metadata},
    revision::RevisionContent,
    time::Timestamp,
};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use tempfile::TempDir;
use uuid::Uuid;

pub(crate) const NOW: Timestamp = Timestamp(1_800_000_000_000);

/// A database of one test's own.
#[derive(Clone)]
pub(crate) struct Database {
    pub(crate) url: String,
    pub(crate) folder: PathBuf,
    pub(crate) store: Store,
}

impl Database {
    pub(crate) fn key(&self) -> EncryptionKey {
        EncryptionKey::from_file(&self.folder.join("key")).expect("the key of the test")
    }

    pub(crate) fn is_postgres(&self) -> bool {
        self.url.starts_with("postgres")
    }

    /// Another control plane on the same database.
    pub(crate) async fn open_again(&self) -> Result<Store> {
        Store::connect(&self.url, self.key()).await
    }
}

/// Runs a case on SQLite and, if there is one, on PostgreSQL.
pub(crate) async fn on_every_database<Case, Done>(case: Case)
where
    Case: Fn(Database) -> Done,
    Done: Future<Output = ()> + Send + 'static,
{
    on_every_url(|url, folder| {
        let case = &case;
        async move {
            let store = fresh(&url, &folder).await;
            let database = Database {
                url,
                folder,
                store: store.clone(),
            };
            let outcome = tokio::spawn(case(database)).await;
            store.close().await;
            if let Err(error) = outcome {
                std::panic::resume_unwind(error.into_panic());
            }
        }
    })
    .await;
}

/// Runs a case with the URL of an empty database and a folder of its own, on every engine there is.
pub(crate) async fn on_every_url<Case, Done>(case: Case)
where
    Case: Fn(String, PathBuf) -> Done,
    Done: Future<Output = ()>,
{
    let folder = TempDir::new().expect("a temporary folder");
    let url = format!("sqlite://{}/gatehouse.db?mode=rwc", folder.path().display());
    case(url, folder.path().to_owned()).await;
    match env::var("GATEHOUSE_TEST_POSTGRES") {
        Ok(admin) => on_postgres(&case, &admin).await,
        Err(_) => eprintln!(
            "SKIPPED: PostgreSQL was not checked; set GATEHOUSE_TEST_POSTGRES to an administrator's URL"
        ),
    }
}

async fn on_postgres<Case, Done>(case: &Case, admin: &str)
where
    Case: Fn(String, PathBuf) -> Done,
    Done: Future<Output = ()>,
{
    let name = format!("gatehouse_test_{}", Uuid::new_v4().simple());
    execute(admin, format!("CREATE DATABASE {name}")).await;
    let (server, options) = admin
        .split_once('?')
        .map_or((admin, None), |(server, options)| (server, Some(options)));
    let place = server
        .rfind('/')
        .filter(|at| *at > "postgres://".len())
        .map_or(server, |at| &server[..at]);
    let options = options.map(|options| format!("?{options}")).unwrap_or_default();
    let folder = TempDir::new().expect("a temporary folder");
    let run = case(format!("{place}/{name}{options}"), folder.path().to_owned());
    let outcome = futures_util::FutureExt::catch_unwind(std::panic::AssertUnwindSafe(run)).await;
    execute(admin, format!("DROP DATABASE {name} WITH (FORCE)")).await;
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}

async fn execute(admin: &str, statement: String) {
    let mut connection = PgConnection::connect(admin)
        .await
        .expect("the administrator's connection");
    connection
        .execute(AssertSqlSafe(statement))
        .await
        .expect("an administrator's statement");
}

/// Opens a database, with the key of its folder.
pub(crate) async fn fresh(url: &str, folder: &Path) -> Store {
    let key = EncryptionKey::from_file_or_create(&folder.join("key")).expect("a key");
    Store::connect(url, key).await.expect("a fresh database")
}

pub(crate) fn name(text: &str) -> ResourceName {
    text.parse().expect("a name")
}

pub(crate) fn after(milliseconds: i64) -> Timestamp {
    Timestamp(NOW.0 + milliseconds)
}

pub(crate) async fn begin(store: &Store) -> Transaction {
    begin_at(store, NOW).await
}

pub(crate) async fn begin_at(store: &Store, now: Timestamp) -> Transaction {
    store
        .begin("token/test", Some("request-1"), now)
        .await
        .expect("a transaction")
}

pub(crate) fn metadata(text: &str, labels: &[(&str, &str)]) -> Metadata {
    let labels = labels
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    Metadata {
        labels: labels.collect::<BTreeMap<_, _>>(),
        ..Metadata::named(name(text))
    }
}

pub(crate) async fn create(store: &Store, kind: Kind, text: &str, spec: Value) -> Resource {
    let mut transaction = begin(store).await;
    let created = transaction
        .create_resource(kind, &metadata(text, &[]), &spec)
        .await
        .expect("a new resource");
    transaction.commit().await.expect("committed");
    created
}

pub(crate) async fn environment(store: &Store, text: &str, gateway_type: &str) -> EnvironmentId {
    let created = create(
        store,
        Kind::Environment,
        text,
        json!({"gatewayType": gateway_type}),
    )
    .await;
    created.environment_id()
}

pub(crate) fn kong() -> GatewayType {
    name("kong")
}

pub(crate) async fn agent(store: &Store, text: &str) -> AgentId {
    let mut transaction = begin(store).await;
    let id = transaction
        .create_agent(text, &kong(), &"0".repeat(64))
        .await
        .expect("an agent");
    transaction.commit().await.expect("committed");
    id
}

pub(crate) fn content(base_path: &str) -> RevisionContent {
    serde_json::from_value(json!({
        "displayName": "An API", "version": "v1", "type": "rest", "direction": "ingress", "basePath": base_path,
        "upstreams": {"main": {"url": "http://127.0.0.1:1"}}
    }))
    .expect("content")
}

pub(crate) fn desired(
    api: &Resource,
    environment_id: EnvironmentId,
    revision: u64,
    base_path: &str,
) -> DesiredApi {
    let mark = Mark {
        environment_id,
        api_id: api.api_id(),
        api_name: api.metadata.name.clone(),
        revision: RevisionNumber(revision),
    };
    let content = content(base_path);
    let fingerprint = Fingerprint::of(&content).expect("a fingerprint");
    DesiredApi {
        mark,
        content,
        secrets: Vec::new(),
        fingerprint,
    }
}

pub(crate) async fn put(store: &Store, desired: DesiredApi) -> Deployment {
    let mut transaction = begin(store).await;
    let new = NewDeployment {
        desired,
        phase: Phase::Pending,
        conditions: Vec::new(),
        terms: DeploymentTerms::default(),
    };
    let put = transaction.put_deployment(&new).await.expect("a deployment");
    transaction.commit().await.expect("committed");
    put
}
