//! A connector that does in some environments what no connector should, for tests.

use std::{
    collections::BTreeMap,
    sync::{Arc, Condvar, Mutex},
};

use async_trait::async_trait;
use gatehouse_schemas::{
    descriptor::Descriptor, desired::DesiredApi, identity::EnvironmentId, observed::Observation, plan::Plan,
    quota::VendorCalls,
};

use crate::{
    connector::{
        ApiReference, CheckReport, Connector, DeployRequest, Deployed, DiscoveryPage, Hints, PageRequest,
        Remarks, Translation,
    },
    context::{Context, EnvironmentContext},
    error::{Error, Result},
    memory::MemoryConnector,
};

/// What it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Misdeed {
    /// Every operation panics.
    Panics,
    /// Every operation blocks its thread.
    Blocks,
    /// `translate` panics.
    PanicsTranslating,
    /// `estimate` blocks its thread.
    BlocksEstimating,
}

/// The in-memory connector, but for its misdeeds. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Misbehaving {
    inner: Arc<MemoryConnector>,
    misdeeds: Arc<Mutex<BTreeMap<EnvironmentId, Misdeed>>>,
    blocked: Arc<(Mutex<usize>, Condvar)>,
}

impl Misbehaving {
    pub(crate) fn new(inner: MemoryConnector) -> Self {
        Self {
            inner: Arc::new(inner),
            misdeeds: Arc::default(),
            blocked: Arc::default(),
        }
    }

    /// From now on, it does this there.
    pub(crate) fn begin(&self, environment: EnvironmentId, misdeed: Misdeed) {
        self.misdeeds.lock().unwrap().insert(environment, misdeed);
    }

    /// From now on it behaves, and what blocks goes on.
    pub(crate) fn behave(&self) {
        self.misdeeds.lock().unwrap().clear();
        self.blocked.1.notify_all();
    }

    /// How many threads it blocks.
    pub(crate) fn blocked(&self) -> usize {
        *self.blocked.0.lock().unwrap()
    }

    fn does(&self, environment: EnvironmentId, misdeed: Misdeed) -> bool {
        self.misdeeds.lock().unwrap().get(&environment) == Some(&misdeed)
    }

    fn misbehave(&self, context: &Context) {
        let environment = context.environment.id;
        assert!(!self.does(environment, Misdeed::Panics), "a list that is empty");
        self.block(environment, Misdeed::Blocks);
    }

    fn block(&self, environment: EnvironmentId, misdeed: Misdeed) {
        let (count, behaves) = &*self.blocked;
        let mut count = count.lock().unwrap();
        *count += 1;
        while self.does(environment, misdeed) {
            count = behaves.wait(count).unwrap();
        }
        *count -= 1;
    }
}

#[async_trait]
impl Connector for Misbehaving {
    fn descriptor(&self) -> &Descriptor {
        self.inner.descriptor()
    }

    async fn check(&self, context: &Context) -> Result<CheckReport> {
        self.misbehave(context);
        self.inner.check(context).await
    }

    async fn discover(&self, context: &Context, page: PageRequest) -> Result<DiscoveryPage> {
        self.misbehave(context);
        self.inner.discover(context, page).await
    }

    async fn observe(&self, context: &Context, api: &ApiReference) -> Result<Observation> {
        self.misbehave(context);
        self.inner.observe(context, api).await
    }

    /// Well-behaved: it is asked at times that no test chooses, and tests count what blocks.
    async fn hints(&self, context: &Context) -> Result<Hints> {
        self.inner.hints(context).await
    }

    fn translate(&self, environment: &EnvironmentContext, desired: &DesiredApi) -> Translation {
        let panics = self.does(desired.mark.environment_id, Misdeed::PanicsTranslating);
        assert!(!panics, "a policy nobody thought of");
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
        if let Some(desired) = desired {
            self.block(desired.mark.environment_id, Misdeed::BlocksEstimating);
        }
        self.inner.estimate(environment, desired, plan)
    }

    async fn deploy(&self, context: &Context, request: &DeployRequest) -> Result<Deployed> {
        self.misbehave(context);
        self.inner.deploy(context, request).await
    }

    async fn undeploy(&self, context: &Context, api: &ApiReference) -> Result<()> {
        self.misbehave(context);
        self.inner.undeploy(context, api).await
    }
}
