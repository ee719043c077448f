//! Tries again what can succeed later.

use std::{future::Future, time::Duration};

use async_trait::async_trait;
use gatehouse_schemas::{
    descriptor::Descriptor, desired::DesiredApi, observed::Observation, plan::Plan, quota::VendorCalls,
};
use tokio_util::sync::CancellationToken;

use crate::{
    backoff::Backoff,
    connector::{
        ApiReference, CheckReport, Connector, DeployRequest, Deployed, DiscoveryPage, Hints, PageRequest,
        Remarks, Translation,
    },
    context::{Context, EnvironmentContext},
    error::{Error, Result, Retry},
};

/// How often and after which pauses to try again.
///
/// ```
/// use std::time::Duration;
///
/// use gatehouse_connector_sdk::layers::RetryPolicy;
///
/// let once = RetryPolicy { attempts: 1, ..RetryPolicy::default() };
/// assert_eq!(once.longest_wait, Duration::from_secs(30));
/// assert_eq!(RetryPolicy::default().attempts, 4);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// How many attempts there are, the first included: 1 means never again. By default 4.
    pub attempts: u32,
    /// How pauses grow. By default from 200 ms to 5 s.
    pub backoff: Backoff,
    /// The longest time the gateway may ask for; if it asks for more, there is no further attempt. By default 30 s.
    pub longest_wait: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 4,
            backoff: Backoff {
                first: Duration::from_millis(200),
                longest: Duration::from_secs(5),
            },
            longest_wait: Duration::from_secs(30),
        }
    }
}

/// Repeats operations whose error says that trying again can help. The error of the last attempt is
/// marked [`Retry::Never`], so that two such layers do not multiply.
///
/// ```
/// # mod acme { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/acme.rs")); }
/// # acme::run(async {
/// use gatehouse_connector_sdk::{
///     connector::Connector,
///     error::{ErrorKind, Retry},
///     layers::{RetryLayer, RetryPolicy},
///     memory::{Fault, MemoryConnector, MemoryGateway},
///     operation::Operation,
///     schemas::environment::Mode,
/// };
///
/// let gateway = MemoryGateway::new();
/// let policy = RetryPolicy { attempts: 2, ..RetryPolicy::default() };
/// let layered = RetryLayer::new(MemoryConnector::new(gateway.clone()), policy);
/// gateway.inject(Operation::Check, vec![Fault::Fail(ErrorKind::Unavailable); 2]);
///
/// let failed = layered.check(&acme::context(Mode::ReadOnly)).await.unwrap_err();
/// assert_eq!((failed.kind(), failed.retry()), (ErrorKind::Unavailable, Retry::Never));
/// assert_eq!(gateway.calls(Operation::Check), 2);
/// # Ok(())
/// # });
/// ```
#[derive(Debug)]
pub struct RetryLayer<C> {
    inner: C,
    policy: RetryPolicy,
}

impl<C: Connector> RetryLayer<C> {
    /// Around a connector.
    pub fn new(inner: C, policy: RetryPolicy) -> Self {
        Self { inner, policy }
    }

    async fn repeat<T, F: Future<Output = Result<T>>>(
        &self,
        cancellation: &CancellationToken,
        attempt: impl Fn() -> F,
    ) -> Result<T> {
        let mut failures = 0;
        loop {
            let error = match attempt().await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            failures += 1;
            let Some(pause) = self.pause(&error, failures) else {
                return Err(error.with_retry(Retry::Never));
            };
            if cancellation
                .run_until_cancelled(tokio::time::sleep(pause))
                .await
                .is_none()
            {
                return Err(error.with_retry(Retry::Never));
            }
        }
    }

    /// How long to wait before the next attempt; none if there is to be none.
    fn pause(&self, error: &Error, failures: u32) -> Option<Duration> {
        if failures >= self.policy.attempts {
            return None;
        }
        match error.retry() {
            Retry::Never => None,
            Retry::Backoff => Some(self.policy.backoff.pause(failures)),
            Retry::After(wait) => (wait <= self.policy.longest_wait).then_some(wait),
        }
    }
}

#[async_trait]
impl<C: Connector> Connector for RetryLayer<C> {
    fn descriptor(&self) -> &Descriptor {
        self.inner.descriptor()
    }

    async fn check(&self, context: &Context) -> Result<CheckReport> {
        self.repeat(&context.cancellation, || self.inner.check(context))
            .await
    }

    async fn discover(&self, context: &Context, page: PageRequest) -> Result<DiscoveryPage> {
        self.repeat(&context.cancellation, || {
            self.inner.discover(context, page.clone())
        })
        .await
    }

    async fn observe(&self, context: &Context, api: &ApiReference) -> Result<Observation> {
        self.repeat(&context.cancellation, || self.inner.observe(context, api))
            .await
    }

    async fn hints(&self, context: &Context) -> Result<Hints> {
        self.repeat(&context.cancellation, || self.inner.hints(context))
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
        self.repeat(&context.cancellation, || self.inner.deploy(context, request))
            .await
    }

    async fn undeploy(&self, context: &Context, api: &ApiReference) -> Result<()> {
        self.repeat(&context.cancellation, || self.inner.undeploy(context, api))
            .await
    }
}
