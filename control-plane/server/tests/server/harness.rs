//! A fresh control plane per test, spoken to over HTTP; and what agents would do, done in its database.

use std::{
    env,
    future::Future,
    ops::Deref,
    process::Command,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use gatehouse_control_plane_api::{
    admin::Role,
    agent::{DeploymentOutcome, PROTOCOL_MAX},
};
use gatehouse_control_plane_server::{Server, ServerOptions, create_token};
use gatehouse_control_plane_store::{Claim, Desired, Transaction};
use gatehouse_schemas::{
    canonical::Fingerprint,
    descriptor::{Capabilities, Descriptor, Fidelity, PolicySupport},
    identity::{AgentId, EnvironmentId, Generation},
    time::Timestamp,
};
use reqwest::{Method, StatusCode, header::HeaderMap};
use serde_json::{Value, json};
use tempfile::TempDir;
use uuid::Uuid;

/// How long a test waits for what must come. Only a test that fails waits that long; others may stand still for a
/// while on a machine that is busy with something else.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// How long agents have a lease, unless a test says otherwise.
const LEASE: Duration = Duration::from_secs(2);

/// A running control plane. Cloning shares it.
#[derive(Clone)]
pub(crate) struct ControlPlane(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) server: Server,
    /// Goes away with the last of those who share it.
    _folder: TempDir,
    http: reqwest::Client,
    admin: String,
}

impl Deref for ControlPlane {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    /// The answer, if it has this status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{:#}", self.body);
        self.body
    }

    /// The last segment of the problem's type and its detail, if the answer is a problem of this status.
    #[track_caller]
    pub(crate) fn problem(self, status: u16) -> (String, String) {
        assert_eq!(self.status.as_u16(), status, "{:#}", self.body);
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(self.body["status"], status);
        assert_eq!(self.body["requestId"], self.header("x-request-id"));
        let text = |field: &str| self.body[field].as_str().unwrap_or_default().to_owned();
        let kind = text("type").rsplit('/').next().unwrap_or_default().to_owned();
        (kind, text("detail"))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }
}

/// Runs a case on SQLite and, if there is one, on PostgreSQL.
pub(crate) async fn check<Case, Done>(case: Case)
where
    Case: Fn(ControlPlane) -> Done,
    Done: Future<Output = ()> + Send + 'static,
{
    check_leasing(LEASE, case).await;
}

/// Runs a case with leases of this length.
pub(crate) async fn check_leasing<Case, Done>(lease: Duration, case: Case)
where
    Case: Fn(ControlPlane) -> Done,
    Done: Future<Output = ()> + Send + 'static,
{
    run(&case, None, lease).await;
    match env::var("GATEHOUSE_TEST_POSTGRES") {
        Ok(admin) => {
            let name = format!("gatehouse_test_{}", Uuid::new_v4().simple());
            psql(&admin, &format!("CREATE DATABASE {name}"));
            let (server, _) = admin.rsplit_once('/').expect("a URL with a database");
            run(&case, Some(format!("{server}/{name}")), lease).await;
            psql(&admin, &format!("DROP DATABASE {name} WITH (FORCE)"));
        }
        Err(_) => eprintln!(
            "SKIPPED: PostgreSQL was not checked; set GATEHOUSE_TEST_POSTGRES to an administrator's URL"
        ),
    }
}

fn psql(url: &str, statement: &str) {
    let done = Command::new("psql").args([url, "-qc", statement]).status();
    assert!(done.expect("psql").success(), "{statement}");
}

async fn run<Case, Done>(case: &Case, database_url: Option<String>, lease: Duration)
where
    Case: Fn(ControlPlane) -> Done,
    Done: Future<Output = ()> + Send + 'static,
{
    let control_plane = ControlPlane::start(database_url, lease).await;
    let outcome = tokio::spawn(case(control_plane.clone())).await;
    if let Ok(inner) = Arc::try_unwrap(control_plane.0).map_err(drop) {
        inner.server.shutdown(Duration::from_secs(5)).await;
    }
    if let Err(error) = outcome {
        std::panic::resume_unwind(error.into_panic());
    }
}

