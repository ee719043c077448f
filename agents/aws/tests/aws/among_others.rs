//! The connector in an account in which others have APIs, too: the suite counts what is listed, and means its own.

use std::{fmt, time::Duration};

use async_trait::async_trait;
use gatehouse_agent_aws::AwsConnector;
use gatehouse_connector_sdk::{
    connector::{
        ApiReference, CheckReport, Connector, DeployRequest, Deployed, DiscoveryPage, Hints, PageRequest,
        Remarks, Translation,
    },
    context::{Context, EnvironmentContext},
    error::{Error, Result},
    schemas::{
        descriptor::Descriptor,
        desired::DesiredApi,
        identity::ExternalRef,
        observed::{DiscoveredItem, Observation},
        plan::Plan,
        quota::VendorCalls,
    },
};

use crate::owner::Owner;

/// The connector, which tells of its listings what the suite made. Everything else is passed on.
pub(crate) struct AmongOthers {
    pub(crate) connector: AwsConnector,
    /// Who knows what others have.
    pub(crate) owner: Owner,
    /// How long what was deployed may take until it is served.
    pub(crate) settling: Duration,
}

impl fmt::Debug for AmongOthers {
    /// Without the owner, whose clients show the names of their keys: the suite looks for credentials here.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut formatter = formatter.debug_struct("AmongOthers");
        formatter
            .field("connector", &self.connector)
            .finish_non_exhaustive()
    }
}

fn external_ref(item: &DiscoveredItem) -> &ExternalRef {
    match item {
        DiscoveredItem::Api(api) => &api.external_ref,
        DiscoveredItem::Unchanged { external_ref, .. } | DiscoveredItem::Unreadable { external_ref, .. } => {
            external_ref
        }
    }
}

#[async_trait]
impl Connector for AmongOthers {
    fn descriptor(&self) -> &Descriptor {
        self.connector.descriptor()
    }

    async fn check(&self, context: &Context) -> Result<CheckReport> {
        self.connector.check(context).await
    }

    async fn discover(&self, context: &Context, page: PageRequest) -> Result<DiscoveryPage> {
        let mut page = self.connector.discover(context, page).await?;
        let others = self.owner.others().await;
        page.items.retain(|item| !others.contains(&external_ref(item).0));
        Ok(page)
    }

    async fn observe(&self, context: &Context, api: &ApiReference) -> Result<Observation> {
        self.connector.observe(context, api).await
    }

    async fn hints(&self, context: &Context) -> Result<Hints> {
        self.connector.hints(context).await
    }

    fn translate(&self, environment: &EnvironmentContext, desired: &DesiredApi) -> Translation {
        self.connector.translate(environment, desired)
    }

    fn refusal(&self, environment: &EnvironmentContext, desired: &DesiredApi) -> Option<Error> {
        self.connector.refusal(environment, desired)
    }

    fn remarks(
        &self,
        environment: &EnvironmentContext,
        desired: &DesiredApi,
        observed: &Observation,
    ) -> Remarks {
        self.connector.remarks(environment, desired, observed)
    }

    fn estimate(
        &self,
        environment: &EnvironmentContext,
        desired: Option<&DesiredApi>,
        plan: Option<&Plan>,
    ) -> VendorCalls {
        self.connector.estimate(environment, desired, plan)
    }

    async fn deploy(&self, context: &Context, request: &DeployRequest) -> Result<Deployed> {
        let deployed = self.connector.deploy(context, request).await?;
        // A condition would be asked of a consumer, who cannot tell one machine of AWS from another.
        tokio::time::sleep(self.settling).await;
        Ok(deployed)
    }

    async fn undeploy(&self, context: &Context, api: &ApiReference) -> Result<()> {
        self.connector.undeploy(context, api).await
    }
}
