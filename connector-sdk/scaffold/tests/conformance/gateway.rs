//! What other people and the network do to the gateway: the part of the suite that only you can write.
#![expect(
    clippy::unwrap_used,
    reason = "without a gateway there is nothing to test, and the message says why"
)]

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use gatehouse_agent_scaffold::{
    ADMIN_TOKEN, ScaffoldConnector,
    client::documents::{Document, Route, Service},
    tiny_gateway::{Options, TinyGateway},
};
use gatehouse_connector_conformance::{
    Connection, Disturbance, Edit, FaultProxy, GatewayAnswer, Permission, TestGateway, ask,
};
use gatehouse_connector_sdk::{
    connector::Connector,
    operation::Operation,
    schemas::{identity::ExternalRef, revision::RevisionContent},
};
use secrecy::SecretString;
use serde_json::{Map, json};

const ADMIN: &str = "the-admin-token-of-tests";
const READER: &str = "the-read-only-token-of-tests";

/// A gateway of its own for each behaviour, with a proxy in front of its Admin API that disturbs the conversation.
pub(crate) struct GatewayUnderTest {
    gateway: Arc<TinyGateway>,
    faults: FaultProxy,
}

impl GatewayUnderTest {
    /// An empty gateway.
    pub(crate) async fn start() -> Self {
        let any_port = "127.0.0.1:0".parse().unwrap();
        let options = Options {
            admin_listen: any_port,
            listen: any_port,
            admin_token: ADMIN.into(),
            read_token: Some(READER.into()),
        };
        let gateway = TinyGateway::start(options).await.unwrap();
        Self {
            faults: FaultProxy::start(&gateway.admin_url()).await.unwrap(),
            gateway: Arc::new(gateway),
        }
    }

    fn connection_with(&self, token: &str) -> Connection {
        let settings = json!({
            "adminUrl": self.faults.url(), "proxyUrl": self.gateway.proxy_url(), "timeoutMs": 1000,
        });
        Connection {
            settings: settings.as_object().cloned().unwrap_or_else(Map::new),
            credentials: BTreeMap::from([(ADMIN_TOKEN.to_owned(), SecretString::from(token))]),
        }
    }

    fn document(&self, id: &str) -> Option<Document> {
        let mut apis = self.gateway.apis().into_iter();
        apis.find(|api| api.id == id).map(|api| api.document)
    }
}

fn change(gateway: &TinyGateway, id: &str, mut document: Document, edit: Edit) {
    match edit {
        Edit::Content => document.service.timeout_ms += 1,
        Edit::Name => "edited".clone_into(&mut document.service.name),
        Edit::Tags => document.tags = vec!["edited".to_owned()],
    }
    gateway.put(id, document).unwrap();
}

#[async_trait]
impl TestGateway for GatewayUnderTest {
    fn connector(&self) -> Arc<dyn Connector> {
        Arc::new(ScaffoldConnector::new().unwrap())
    }

    fn connection(&self) -> Connection {
        self.connection_with(ADMIN)
    }

    fn connection_without(&self, permission: Permission) -> Option<Connection> {
        // The gateway has no token that may write and not read.
        (permission == Permission::Write).then(|| self.connection_with(READER))
    }

    async fn add_foreign(&self, name: &str, content: RevisionContent) -> ExternalRef {
        let routes = content.operations.iter().map(|operation| Route {
            method: operation.r#match.method.clone(),
            path: operation.r#match.path.clone(),
        });
        let service = Service {
            name: name.to_owned(),
            base_path: content.base_path,
            routes: routes.collect(),
            upstream_url: content.upstreams["main"].url.clone(),
            timeout_ms: 1000,
            key_check: None,
            response_headers: BTreeMap::new(),
        };
        let document = Document {
            labels: BTreeMap::new(),
            tags: Vec::new(),
            service,
        };
        ExternalRef(self.gateway.put(name, document).unwrap().id)
    }

    async fn edit(&self, api: &ExternalRef, edit: Edit) -> bool {
        let Some(document) = self.document(&api.0) else {
            return false;
        };
        change(&self.gateway, &api.0, document, edit);
        true
    }

    async fn edit_during_next_deploy(&self, api: &ExternalRef) -> bool {
        let (gateway, id) = (self.gateway.clone(), api.0.clone());
        let Some(document) = self.document(&id) else {
            return false;
        };
        let edit = async move { change(&gateway, &id, document, Edit::Content) };
        self.faults.before_next_change(move || Box::pin(edit));
        true
    }

    async fn delete(&self, api: &ExternalRef) {
        // One that is gone already is gone.
        let _ = self.gateway.delete(&api.0);
    }

    async fn holds(&self) -> BTreeMap<String, String> {
        let apis = self.gateway.apis().into_iter();
        apis.map(|api| (api.id.clone(), json!(api).to_string())).collect()
    }

    async fn make_unreadable(&self, api: &ExternalRef) -> bool {
        self.gateway.damage(&api.0);
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