/// What a server in this folder is started with.
pub(crate) fn options(folder: &TempDir, database_url: Option<String>) -> ServerOptions {
    ServerOptions {
        listen: ([127, 0, 0, 1], 0).into(),
        admin_listen: Some(([127, 0, 0, 1], 0).into()),
        database_url: database_url
            .unwrap_or_else(|| format!("sqlite://{}/gatehouse.db", folder.path().display())),
        data_dir: folder.path().to_owned(),
        lease: LEASE,
    }
}

impl ControlPlane {
    async fn start(database_url: Option<String>, lease: Duration) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let options = ServerOptions {
            lease,
            ..options(&folder, database_url)
        };
        let server = Server::start(options).await.expect("a server");
        let file = server.admin_token_file().expect("the first token's file");
        let admin = std::fs::read_to_string(file)
            .expect("the first token")
            .trim()
            .to_owned();
        Self(Arc::new(Inner {
            server,
            _folder: folder,
            http: reqwest::Client::new(),
            admin,
        }))
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.server.address())
    }

    pub(crate) fn admin_url(&self, path: &str) -> String {
        format!(
            "http://{}{path}",
            self.server.admin_address().expect("an admin listener")
        )
    }

    /// A request as the administrator, to be completed.
    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.anonymous(method, path).bearer_auth(&self.admin)
    }

    /// A request without a token, to be completed.
    pub(crate) fn anonymous(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, self.url(path))
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        send(self.request(Method::GET, &format!("/api/v1/{path}"))).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        send(self.request(Method::POST, &format!("/api/v1/{path}")).json(&body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Answer {
        send(self.request(Method::PUT, &format!("/api/v1/{path}")).json(&body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        send(self.request(Method::DELETE, &format!("/api/v1/{path}"))).await
    }

    /// Applies documents that must be right.
    pub(crate) async fn apply(&self, documents: Value) -> Value {
        self.post("apply", json!({"documents": documents}))
            .await
            .expect(200)
    }

    /// An API that any deployment can use.
    pub(crate) async fn with_api(&self, name: &str, base_path: &str) {
        self.apply(json!([api(name, base_path)])).await;
    }

    /// An environment of the type `test`.
    pub(crate) async fn with_environment(&self, name: &str, mode: &str) {
        self.apply(json!([environment(name, mode)])).await;
    }

    pub(crate) async fn deploy(&self, api: &str, environment: &str) -> Answer {
        self.post("deployments", json!({"api": api, "environment": environment}))
            .await
    }

    /// A token of this role.
    pub(crate) async fn token(&self, name: &str, role: Role) -> String {
        let name = name.parse().expect("a name");
        create_token(&self.server, &name, role, None)
            .await
            .expect("a token")
            .token
    }

    pub(crate) async fn transaction(&self) -> Transaction {
        self.server
            .store()
            .begin("system", None, now())
            .await
            .expect("a transaction")
    }

    /// An agent of the type `test` that has just been heard of.
    pub(crate) async fn with_agent(&self, descriptor: &Descriptor) -> AgentId {
        let mut transaction = self.transaction().await;
        let gateway_type = descriptor.gateway_type.clone();
        let id = transaction
            .create_agent("one", &gateway_type, &"0".repeat(64))
            .await
            .expect("an agent");
        transaction
            .begin_session(id, descriptor, PROTOCOL_MAX)
            .await
            .expect("a session");
        transaction.commit().await.expect("a commit");
        id
    }

    /// The agent holds the lease of the environment.
    pub(crate) async fn with_lease(&self, agent_id: AgentId, environment: &str) {
        let uid =
            self.get(&format!("environments/{environment}")).await.expect(200)["metadata"]["uid"].clone();
        let environment_id = EnvironmentId(uid.as_str().expect("a uid").parse().expect("a UUID"));
        let expires_at = Timestamp(now().0 + 60_000);
        let claim = Claim {
            environment_id,
            agent_id,
            replicated: false,
            expires_at,
        };
        let mut transaction = self.transaction().await;
        transaction.claim_lease(&claim).await.expect("a lease");
        transaction.commit().await.expect("a commit");
    }

    /// The agent reports on a deployment as it is desired now.
    pub(crate) async fn with_report(
        &self,
        agent_id: AgentId,
        deployment: &Value,
        outcome: &DeploymentOutcome,
    ) {
        let id = deployment["id"].as_str().expect("an id").parse().expect("an id");
        let generation = Generation(deployment["generation"].as_u64().expect("a generation"));
        let outcome = serde_json::to_value(outcome).expect("JSON");
        let mut transaction = self.transaction().await;
        transaction
            .put_report(id, agent_id, generation, &outcome)
            .await
            .expect("a report");
        transaction.commit().await.expect("a commit");
    }

    /// The fingerprint of what is desired of a deployment.
    pub(crate) async fn desired(&self, deployment: &Value) -> Fingerprint {
        let id = deployment["id"].as_str().expect("an id").parse().expect("an id");
        let desired = self.server.store().desired(id).await.expect("a database");
        let api = desired.and_then(|desired| match desired {
            Desired::Present(api) => Some(api),
            Desired::Absent(_) => None,
        });
        api.expect("an API is desired").fingerprint
    }

    /// Waits until something under this path is so.
    pub(crate) async fn until(&self, path: &str, so: impl Fn(&Value) -> bool) -> Value {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let answer = self.get(path).await;
            if so(&answer.body) {
                return answer.body;
            }
            assert!(
                tokio::time::Instant::now() < deadline,
                "{path} stays {:#}",
                answer.body
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Sends a request and reads the answer whole.
pub(crate) async fn send(request: reqwest::RequestBuilder) -> Answer {
    let response = request.send().await.expect("an answer");
    let (status, headers) = (response.status(), response.headers().clone());
    let bytes = response.bytes().await.expect("a whole answer");
    let body = serde_json::from_slice(&bytes)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()));
    Answer {
        status,
        headers,
        body,
    }
}

pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("a time after 1970");
    Timestamp(i64::try_from(since.as_millis()).expect("a time before the year 292278994"))
}

/// A document of an API.
pub(crate) fn api(name: &str, base_path: &str) -> Value {
    json!({"kind": "Api", "metadata": {"name": name}, "spec": {
        "basePath": base_path,
        "upstreams": {"main": {"url": "http://127.0.0.1:9"}},
    }})
}

/// A document of an environment of the type `test`.
pub(crate) fn environment(name: &str, mode: &str) -> Value {
    json!({"kind": "Environment", "metadata": {"name": name}, "spec": {"gatewayType": "test", "mode": mode}})
}

/// What a connector for the type `test` says of itself.
pub(crate) fn descriptor() -> Descriptor {
    Descriptor {
        quotas: Vec::new(),
        account_settings: Vec::new(),
        permissions: Vec::new(),
        credentials: Vec::new(),
        conformance: None,
        gateway_type: "test".parse().expect("a name"),
        display_name: "Test".to_owned(),
        version: "1.0.0".to_owned(),
        capabilities: Capabilities {
            deploy: true,
            undeploy: true,
            observe: true,
            discover: true,
            check: true,
            adopt: true,
            ..Capabilities::default()
        },
        settings_schema: json!({
            "type": "object",
            "properties": {"adminUrl": {"type": "string"}},
            "additionalProperties": false,
        }),
        policies: vec![
            PolicySupport {
                policy: "cors".to_owned(),
                fidelity: Fidelity::Exact,
            },
            PolicySupport {
                policy: "ratelimit".to_owned(),
                fidelity: Fidelity::Exact,
            },
            PolicySupport {
                policy: "auth.apiKey".to_owned(),
                fidelity: Fidelity::Exact,
            },
            PolicySupport {
                policy: "auth.jwt".to_owned(),
                fidelity: Fidelity::Unsupported {
                    reason: "it knows no tokens".to_owned(),
                },
            },
        ],
    }
}

/// The condition of this type.
pub(crate) fn condition<'a>(object: &'a Value, kind: &str) -> &'a Value {
    let conditions = object["conditions"]
        .as_array()
        .or_else(|| object["status"]["conditions"].as_array());
    let found = conditions.and_then(|all| all.iter().find(|condition| condition["type"] == kind));
    found.unwrap_or(&Value::Null)
}
