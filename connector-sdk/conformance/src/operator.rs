//! What the runtime does around a connector's operations, for a connector's own tests.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use gatehouse_connector_sdk::{
    connector::{ApiReference, Connector, DeployRequest, Deployed},
    context::{Context, EnvironmentContext, SecretResolver},
    error::{Error, ErrorKind, Result},
    journal::NoJournal,
    scheduler::NoQuotas,
};
use gatehouse_schemas::{
    canonical::Fingerprint,
    desired::{DesiredApi, Mark},
    environment::Mode,
    identity::{ApiId, EnvironmentId, ExternalRef, ResourceName, ResourceVersion, RevisionNumber},
    observed::{Observation, ObservedApi},
    plan::plan,
    policy::SecretVersion,
    revision::RevisionContent,
};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::Connection;

/// How every secret's value begins; a hyphen and the secret's name follow.
pub const SECRET_BEGINNING: &str = "value-of-every-secret-7c1d";

/// The environment that an [`Operator`] works in.
const ENVIRONMENT: EnvironmentId = EnvironmentId(Uuid::from_u128(7));

#[derive(Debug)]
struct OneValue;

/// A name that is one.
#[expect(clippy::expect_used, reason = "only names written here are given")]
fn name(text: &str) -> ResourceName {
    text.parse().expect("it is a name")
}

#[async_trait]
impl SecretResolver for OneValue {
    async fn resolve(&self, names: &[ResourceName]) -> Result<BTreeMap<ResourceName, SecretString>> {
        let value = |name: &ResourceName| {
            (
                name.clone(),
                SecretString::from(format!("{SECRET_BEGINNING}-{name}")),
            )
        };
        Ok(names.iter().map(value).collect())
    }
}

/// A connector and its environment, driven as the runtime drives it: looks, plans, acts.
///
/// ```
/// use gatehouse_connector_conformance::{Connection, Operator, desired};
/// use gatehouse_connector_sdk::memory::{MemoryConnector, MemoryGateway};
/// use serde_json::json;
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let connector = MemoryConnector::new(MemoryGateway::new());
/// let operator = Operator::new(connector, Connection::default());
/// let orders = desired(1, &json!({
///     "displayName": "Orders", "version": "v1", "type": "rest", "direction": "ingress", "basePath": "/orders",
///     "upstreams": {"main": {"url": "http://127.0.0.1:10009", "timeoutMs": 1000, "connectTimeoutMs": 1000}},
/// }));
/// operator.deploy(&orders).await.unwrap();
/// assert_eq!(operator.observed(&orders).await.unwrap().fingerprint, orders.fingerprint);
/// operator.undeploy(&orders, None).await.unwrap();
/// # });
/// ```
#[derive(Debug)]
pub struct Operator<C> {
    /// What is driven.
    pub connector: C,
    /// The surroundings of its operations.
    pub context: Context,
}

impl<C: Connector> Operator<C> {
    /// One that reads and writes, and resolves every secret.
    pub fn new(connector: C, connection: Connection) -> Self {
        let environment = EnvironmentContext {
            id: ENVIRONMENT,
            name: name("under-test"),
            mode: Mode::ReadWrite,
            settings: connection.settings,
            credentials: connection.credentials,
            endpoints: Vec::new(),
        };
        Self {
            connector,
            context: Context {
                environment: Arc::new(environment),
                secrets: Arc::new(OneValue),
                journal: Arc::new(NoJournal),
                quotas: Arc::new(NoQuotas),
                cancellation: CancellationToken::new(),
            },
        }
    }

    /// Looks at an API by its mark.
    pub async fn observe(&self, desired: &DesiredApi) -> Result<Observation> {
        let reference = ApiReference {
            external_ref: None,
            mark: desired.mark.clone(),
        };
        self.connector.observe(&self.context, &reference).await
    }

    /// An API that is there.
    pub async fn observed(&self, desired: &DesiredApi) -> Result<ObservedApi> {
        match self.observe(desired).await? {
            Observation::Present(api) => Ok(*api),
            other => Err(Error::new(
                ErrorKind::NotFound,
                format!("`{}` is {other:?}", desired.mark.api_name),
            )),
        }
    }

    /// Looks, plans and deploys.
    pub async fn deploy(&self, desired: &DesiredApi) -> Result<Deployed> {
        let request = self.request(desired).await?;
        self.connector.deploy(&self.context, &request).await
    }

    /// What a deploy is asked, by what is there now.
    pub async fn request(&self, desired: &DesiredApi) -> Result<DeployRequest> {
        let observation = self.observe(desired).await?;
        let plan = plan(desired, &observation, None)
            .map_err(|error| Error::new(ErrorKind::Conflict, error.to_string()))?;
        let external_ref = match &observation {
            Observation::Present(api) => Some(api.external_ref.clone()),
            _ => None,
        };
        Ok(DeployRequest {
            desired: desired.clone(),
            plan,
            external_ref,
            adopt: false,
        })
    }

    /// Removes an API.
    pub async fn undeploy(&self, desired: &DesiredApi, external_ref: Option<ExternalRef>) -> Result<()> {
        let reference = ApiReference {
            external_ref,
            mark: desired.mark.clone(),
        };
        self.connector.undeploy(&self.context, &reference).await
    }
}

/// A desired API `orders` with this content; the secrets that its policies name are at version 1.
///
/// Panics if the content is none, since it is written in a test.
///
/// ```
/// use serde_json::json;
///
/// let desired = gatehouse_connector_conformance::desired(3, &json!({
///     "displayName": "Orders", "version": "v1", "type": "rest", "direction": "ingress", "basePath": "/orders",
///     "upstreams": {"main": {"url": "http://127.0.0.1:10009", "timeoutMs": 1000, "connectTimeoutMs": 1000}},
/// }));
/// assert_eq!(desired.mark.revision.0, 3);
/// assert!(desired.secrets.is_empty());
/// ```
#[expect(clippy::expect_used, reason = "a test's own content")]
pub fn desired(revision: u64, content: &Value) -> DesiredApi {
    let content: RevisionContent = serde_json::from_value(content.clone()).expect("content as it is written");
    let secret = |name: &ResourceName| SecretVersion {
        name: name.clone(),
        version: ResourceVersion(1),
    };
    let secrets: Vec<SecretVersion> = content.secret_names().into_iter().map(secret).collect();
    DesiredApi {
        mark: Mark {
            environment_id: ENVIRONMENT,
            api_id: ApiId(Uuid::from_u128(42)),
            api_name: name("orders"),
            revision: RevisionNumber(revision),
        },
        fingerprint: Fingerprint::of_value(&json!({ "content": content, "secrets": secrets })),
        content,
        secrets,
    }
}
