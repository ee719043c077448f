//! A Kong under test, with a proxy in front of its Admin API that disturbs the conversation.

use std::{
    collections::BTreeMap,
    env,
    sync::{Arc, OnceLock},
    time::Duration,
};

use async_trait::async_trait;
use gatehouse_agent_kong::{ADMIN_TOKEN, KongConnector};
use gatehouse_connector_conformance::{
    Connection, Disturbance, Edit, FaultProxy, GatewayAnswer, Permission, TestGateway, ask,
};
use gatehouse_connector_sdk::{
    connector::Connector,
    operation::Operation,
    schemas::{identity::ExternalRef, revision::RevisionContent},
};
use gatehouse_fake_kong::{AdminToken, Database, FakeKong, FakeKongOptions, RouterFlavor};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::sync::{Mutex, OwnedMutexGuard};
use uuid::Uuid;

use crate::admin::Admin;

const TOKEN: &str = "the-admin-token-of-tests";
const READER: &str = "the-read-only-token-of-tests";

/// Which Kong.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    Database,
    WithoutDatabase,
    Expressions,
    Older,
    Real(Real),
}

/// A Kong that is not ours.
#[derive(Debug, Clone)]
pub(crate) struct Real {
    admin_url: String,
    proxy_url: String,
    /// `Kong-Admin-Token`, if it wants one.
    token: Option<String>,
}

impl Real {
    /// From `KONG_ADMIN_URL`, `KONG_PROXY_URL` and, optional, `KONG_ADMIN_TOKEN`.
    pub(crate) fn from_environment() -> Option<Self> {
        Some(Self {
            admin_url: env::var("KONG_ADMIN_URL").ok()?,
            proxy_url: env::var("KONG_PROXY_URL").ok()?,
            token: env::var("KONG_ADMIN_TOKEN").ok(),
        })
    }
}

/// A Kong of its own for each behaviour; a real one is emptied, and belongs to one behaviour at a time.
pub(crate) struct KongUnderTest {
    pub(crate) admin: Admin,
    pub(crate) proxy_url: String,
    faults: FaultProxy,
    is_real: bool,
    has_database: bool,
    /// Ends with the test.
    _fake: Option<FakeKong>,
    _turn: Option<OwnedMutexGuard<()>>,
}

impl KongUnderTest {
    pub(crate) async fn start(kind: &Kind) -> Self {
        match kind {
            Kind::Real(real) => Self::real(real).await,
            kind => Self::fake(options(kind)).await,
        }
    }

    pub(crate) async fn fake(options: FakeKongOptions) -> Self {
        let has_database = options.database == Database::Postgres;
        let fake = FakeKong::start(options).await.expect("the fake starts");
        let token = Some(("Kong-Admin-Token".to_owned(), TOKEN.to_owned()));
        Self {
            admin: Admin::new(&fake.admin_url(), token),
            proxy_url: fake.proxy_url(),
            faults: FaultProxy::start(&fake.admin_url()).await.expect("a free port"),
            is_real: false,
            has_database,
            _fake: Some(fake),
            _turn: None,
        }
    }

    async fn real(real: &Real) -> Self {
        static TURN: OnceLock<Arc<Mutex<()>>> = OnceLock::new();
        let turn = TURN.get_or_init(Arc::default).clone().lock_owned().await;
        let token = real
            .token
            .clone()
            .map(|token| ("Kong-Admin-Token".to_owned(), token));
        let admin = Admin::new(&real.admin_url, token);
        admin.empty().await;
        let has_database = admin.has_database().await;
        Self {
            faults: FaultProxy::start(&real.admin_url).await.expect("a free port"),
            proxy_url: real.proxy_url.clone(),
            admin,
            is_real: true,
            has_database,
            _fake: None,
            _turn: Some(turn),
        }
    }

    fn connection_with(&self, token: Option<&str>) -> Connection {
        let settings = json!({
            "deployment": "self-managed",
            "adminUrl": self.faults.url(),
            "proxyUrl": self.proxy_url,
            "timeoutMs": if self.is_real { 10_000 } else { 2_000 },
        });
        let credential = |token: &str| (ADMIN_TOKEN.to_owned(), SecretString::from(token));
        Connection {
            settings: settings.as_object().cloned().unwrap(),
            credentials: token.map(credential).into_iter().collect::<BTreeMap<_, _>>(),
        }
    }

    /// The services that an API is.
    async fn services(&self, api: &ExternalRef) -> Vec<Value> {
        let tag = format!("gatehouse-reference:{}", api.0);
        let mut services = self.admin.list("services").await;
        services.retain(|service| {
            let tags = service["tags"].as_array().into_iter().flatten();
            service["id"] == *api.0 || tags.clone().any(|other| *other == *tag)
        });
        services
    }
}

pub(crate) fn options(kind: &Kind) -> FakeKongOptions {
    let mut options = FakeKongOptions {
        admin_token: Some(AdminToken {
            header: "Kong-Admin-Token".to_owned(),
            token: TOKEN.to_owned(),
        }),
        read_only_token: Some(READER.to_owned()),
        // Later than the Admin API, as on a real Kong, but not by seconds.
        propagation_delay: Duration::from_millis(15),
        ..FakeKongOptions::default()
    };
    match kind {
        Kind::WithoutDatabase => options.database = Database::Off,
        Kind::Expressions => options.router_flavor = RouterFlavor::Expressions,
        Kind::Older => options.version = "3.4.2".to_owned(),
        Kind::Database | Kind::Real(_) => {}
    }
    options
}

