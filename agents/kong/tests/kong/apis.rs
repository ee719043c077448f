//! APIs as tests deploy them, and what the runtime would do around a deploy.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use gatehouse_agent_kong::KongConnector;
use gatehouse_connector_conformance::TestGateway as _;
use gatehouse_connector_sdk::{
    connector::{ApiReference, Connector as _, DeployRequest, Deployed},
    context::{Context, EnvironmentContext, SecretResolver},
    error::Result,
    journal::NoJournal,
    scheduler::NoQuotas,
    schemas::{
        canonical::Fingerprint,
        desired::{DesiredApi, Mark},
        environment::Mode,
        identity::{ApiId, EnvironmentId, ExternalRef, ResourceName, ResourceVersion, RevisionNumber},
        observed::{Observation, ObservedApi},
        plan::plan,
        policy::{Policy, SecretVersion},
        revision::RevisionContent,
    },
};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::under_test::KongUnderTest;

/// What every secret's value is.
pub(crate) const SECRET: &str = "value-of-every-secret-7c1d";

#[derive(Debug)]
struct OneValue;

#[async_trait]
impl SecretResolver for OneValue {
    async fn resolve(&self, names: &[ResourceName]) -> Result<BTreeMap<ResourceName, SecretString>> {
        let value = |name: &ResourceName| (name.clone(), SecretString::from(format!("{SECRET}-{name}")));
        Ok(names.iter().map(value).collect())
    }
}

/// A connector and its environment.
pub(crate) struct Operator {
    pub(crate) connector: KongConnector,
    pub(crate) context: Context,
}

impl Operator {
    pub(crate) fn of(kong: &KongUnderTest) -> Self {
        let connection = kong.connection();
        Self::with(Value::Object(connection.settings), connection.credentials)
    }

    pub(crate) fn with(settings: Value, credentials: BTreeMap<String, SecretString>) -> Self {
        let environment = EnvironmentContext {
            id: EnvironmentId(Uuid::from_u128(7)),
            name: "kong-test".parse().unwrap(),
            mode: Mode::ReadWrite,
            settings: settings.as_object().cloned().unwrap(),
            credentials,
            endpoints: Vec::new(),
        };
        Self {
            connector: KongConnector::new().unwrap(),
            context: Context {
                environment: Arc::new(environment),
                secrets: Arc::new(OneValue),
                journal: Arc::new(NoJournal),
                quotas: Arc::new(NoQuotas),
                cancellation: CancellationToken::new(),
            },
        }
    }

    pub(crate) async fn observe(&self, desired: &DesiredApi) -> Result<Observation> {
        let reference = ApiReference {
            external_ref: None,
            mark: desired.mark.clone(),
        };
        self.connector.observe(&self.context, &reference).await
    }

    pub(crate) async fn observed(&self, desired: &DesiredApi) -> ObservedApi {
        match self.observe(desired).await.unwrap() {
            Observation::Present(api) => *api,
            other => panic!("`{}` is {other:?}", desired.mark.api_name),
        }
    }

    pub(crate) async fn deploy(&self, desired: &DesiredApi) -> Result<Deployed> {
        let observation = self.observe(desired).await?;
        let plan = plan(desired, &observation, None).unwrap();
        let external_ref = match &observation {
            Observation::Present(api) => Some(api.external_ref.clone()),
            _ => None,
        };
        let request = DeployRequest {
            desired: desired.clone(),
            plan,
            external_ref,
            adopt: false,
        };
        self.connector.deploy(&self.context, &request).await
    }

    pub(crate) async fn undeploy(
        &self,
        desired: &DesiredApi,
        external_ref: Option<ExternalRef>,
    ) -> Result<()> {
        let reference = ApiReference {
            external_ref,
            mark: desired.mark.clone(),
        };
        self.connector.undeploy(&self.context, &reference).await
    }
}

/// A desired API with policies of its own and of its operations (by position).
pub(crate) fn desired(revision: u64, content: &Value) -> DesiredApi {
    let content: RevisionContent = serde_json::from_value(content.clone()).expect("content as it is written");
    let names = content.all_policies().flat_map(Policy::secret_names);
    let mut names: Vec<ResourceName> = names.cloned().collect();
    names.sort();
    names.dedup();
    let secret = |name| SecretVersion {
        name,
        version: ResourceVersion(1),
    };
    let secrets: Vec<SecretVersion> = names.into_iter().map(secret).collect();
    DesiredApi {
        mark: Mark {
            environment_id: EnvironmentId(Uuid::from_u128(7)),
            api_id: ApiId(Uuid::from_u128(42)),
            api_name: "orders".parse().unwrap(),
            revision: RevisionNumber(revision),
        },
        fingerprint: Fingerprint::of_value(&json!({ "content": content, "secrets": secrets })),
        content,
        secrets,
    }
}

/// An API at `/orders/v1` whose upstream is at `url`.
pub(crate) fn content(url: &str, policies: &Value) -> Value {
    json!({
        "displayName": "Orders", "version": "v1", "type": "rest", "direction": "ingress",
        "basePath": "/orders/v1",
        "upstreams": {"main": {"url": url, "timeoutMs": 3000, "connectTimeoutMs": 1000}},
        "policies": policies,
        "operations": [
            {"id": "root", "match": {"method": "GET", "path": "/"}},
            {"id": "listItems", "match": {"method": "GET", "path": "/items"}, "summary": "All items"},
            {"id": "addItem", "match": {"method": "POST", "path": "/items"}},
            {"id": "getItem", "match": {"method": "GET", "path": "/items/{id}"}},
            {"id": "getMine", "match": {"method": "GET", "path": "/items/mine"}, "deprecated": true},
            {"id": "export", "match": {"method": "GET", "path": "/export/{name}.json"}},
            {"id": "files", "match": {"method": "*", "path": "/files/{rest...}"}},
        ],
    })
}
