//! One connector on one gateway, with everything a test does to it.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use gatehouse_connector_sdk::{
    connector::{ApiReference, CheckReport, Connector, DeployRequest, Deployed, DiscoveryPage, PageRequest},
    context::{Context, EnvironmentContext, SecretResolver},
    error::{Error, ErrorKind, Result},
    operation::Operation,
};
use gatehouse_schemas::{
    descriptor::Capabilities,
    desired::DesiredApi,
    environment::Mode,
    identity::{ExternalRef, ResourceName},
    observed::{DiscoveredItem, Observation},
    plan::plan,
};
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

use crate::{
    gateway::{Connection, Disturbance, TestGateway},
    journal::TestJournal,
    quotas::CountingQuotas,
    sample,
    verdict::{Stop, require},
};

/// One connector on one gateway.
#[derive(Clone)]
pub(crate) struct Subject {
    pub(crate) gateway: Arc<dyn TestGateway>,
    pub(crate) connector: Arc<dyn Connector>,
    pub(crate) journal: TestJournal,
    pub(crate) quotas: CountingQuotas,
    connection: Connection,
    mode: Mode,
}

impl Subject {
    pub(crate) fn new(gateway: Arc<dyn TestGateway>) -> Self {
        Self {
            connector: gateway.connector(),
            connection: gateway.connection(),
            gateway,
            journal: TestJournal::default(),
            quotas: CountingQuotas::default(),
            mode: Mode::ReadWrite,
        }
    }

    pub(crate) fn capabilities(&self) -> Capabilities {
        self.connector.descriptor().capabilities.clone()
    }

    /// As another process sees it: what is recorded and what the gateway holds is all that it knows.
    pub(crate) fn restarted(&self) -> Self {
        Self {
            connector: self.gateway.connector(),
            ..self.clone()
        }
    }

    pub(crate) fn in_mode(&self, mode: Mode) -> Self {
        Self { mode, ..self.clone() }
    }

    pub(crate) fn through(&self, connection: Connection) -> Self {
        Self {
            connection,
            ..self.clone()
        }
    }

    /// Through a connection with which a deploy takes several steps.
    pub(crate) fn with_steps(&self) -> std::result::Result<Self, Stop> {
        let connection = self.gateway.connection_with_steps();
        let connection =
            connection.ok_or_else(|| Stop::Skip("a deploy never takes several steps".to_owned()))?;
        Ok(self.through(connection))
    }

    /// With quotas that have counted nothing yet.
    pub(crate) fn counting(&self) -> Self {
        Self {
            quotas: CountingQuotas::default(),
            ..self.clone()
        }
    }

    pub(crate) fn with_journal(&self, journal: TestJournal) -> Self {
        Self {
            journal,
            ..self.clone()
        }
    }

    pub(crate) fn context(&self) -> Context {
        Context {
            journal: Arc::new(self.journal.clone()),
            quotas: Arc::new(self.quotas.clone()),
            ..context(&self.connection, self.mode)
        }
    }

    pub(crate) async fn disturb(
        &self,
        operation: Operation,
        disturbance: Disturbance,
    ) -> std::result::Result<(), Stop> {
        let can = self.gateway.disturb(operation, disturbance).await;
        require(can, &format!("cannot be brought to `{disturbance:?}`"))
    }

    pub(crate) async fn observe(
        &self,
        desired: &DesiredApi,
        external_ref: Option<&ExternalRef>,
    ) -> Result<Observation> {
        let observed = self
            .connector
            .observe(&self.context(), &reference(desired, external_ref))
            .await;
        self.gateway.calm(Operation::Observe).await;
        observed
    }

    pub(crate) async fn check(&self) -> Result<CheckReport> {
        let checked = self.connector.check(&self.context()).await;
        self.gateway.calm(Operation::Check).await;
        checked
    }

