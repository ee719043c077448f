//! Keeps what goes wrong inside a connector in the environment it happens in.
//!
//! Each call of a connector runs on a thread of its own, for as long as it takes. So a call that panics is an error
//! like any other, and one that blocks its thread holds up nothing but itself: not the session, not another
//! environment. Whoever waits for a call can give it up at any time. It then ends at the next point where it waits;
//! one that never waits goes on, and until it ends nothing else is begun in its environment, since every further call
//! would most likely hang as well and cost another thread.
//!
//! What a connector starts by itself, as tasks of the runtime, is not isolated.

mod register;
mod thread;

use std::sync::Arc;

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

use register::{Hanging, Register};
use thread::Lost;

/// Where the calls of one connector are known that have not ended. Cheap to clone.
///
/// # Errors
///
/// `Unexpected` if the call panicked; `Unavailable` if it was not begun, since an earlier one in its environment was given
/// up and has not ended, or since the system gives no further thread.
///
/// ```
/// # mod acme { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/acme.rs")); }
/// # acme::run(async {
/// use gatehouse_connector_sdk::{error::ErrorKind, layers::Isolation, schemas::environment::Mode};
///
/// let isolation = Isolation::default();
/// let environment = acme::environment(Mode::ReadOnly);
/// assert_eq!(isolation.run("look", &environment, async { 42 }).await?, 42);
///
/// let empty: [u32; 0] = [];
/// let panics = async move { *empty.iter().max().expect("a list that is not empty") };
/// let panicked = isolation.run("look", &environment, panics).await.unwrap_err();
/// assert_eq!(panicked.kind(), ErrorKind::Unexpected);
/// assert_eq!(isolation.hanging(environment.id), 0);
/// # Ok(())
/// # });
/// ```
#[derive(Debug, Clone, Default)]
pub struct Isolation {
    register: Arc<Register>,
}

impl Isolation {
    /// Runs a call of this name on a thread of its own. Dropping the future gives the call up.
    pub async fn run<T: Send + 'static>(
        &self,
        name: &'static str,
        environment: &EnvironmentContext,
        call: impl Future<Output = T> + Send + 'static,
    ) -> Result<T> {
        if let Some(hanging) = self.register.settled(environment.id).await {
            return Err(not_begun(name, environment, &hanging));
        }
        let (place, given_up) = self.register.enter(environment.id, name);
        let ended = thread::run(environment.name.as_str(), call, place, given_up.token()).await;
        given_up.disarm();
        ended.map_err(|lost| lost_call(name, environment, lost))
    }

    /// How many calls in an environment were given up and have not ended.
    pub fn hanging(&self, environment: gatehouse_schemas::identity::EnvironmentId) -> usize {
        self.register.count(environment)
    }
}

fn not_begun(name: &str, environment: &EnvironmentContext, hanging: &Hanging) -> Error {
    Error::new(
        ErrorKind::Unavailable,
        format!(
            "the {name} in environment `{}` was not begun: the {} begun there at {} was given up and has not ended since, because the connector blocks its thread; restart the agent, and report it to the connector's authors",
            environment.name, hanging.name, hanging.since
        ),
    )
}

fn lost_call(name: &str, environment: &EnvironmentContext, lost: Lost) -> Error {
    let environment = &environment.name;
    match lost {
        Lost::Panicked(text) => Error::new(
            ErrorKind::Unexpected,
            format!(
                "the connector panicked during the {name} in environment `{environment}`: {text}; report it to the connector's authors"
            ),
        ),
        Lost::NoThread(source) => Error::new(
            ErrorKind::Unavailable,
            format!(
                "the {name} in environment `{environment}` was not begun: the system gives the agent no further thread; raise its limits, or serve fewer environments with one agent"
            ),
        )
        .with_source(source),
    }
}

/// Isolates the operations of a connector. `translate` and `estimate` have no way to tell of an error and pass through
/// as they are; [`PureFunctions`](super::PureFunctions) isolates those.
///
/// ```
/// # mod acme { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/acme.rs")); }
/// # acme::run(async {
/// use gatehouse_connector_sdk::{
///     connector::Connector,
///     layers::{Isolation, IsolationLayer},
///     memory::{MemoryConnector, MemoryGateway},
///     schemas::{environment::Mode, observed::Observation},
/// };
///
/// let layered = IsolationLayer::new(MemoryConnector::new(MemoryGateway::new()), Isolation::default());
/// let context = acme::context(Mode::ReadOnly);
/// assert_eq!(layered.observe(&context, &acme::orders_by_mark()).await?, Observation::Absent);
/// # Ok(())
/// # });
/// ```
#[derive(Debug)]
pub struct IsolationLayer<C> {
    inner: Arc<C>,
    isolation: Isolation,
}

impl<C: Connector> IsolationLayer<C> {
    /// Around a connector; what hangs is known to everybody who shares the isolation.
    pub fn new(inner: C, isolation: Isolation) -> Self {
        Self {
            inner: Arc::new(inner),
            isolation,
        }
    }

    async fn isolated<T: Send + 'static, F>(
        &self,
        operation: Operation,
        context: &Context,
        call: impl FnOnce(Arc<C>, Context) -> F,
    ) -> Result<T>
    where
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let call = call(self.inner.clone(), context.clone());
        let ended = self.isolation.run(operation.as_str(), &context.environment, call);
        ended.await?
    }
}

#[async_trait]
impl<C: Connector> Connector for IsolationLayer<C> {
    fn descriptor(&self) -> &Descriptor {
        self.inner.descriptor()
    }

    async fn check(&self, context: &Context) -> Result<CheckReport> {
        let call = |inner: Arc<C>, context: Context| async move { inner.check(&context).await };
        self.isolated(Operation::Check, context, call).await
    }

    async fn discover(&self, context: &Context, page: PageRequest) -> Result<DiscoveryPage> {
        let call = |inner: Arc<C>, context: Context| async move { inner.discover(&context, page).await };
        self.isolated(Operation::Discover, context, call).await
    }

    async fn observe(&self, context: &Context, api: &ApiReference) -> Result<Observation> {
        let api = api.clone();
        let call = |inner: Arc<C>, context: Context| async move { inner.observe(&context, &api).await };
        self.isolated(Operation::Observe, context, call).await
    }

    async fn hints(&self, context: &Context) -> Result<Hints> {
        let call = |inner: Arc<C>, context: Context| async move { inner.hints(&context).await };
        self.isolated(Operation::Hints, context, call).await
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
        let request = request.clone();
        let call = |inner: Arc<C>, context: Context| async move { inner.deploy(&context, &request).await };
        self.isolated(Operation::Deploy, context, call).await
    }

    async fn undeploy(&self, context: &Context, api: &ApiReference) -> Result<()> {
        let api = api.clone();
        let call = |inner: Arc<C>, context: Context| async move { inner.undeploy(&context, &api).await };
        self.isolated(Operation::Undeploy, context, call).await
    }
}

#[cfg(test)]
mod tests;
