//! Refuses operations that the connector does not declare, without calling it.

use async_trait::async_trait;
use gatehouse_schemas::{
    descriptor::Descriptor, desired::DesiredApi, observed::Observation, plan::Plan, quota::VendorCalls,
};

use crate::{
    connector::{
        ApiReference, CheckReport, Connector, DeployRequest, Deployed, DiscoveryPage, Hints, PageRequest,
        Remarks, Translation,
    },
    context::{Context, EnvironmentContext},
    error::{Error, ErrorKind, Result},
    operation::Operation,
};

/// Answers operations outside the descriptor with `Unsupported`.
///
/// ```
/// # mod acme { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/acme.rs")); }
/// # acme::run(async {
/// use gatehouse_connector_sdk::{
///     connector::Connector,
///     error::ErrorKind,
///     layers::CapabilityLayer,
///     memory::{MemoryConnector, MemoryGateway},
///     operation::Operation,
///     schemas::environment::Mode,
/// };
///
/// let gateway = MemoryGateway::new();
/// let cannot_undeploy = MemoryConnector::new(gateway.clone()).with_descriptor(|it| it.capabilities.undeploy = false);
/// let layered = CapabilityLayer::new(cannot_undeploy);
///
/// let context = acme::context(Mode::ReadWrite);
/// let refused = layered.undeploy(&context, &acme::orders_by_mark()).await.unwrap_err();
/// assert_eq!(refused.kind(), ErrorKind::Unsupported);
/// assert_eq!(gateway.calls(Operation::Undeploy), 0);
/// # Ok(())
/// # });
/// ```
#[derive(Debug)]
pub struct CapabilityLayer<C> {
    inner: C,
}

impl<C: Connector> CapabilityLayer<C> {
    /// Around a connector.
    pub fn new(inner: C) -> Self {
        Self { inner }
    }

    fn require(&self, operation: Operation) -> Result<()> {
        let descriptor = self.inner.descriptor();
        if operation.is_declared_by(&descriptor.capabilities) {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Unsupported,
            format!(
                "the `{}` connector {} cannot {operation}; use an environment of a gateway type that can",
                descriptor.gateway_type, descriptor.version
            ),
        ))
    }
}

#[async_trait]
impl<C: Connector> Connector for CapabilityLayer<C> {
    fn descriptor(&self) -> &Descriptor {
        self.inner.descriptor()
    }

    async fn check(&self, context: &Context) -> Result<CheckReport> {
        self.require(Operation::Check)?;
        self.inner.check(context).await
    }

    async fn discover(&self, context: &Context, page: PageRequest) -> Result<DiscoveryPage> {
        self.require(Operation::Discover)?;
        self.inner.discover(context, page).await
    }

    async fn observe(&self, context: &Context, api: &ApiReference) -> Result<Observation> {
        self.require(Operation::Observe)?;
        self.inner.observe(context, api).await
    }

    async fn hints(&self, context: &Context) -> Result<Hints> {
        self.require(Operation::Hints)?;
        self.inner.hints(context).await
    }

    fn translate(&self, environment: &EnvironmentContext, desired: &DesiredApi) -> Translation {
        self.inner.translate(environment, desired)
    }

    fn refusal(&self, environment: &EnvironmentContext, desired: &DesiredApi) -> Option<Error> {
        self.inner.refusal(environment, desired)
    }

    fn remarks(
        &self,
        environment: &EnvironmentContext,
        desired: &DesiredApi,
        observed: &Observation,
    ) -> Remarks {
        self.inner.remarks(environment, desired, observed)
    }

    fn estimate(
        &self,
        environment: &EnvironmentContext,
        desired: Option<&DesiredApi>,
        plan: Option<&Plan>,
    ) -> VendorCalls {
        self.inner.estimate(environment, desired, plan)
    }

    async fn deploy(&self, context: &Context, request: &DeployRequest) -> Result<Deployed> {
        self.require(Operation::Deploy)?;
        self.inner.deploy(context, request).await
    }

    async fn undeploy(&self, context: &Context, api: &ApiReference) -> Result<()> {
        self.require(Operation::Undeploy)?;
        self.inner.undeploy(context, api).await
    }
}