    /// What to ask for to get there from what is there now.
    pub(crate) async fn request(&self, desired: &DesiredApi) -> std::result::Result<DeployRequest, Stop> {
        let observed = self.observe(desired, None).await?;
        let plan = plan(desired, &observed, None)
            .map_err(|error| Stop::Fail(format!("there is no plan for what is observed: {error}")))?;
        Ok(DeployRequest {
            external_ref: match observed {
                Observation::Present(api) => Some(api.external_ref),
                _ => None,
            },
            desired: desired.clone(),
            plan,
            adopt: false,
        })
    }

    /// Deploys as the runtime does: looks, plans, and carries it out.
    pub(crate) async fn deploy(&self, desired: &DesiredApi) -> std::result::Result<Deployed, Stop> {
        Ok(self.try_deploy(desired).await??)
    }

    /// The same; the outer error is that of the look before it.
    pub(crate) async fn try_deploy(
        &self,
        desired: &DesiredApi,
    ) -> std::result::Result<Result<Deployed>, Stop> {
        let request = self.request(desired).await?;
        let deployed = self.connector.deploy(&self.context(), &request).await;
        self.gateway.calm(Operation::Deploy).await;
        Ok(deployed)
    }

    pub(crate) async fn undeploy(
        &self,
        desired: &DesiredApi,
        external_ref: Option<&ExternalRef>,
    ) -> Result<()> {
        let removed = self
            .connector
            .undeploy(&self.context(), &reference(desired, external_ref))
            .await;
        self.gateway.calm(Operation::Undeploy).await;
        removed
    }

    pub(crate) async fn page(&self, request: PageRequest) -> Result<DiscoveryPage> {
        let page = self.connector.discover(&self.context(), request).await;
        self.gateway.calm(Operation::Discover).await;
        page
    }

    /// All items of a listing, following `next`.
    pub(crate) async fn list(&self, first: PageRequest) -> std::result::Result<Vec<DiscoveredItem>, Stop> {
        let (mut items, mut request) = (Vec::new(), first);
        for _ in 0..10_000 {
            let page = self.page(request.clone()).await?;
            items.extend(page.items);
            match page.next {
                None => return Ok(items),
                position => request.position = position,
            }
        }
        Err(Stop::Fail(
            "the listing has more than 10,000 pages; following `next` does not end".to_owned(),
        ))
    }
}

/// The surroundings of an operation whose steps and calls nobody counts.
pub(crate) fn context(connection: &Connection, mode: Mode) -> Context {
    Context {
        environment: Arc::new(EnvironmentContext {
            id: sample::environment_id(),
            name: sample::name("conformance"),
            mode,
            settings: connection.settings.clone(),
            credentials: connection.credentials.clone(),
            endpoints: Vec::new(),
        }),
        secrets: Arc::new(OneSecret),
        journal: Arc::new(TestJournal::default()),
        quotas: Arc::new(CountingQuotas::default()),
        cancellation: CancellationToken::new(),
    }
}

/// A listing in pages of a size.
pub(crate) fn pages_of(limit: usize) -> PageRequest {
    PageRequest {
        limit,
        ..PageRequest::default()
    }
}

pub(crate) fn reference(desired: &DesiredApi, external_ref: Option<&ExternalRef>) -> ApiReference {
    ApiReference {
        external_ref: external_ref.cloned(),
        mark: desired.mark.clone(),
    }
}

/// What an item is about.
pub(crate) fn item_ref(item: &DiscoveredItem) -> &ExternalRef {
    match item {
        DiscoveredItem::Api(api) => &api.external_ref,
        DiscoveredItem::Unchanged { external_ref, .. } | DiscoveredItem::Unreadable { external_ref, .. } => {
            external_ref
        }
    }
}

/// Knows the suite's secret and no other.
#[derive(Debug)]
struct OneSecret;

#[async_trait]
impl SecretResolver for OneSecret {
    async fn resolve(&self, names: &[ResourceName]) -> Result<BTreeMap<ResourceName, SecretString>> {
        let (known, value) = sample::SECRET;
        let resolve = |name: &ResourceName| match name.as_str() == known {
            true => Ok((name.clone(), SecretString::from(value))),
            false => Err(Error::new(
                ErrorKind::Invalid,
                format!("there is no secret `{name}`"),
            )),
        };
        names.iter().map(resolve).collect()
    }
}
