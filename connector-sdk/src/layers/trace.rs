//! Makes operations visible: a span around each, one line for each failure, and metrics.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use gatehouse_schemas::{
    descriptor::Descriptor, desired::DesiredApi, identity::ResourceName, observed::Observation, plan::Plan,
    quota::VendorCalls,
};
use tracing::{Instrument as _, debug, info_span, warn};

use crate::{
    connector::{
        ApiReference, CheckReport, Connector, DeployRequest, Deployed, DiscoveryPage, Hints, PageRequest,
        Remarks, Translation,
    },
    context::{Context, EnvironmentContext},
    error::{Error, Result, chain},
    monitor::TypeMonitor,
    operation::Operation,
};

/// Puts each operation into a span and logs each failure once, where it happens.
///
/// ```
/// # mod acme { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/acme.rs")); }
/// # acme::run(async {
/// use gatehouse_connector_sdk::{
///     connector::Connector,
///     layers::TraceLayer,
///     memory::{MemoryConnector, MemoryGateway},
///     operation::Operation,
///     schemas::environment::Mode,
/// };
///
/// let gateway = MemoryGateway::new();
/// let layered = TraceLayer::new(MemoryConnector::new(gateway.clone()));
/// layered.check(&acme::context(Mode::ReadOnly)).await?;
/// assert_eq!(gateway.calls(Operation::Check), 1);
/// # Ok(())
/// # });
/// ```
#[derive(Debug)]
pub struct TraceLayer<C> {
    inner: C,
    monitor: Option<TypeMonitor>,
}

impl<C: Connector> TraceLayer<C> {
    /// Around a connector.
    pub fn new(inner: C) -> Self {
        Self { inner, monitor: None }
    }

    /// Counts operations, too.
    pub(crate) fn counted(mut self, monitor: TypeMonitor) -> Self {
        self.monitor = Some(monitor);
        self
    }

    fn count(&self, operation: Operation, environment: &ResourceName, error: Option<&Error>, took: Duration) {
        if let Some(monitor) = &self.monitor {
            monitor.operation(environment, operation, error.map(Error::kind), took);
        }
    }

    async fn traced<T>(
        &self,
        operation: Operation,
        context: &Context,
        run: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let environment = &context.environment.name;
        let span = info_span!("connector", operation = %operation, environment.name = %environment);
        let began = Instant::now();
        let result = run.instrument(span.clone()).await;
        let took = began.elapsed();
        let elapsed_ms = took.as_millis();
        self.count(operation, environment, result.as_ref().err(), took);
        span.in_scope(|| match &result {
            Ok(_) => debug!(elapsed_ms, "The {operation} in `{environment}` succeeded"),
            Err(error) => warn!(
                elapsed_ms,
                error.kind = error.kind().as_str(),
                error = %chain(error),
                "The {operation} in `{environment}` failed"
            ),
        });
        result
    }
}

#[async_trait]
impl<C: Connector> Connector for TraceLayer<C> {
    fn descriptor(&self) -> &Descriptor {
        self.inner.descriptor()
    }

    async fn check(&self, context: &Context) -> Result<CheckReport> {
        self.traced(Operation::Check, context, self.inner.check(context))
            .await
    }

    async fn discover(&self, context: &Context, page: PageRequest) -> Result<DiscoveryPage> {
        self.traced(Operation::Discover, context, self.inner.discover(context, page))
            .await
    }

    async fn observe(&self, context: &Context, api: &ApiReference) -> Result<Observation> {
        self.traced(Operation::Observe, context, self.inner.observe(context, api))
            .await
    }

    async fn hints(&self, context: &Context) -> Result<Hints> {
        self.traced(Operation::Hints, context, self.inner.hints(context))
            .await
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
        self.traced(Operation::Deploy, context, self.inner.deploy(context, request))
            .await
    }

    async fn undeploy(&self, context: &Context, api: &ApiReference) -> Result<()> {
        self.traced(Operation::Undeploy, context, self.inner.undeploy(context, api))
            .await
    }
}