/// What somebody else writes for an API: literal paths would be prefixes, so that regular expressions it is.
fn foreign(name: &str, content: &RevisionContent) -> Vec<(&'static str, Value)> {
    let url = reqwest::Url::parse(&content.upstreams["main"].url).unwrap();
    let id = Uuid::new_v4().to_string();
    let service = json!({
        "id": id, "name": name, "protocol": url.scheme(), "host": url.host_str(), "port": url.port_or_known_default(),
        "path": null, "read_timeout": 1000, "tags": ["theirs"],
    });
    let mut entities = vec![("services", service)];
    for operation in &content.operations {
        let path = operation.r#match.path.replace("{id}", "(?<id>[^/]+)");
        let route = json!({
            "id": Uuid::new_v4().to_string(), "service": {"id": id}, "methods": [operation.r#match.method],
            "strip_path": false, "paths": [format!("~{}{path}$", content.base_path)], "tags": ["theirs"],
        });
        entities.push(("routes", route));
    }
    entities
}

async fn change(admin: &Admin, service: &str, edit: Edit) {
    let fields = match edit {
        Edit::Content => json!({"port": 10}),
        Edit::Name => json!({"name": "edited"}),
        Edit::Tags => json!({"tags": ["edited"]}),
    };
    admin.change("services", service, &fields).await;
}

#[async_trait]
impl TestGateway for KongUnderTest {
    fn connector(&self) -> Arc<dyn Connector> {
        Arc::new(KongConnector::new().unwrap())
    }

    fn connection(&self) -> Connection {
        self.connection_with(self.admin.token.as_ref().map(|(_, token)| token.as_str()))
    }

    fn connection_with_steps(&self) -> Option<Connection> {
        // Without a database, the whole configuration is loaded in one call.
        self.has_database.then(|| self.connection())
    }

    fn connection_without(&self, permission: Permission) -> Option<Connection> {
        (permission == Permission::Write && !self.is_real).then(|| self.connection_with(Some(READER)))
    }

    async fn add_foreign(&self, name: &str, content: RevisionContent) -> ExternalRef {
        self.add_several_foreign(vec![(name.to_owned(), content)])
            .await
            .remove(0)
    }

    async fn add_several_foreign(&self, apis: Vec<(String, RevisionContent)>) -> Vec<ExternalRef> {
        let entities: Vec<_> = apis
            .iter()
            .map(|(name, content)| foreign(name, content))
            .collect();
        let made = entities
            .iter()
            .filter_map(|entities| entities[0].1["id"].as_str());
        let made = made.map(|id| ExternalRef(id.to_owned())).collect();
        self.admin.make_all(entities).await;
        made
    }

    async fn edit(&self, api: &ExternalRef, edit: Edit) -> bool {
        let services = self.services(api).await;
        let Some(id) = services.first().and_then(|service| service["id"].as_str()) else {
            return false;
        };
        change(&self.admin, id, edit).await;
        true
    }

    async fn edit_during_next_deploy(&self, api: &ExternalRef) -> bool {
        let services = self.services(api).await;
        let Some(id) = services
            .first()
            .and_then(|service| service["id"].as_str())
            .map(str::to_owned)
        else {
            return false;
        };
        let admin = self.admin.clone();
        self.faults
            .before_next_change(move || Box::pin(async move { change(&admin, &id, Edit::Content).await }));
        true
    }

    async fn delete(&self, api: &ExternalRef) {
        for service in self.services(api).await {
            let id = service["id"].as_str().unwrap_or_default().to_owned();
            let mut routes = self.admin.list("routes").await;
            routes.retain(|route| route["service"]["id"] == *id);
            let routes: Vec<String> = routes
                .iter()
                .filter_map(|route| route["id"].as_str().map(str::to_owned))
                .collect();
            self.admin.remove("routes", &routes).await;
            self.admin.remove("services", &[id]).await;
        }
    }

    async fn holds(&self) -> BTreeMap<String, String> {
        self.admin.everything().await
    }

    async fn make_unreadable(&self, api: &ExternalRef) -> bool {
        // A service that nobody can reach is no API.
        let mut routes = self.admin.list("routes").await;
        routes.retain(|route| route["service"]["id"] == *api.0);
        let routes: Vec<String> = routes
            .iter()
            .filter_map(|route| route["id"].as_str().map(str::to_owned))
            .collect();
        self.admin.remove("routes", &routes).await;
        true
    }

    async fn disturb(&self, operation: Operation, disturbance: Disturbance) -> bool {
        self.faults.disturb(operation, disturbance)
    }

    async fn has_disturbed(&self) -> bool {
        self.faults.has_disturbed()
    }

    async fn calm(&self, operation: Operation) {
        self.faults.calm(operation);
    }

    async fn hide(&self) -> bool {
        self.faults.hide();
        true
    }

    async fn ask(&self, endpoint_url: &str, path: &str, key: Option<&str>) -> Option<GatewayAnswer> {
        Some(ask(endpoint_url, path, key).await)
    }

    async fn calls(&self) -> Option<u64> {
        Some(self.faults.calls())
    }
}
