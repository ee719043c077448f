//! Holds the environment's mode on the agent's side, whatever the control plane asked for.

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

/// Refuses changes in a read-only environment and discovery in a write-only one, without a call.
///
/// ```
/// # mod acme { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/acme.rs")); }
/// # acme::run(async {
/// use gatehouse_connector_sdk::{
///     connector::Connector,
///     error::ErrorKind,
///     layers::ModeLayer,
///     memory::{MemoryConnector, MemoryGateway},
///     schemas::environment::Mode,
/// };
///
/// let gateway = MemoryGateway::new();
/// let layered = ModeLayer::new(MemoryConnector::new(gateway.clone()));
/// let refused = layered.deploy(&acme::context(Mode::ReadOnly), &acme::first_deploy()).await.unwrap_err();
/// assert_eq!(refused.kind(), ErrorKind::Forbidden);
/// assert!(gateway.apis().is_empty());
/// # Ok(())
/// # });
/// ```
#[derive(Debug)]
pub struct ModeLayer<C> {
    inner: C,
}

impl<C: Connector> ModeLayer<C> {
    /// Around a connector.
    pub fn new(inner: C) -> Self {
        Self { inner }
    }
}

fn may_write(context: &Context, operation: Operation) -> Result<()> {
    let environment = &context.environment;
    if environment.mode.may_write() {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Forbidden,
        format!(
            "environment `{}` is read-only and refuses to {operation}; set its mode to `read-write` or `write-only`",
            environment.name
        ),
    ))
}

fn may_read(context: &Context, operation: Operation) -> Result<()> {
    let environment = &context.environment;
    if environment.mode.may_read() {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Forbidden,
        format!(
            "environment `{}` is write-only and refuses to {operation}; set its mode to `read-write` or `read-only`",
            environment.name
        ),
    ))
}

#[async_trait]
impl<C: Connector> Connector for ModeLayer<C> {
    fn descriptor(&self) -> &Descriptor {
        self.inner.descriptor()
    }

    async fn check(&self, context: &Context) -> Result<CheckReport> {
        self.inner.check(context).await
    }

    async fn discover(&self, context: &Context, page: PageRequest) -> Result<DiscoveryPage> {
        may_read(context, Operation::Discover)?;
        self.inner.discover(context, page).await
    }

    // Looking at what we deployed ourselves is part of deploying, so every mode allows it.
    async fn observe(&self, context: &Context, api: &ApiReference) -> Result<Observation> {
        self.inner.observe(context, api).await
    }

    // A hint leads to what the mode allows, and to nothing else.
    async fn hints(&self, context: &Context) -> Result<Hints> {
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
        may_write(context, Operation::Deploy)?;
        self.inner.deploy(context, request).await
    }

    async fn undeploy(&self, context: &Context, api: &ApiReference) -> Result<()> {
        may_write(context, Operation::Undeploy)?;
        self.inner.undeploy(context, api).await
    }
}
