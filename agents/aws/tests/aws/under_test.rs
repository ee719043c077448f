//! An account of AWS under test: the project's fake, with a proxy in front that disturbs the conversation.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use gatehouse_agent_aws::{ACCESS_KEY_ID, AwsConnector, SECRET_ACCESS_KEY};
use gatehouse_connector_conformance::{
    Connection, Disturbance, Edit, FaultProxy, GatewayAnswer, Permission, TestGateway, ask,
};
use gatehouse_connector_sdk::{
    connector::Connector,
    operation::Operation,
    schemas::{environment::Mode, identity::ExternalRef, revision::RevisionContent},
};
use gatehouse_fake_aws::{AccessKey, FakeAws, FakeAwsOptions};
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::owner::{EDITED, Owner};

pub(crate) const REGION: &str = "eu-central-1";
pub(crate) const STAGE: &str = "live";
const WRITER: &str = "AKIAWRITERWRITER0000";
const READER: &str = "AKIAREADERREADER0000";
/// Nobody but the signature looks at it.
pub(crate) const SECRET: &str = "the-secret-access-key-of-tests";

/// Where an account is, and what APIs become there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// The fake, REST APIs.
    FakeRest,
    /// The fake, HTTP APIs.
    FakeHttp,
}

/// An account of its own for each behaviour.
pub(crate) struct AwsUnderTest {
    pub(crate) owner: Owner,
    place: Place,
    faults: FaultProxy,
    fake: FakeAws,
}

impl AwsUnderTest {
    pub(crate) async fn start(place: Place) -> Self {
        let fake = FakeAws::start(options()).await.expect("the fake starts");
        let control = fake.control_url();
        let owner = Owner::new(&control, REGION, crate::owner::KEY, SECRET);
        Self {
            owner: owner.making_http_apis(place == Place::FakeHttp),
            place,
            faults: FaultProxy::start(&control).await.expect("a free port"),
            fake,
        }
    }

    /// The fake.
    pub(crate) fn fake(&self) -> &FakeAws {
        &self.fake
    }

    fn connection_of(&self, key: &str) -> Connection {
        let kind = if self.place == Place::FakeHttp {
            "http"
        } else {
            "rest"
        };
        let settings = json!({
            "region": REGION, "stage": STAGE, "kind": kind, "timeoutMs": 5000,
            "endpointUrl": self.faults.url(), "stsEndpointUrl": self.faults.url(), "dataPlaneUrl": format!("{}/{{api}}/{{stage}}", self.fake.data_url()),
        });
        let keys = [(ACCESS_KEY_ID, key), (SECRET_ACCESS_KEY, SECRET)];
        Connection {
            settings: settings.as_object().cloned().unwrap(),
            credentials: keys
                .map(|(name, value)| (name.to_owned(), SecretString::from(value)))
                .into(),
        }
    }
}

/// A writer with the policy of the mode that reads and writes, and a reader with that of the mode that reads: the connector
/// does all its work with no more than it asks for.
fn options() -> FakeAwsOptions {
    let settings = json!({ "region": REGION });
    let key = |id: &str, mode| AccessKey::new(id).with_policy(&printed_policy(mode, &settings));
    FakeAwsOptions {
        access_keys: vec![
            key(WRITER, Mode::ReadWrite),
            key(READER, Mode::ReadOnly),
            AccessKey::new(crate::owner::KEY),
        ],
        ..FakeAwsOptions::default()
    }
}

/// The IAM policy that `gatehouse env permissions` prints for an environment with these settings.
pub(crate) fn printed_policy(mode: Mode, settings: &Value) -> String {
    let connector = AwsConnector::new();
    let descriptor = connector.descriptor();
    let mut sets = descriptor.permissions.iter();
    let set = sets.find(|set| set.mode == mode).expect("each mode has one");
    let settings = settings.as_object().expect("settings are an object");
    let filled = set.filled(settings, &descriptor.settings_schema);
    filled.expect("no setting is missing").document.to_string()
}

#[async_trait]
impl TestGateway for AwsUnderTest {
    fn connector(&self) -> Arc<dyn Connector> {
        // The fake takes as many calls as come.
        Arc::new(AwsConnector::new().with_quotas(Vec::new()))
    }

    fn connection(&self) -> Connection {
        self.connection_of(WRITER)
    }

    fn connection_with_steps(&self) -> Option<Connection> {
        Some(self.connection())
    }

    fn connection_without(&self, permission: Permission) -> Option<Connection> {
        (permission == Permission::Write).then(|| self.connection_of(READER))
    }

    async fn add_foreign(&self, name: &str, content: RevisionContent) -> ExternalRef {
        self.owner.make(name, &content).await
    }

    async fn edit(&self, api: &ExternalRef, edit: Edit) -> bool {
        match edit {
            Edit::Content => self.owner.change(api).await,
            Edit::Name => self.owner.rename(api, EDITED).await,
            Edit::Tags => return self.owner.tag(api, EDITED).await,
        }
        true
    }

    async fn edit_during_next_deploy(&self, api: &ExternalRef) -> bool {
        let (owner, api) = (self.owner.clone(), api.clone());
        self.faults
            .before_next_change(move || Box::pin(async move { owner.change(&api).await }));
        true
    }

    async fn delete(&self, api: &ExternalRef) {
        self.owner.remove(api).await;
    }

    async fn holds(&self) -> BTreeMap<String, String> {
        self.owner.everything().await
    }

    async fn make_unreadable(&self, api: &ExternalRef) -> bool {
        // An API without the stage serves nobody there.
        self.owner.remove_stage(api).await;
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

/// An OpenAPI document of what somebody else makes.
pub(crate) fn document(name: &str, content: &RevisionContent) -> Value {
    let root = content.upstreams["main"].url.trim_end_matches('/');
    let mut paths = serde_json::Map::new();
    for operation in &content.operations {
        let path = operation.r#match.path.as_str();
        let parameters = path.split('{').skip(1).filter_map(|rest| rest.split('}').next());
        let mapped: BTreeMap<String, String> = parameters
            .map(|name| {
                (
                    format!("integration.request.path.{name}"),
                    format!("method.request.path.{name}"),
                )
            })
            .collect();
        let method = operation.r#match.method.to_string().to_lowercase();
        let integration = json!({
            "type": "http_proxy", "httpMethod": method.to_uppercase(), "uri": format!("{root}{path}"),
            "requestParameters": mapped, "payloadFormatVersion": "1.0",
        });
        let declared: Vec<Value> = path
            .split('{')
            .skip(1)
            .filter_map(|rest| rest.split('}').next())
            .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}))
            .collect();
        paths.entry(path).or_insert_with(|| json!({}))[method] = json!({"parameters": declared, "responses": {"200": {"description": "fine"}}, "x-amazon-apigateway-integration": integration});
    }
    json!({"openapi": "3.0.1", "info": {"title": name, "version": "1"}, "paths": paths})
}
