//! A connector to an in-memory gateway that asks for pauses and cannot express everything, so that every duty of an agent
//! can be seen; it lies about what only a connector can tell.

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use gatehouse_connector_sdk::{
    connector::{
        ApiReference, CheckReport, Connector, DeployRequest, Deployed, DiscoveryPage, Hints, PageRequest,
        Remarks, Translation,
    },
    context::{Context, EnvironmentContext},
    error::{Error, ErrorKind, Result, Retry},
    memory::{MemoryConnector, MemoryGateway},
};
use gatehouse_schemas::{
    descriptor::{Descriptor, Fidelity},
    desired::DesiredApi,
    observed::Observation,
    plan::Plan,
    policy::Policy,
    quota::VendorCalls,
};

use super::liar::Breach;

/// After which time the gateway wants to be asked again.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(2);
/// What stands for that; nothing else of these tests is one. The in-memory gateway's own refusals for the rate of calls slow
/// down all that follow, without a time.
pub(super) const WEARY: ErrorKind = ErrorKind::Conflict;

#[derive(Debug)]
pub(super) struct WearyConnector {
    inner: MemoryConnector,
    breach: Option<Breach>,
}

impl WearyConnector {
    pub(super) fn new(gateway: MemoryGateway, breach: Option<Breach>) -> Self {
        let unsupported = |policy: &str| {
            let reason = "there is no time for it".to_owned();
            (policy.to_owned(), Fidelity::Unsupported { reason })
        };
        let support = BTreeMap::from(["ip.filter", "cors"].map(unsupported));
        Self {
            inner: MemoryConnector::new(gateway).with_policy_support(support),
            breach,
        }
    }

    /// An error of a deploy, with the advice that comes with it.
    fn advised(&self, error: Error) -> Error {
        match error.kind() {
            WEARY if self.breach == Some(Breach::PaceIsOverlooked) => later(),
            WEARY => later().with_retry(Retry::After(RETRY_AFTER)),
            ErrorKind::Unavailable if self.breach == Some(Breach::FailuresAreFinal) => {
                error.with_retry(Retry::Never)
            }
            _ => error,
        }
    }
}

#[async_trait]
impl Connector for WearyConnector {
    fn descriptor(&self) -> &Descriptor {
        self.inner.descriptor()
    }

    async fn check(&self, context: &Context) -> Result<CheckReport> {
        self.inner.check(context).await
    }

    async fn discover(&self, context: &Context, page: PageRequest) -> Result<DiscoveryPage> {
        self.inner.discover(context, page).await
    }

    async fn observe(&self, context: &Context, api: &ApiReference) -> Result<Observation> {
        self.inner.observe(context, api).await
    }

    async fn hints(&self, context: &Context) -> Result<Hints> {
        self.inner.hints(context).await
    }

    fn translate(&self, environment: &EnvironmentContext, desired: &DesiredApi) -> Translation {
        let mut translation = self.inner.translate(environment, desired);
        if self.breach == Some(Breach::SecurityIsOverlooked) {
            let entries = translation.fidelity.iter_mut();
            for entry in entries.filter(|entry| Policy::is_security_type(&entry.policy)) {
                entry.fidelity = Fidelity::Exact;
            }
        }
        translation
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
        let deployed = self.inner.deploy(context, request).await;
        deployed.map_err(|error| self.advised(error))
    }

    async fn undeploy(&self, context: &Context, api: &ApiReference) -> Result<()> {
        self.inner.undeploy(context, api).await
    }
}

fn later() -> Error {
    Error::new(ErrorKind::RateLimited, "the gateway is weary; come back later")
}
