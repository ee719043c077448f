//! Ends operations that take too long.

use std::{future::Future, sync::Arc, time::Duration};

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
    scheduler::WaitingClock,
};

/// How long each operation may take. The defaults are our own figures, not a vendor's.
///
/// ```
/// use std::time::Duration;
///
/// use gatehouse_connector_sdk::layers::Deadlines;
///
/// let deadlines = Deadlines { deploy: Duration::from_secs(600), ..Deadlines::default() };
/// assert_eq!(deadlines.check, Duration::from_secs(30));
/// assert!(deadlines.deploy > Deadlines::default().deploy);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    /// A check. By default 30 s.
    pub check: Duration,
    /// One page of a discovery. By default 60 s.
    pub discover: Duration,
    /// One look at an API. By default 30 s.
    pub observe: Duration,
    /// One wait for what the gateway tells of changes. By default 60 s.
    pub hints: Duration,
    /// One attempt to deploy. By default 5 minutes.
    pub deploy: Duration,
    /// One attempt to undeploy. By default 5 minutes.
    pub undeploy: Duration,
    /// One translation, or one estimate. By default 30 s.
    pub translate: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            check: Duration::from_secs(30),
            discover: Duration::from_secs(60),
            observe: Duration::from_secs(30),
            hints: Duration::from_secs(60),
            deploy: Duration::from_secs(300),
            undeploy: Duration::from_secs(300),
            translate: Duration::from_secs(30),
        }
    }
}

impl Deadlines {
    fn of(&self, operation: Operation) -> Duration {
        match operation {
            Operation::Check => self.check,
            Operation::Discover => self.discover,
            Operation::Observe => self.observe,
            Operation::Hints => self.hints,
            Operation::Deploy => self.deploy,
            Operation::Undeploy => self.undeploy,
        }
    }
}

/// Turns an operation that takes too long into an `Unavailable` error and cancels what it is told by
/// [`Context::cancellation`]. Waiting for the vendor's quotas does not count.
///
/// ```
/// # mod acme { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/acme.rs")); }
/// # acme::run(async {
/// use std::time::Duration;
///
/// use gatehouse_connector_sdk::{
///     connector::Connector,
///     error::ErrorKind,
///     layers::{DeadlineLayer, Deadlines},
///     memory::{Fault, MemoryConnector, MemoryGateway},
///     operation::Operation,
///     schemas::environment::Mode,
/// };
///
/// let gateway = MemoryGateway::new();
/// let deadlines = Deadlines { check: Duration::from_millis(20), ..Deadlines::default() };
/// let layered = DeadlineLayer::new(MemoryConnector::new(gateway.clone()), deadlines);
///
/// gateway.inject(Operation::Check, [Fault::Delay(Duration::from_secs(3600))]);
/// let late = layered.check(&acme::context(Mode::ReadOnly)).await.unwrap_err();
/// assert_eq!(late.kind(), ErrorKind::Unavailable);
/// assert_eq!(late.message(), "the check in environment `acme-test` did not finish within 20ms");
/// # Ok(())
/// # });
/// ```
#[derive(Debug)]
pub struct DeadlineLayer<C> {
    inner: C,
    deadlines: Deadlines,
}

impl<C: Connector> DeadlineLayer<C> {
    /// Around a connector.
    pub fn new(inner: C, deadlines: Deadlines) -> Self {
        Self { inner, deadlines }
    }

    async fn within<T, F: Future<Output = Result<T>>>(
        &self,
        operation: Operation,
        context: &Context,
        run: impl FnOnce(Context) -> F,
    ) -> Result<T> {
        let limit = self.deadlines.of(operation);
        let waiting = Arc::new(WaitingClock::default());
        let context = Context {
            cancellation: context.cancellation.child_token(),
            quotas: waiting.around(context.quotas.clone()),
            ..context.clone()
        };
        let environment = context.environment.name.clone();
        let cancelled_at_the_end = context.cancellation.clone().drop_guard();
        let result = waiting.timeout(limit, run(context)).await;
        drop(cancelled_at_the_end);
        result.unwrap_or_else(|| {
            Err(Error::new(
                ErrorKind::Unavailable,
                format!("the {operation} in environment `{environment}` did not finish within {limit:?}"),
            ))
        })
    }
}

#[async_trait]
impl<C: Connector> Connector for DeadlineLayer<C> {
    fn descriptor(&self) -> &Descriptor {
        self.inner.descriptor()
    }

    async fn check(&self, context: &Context) -> Result<CheckReport> {
        let run = |context: Context| async move { self.inner.check(&context).await };
        self.within(Operation::Check, context, run).await
    }

    async fn discover(&self, context: &Context, page: PageRequest) -> Result<DiscoveryPage> {
        let run = |context: Context| async move { self.inner.discover(&context, page).await };
        self.within(Operation::Discover, context, run).await
    }

    async fn observe(&self, context: &Context, api: &ApiReference) -> Result<Observation> {
        let run = |context: Context| async move { self.inner.observe(&context, api).await };
        self.within(Operation::Observe, context, run).await
    }

    async fn hints(&self, context: &Context) -> Result<Hints> {
        let run = |context: Context| async move { self.inner.hints(&context).await };
        self.within(Operation::Hints, context, run).await
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
        let run = |context: Context| async move { self.inner.deploy(&context, request).await };
        self.within(Operation::Deploy, context, run).await
    }

    async fn undeploy(&self, context: &Context, api: &ApiReference) -> Result<()> {
        let run = |context: Context| async move { self.inner.undeploy(&context, api).await };
        self.within(Operation::Undeploy, context, run).await
    }
}
