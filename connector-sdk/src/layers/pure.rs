//! A connector's pure functions, where they can do no harm.

use std::{sync::Arc, time::Duration};

use gatehouse_schemas::{desired::DesiredApi, observed::Observation, plan::Plan, quota::VendorCalls};

use super::Isolation;
use crate::{
    connector::{Connector, Remarks, Translation},
    context::EnvironmentContext,
    error::{Error, ErrorKind, Result},
};

/// Calls `translate`, `refusal`, `remarks` and `estimate`. One that panics or takes too long is an error here, as with every
/// operation.
///
/// ```
/// # mod acme { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/acme.rs")); }
/// # acme::run(async {
/// use std::{sync::Arc, time::Duration};
///
/// use gatehouse_connector_sdk::{
///     layers::{Isolation, PureFunctions},
///     memory::{MemoryConnector, MemoryGateway},
///     schemas::{environment::Mode, observed::Observation},
/// };
///
/// let connector = Arc::new(MemoryConnector::new(MemoryGateway::new()));
/// let functions = PureFunctions::new(connector, Isolation::default(), Duration::from_secs(30));
/// let (environment, request) = (acme::environment(Mode::ReadWrite), acme::first_deploy());
///
/// functions.allow(&environment, &request.desired).await?;
/// let translation = functions.translate(&environment, &request.desired).await?;
/// assert!(translation.fidelity.is_empty(), "there are no policies");
/// let calls = functions.estimate(&environment, Some(&request.desired), Some(&request.plan)).await?;
/// assert!(calls.values().sum::<u64>() > 0);
/// let remarks = functions.remarks(&environment, &request.desired, &Observation::Absent).await?;
/// assert!(remarks.warnings.is_empty());
/// # Ok(())
/// # });
/// ```
#[derive(Debug, Clone)]
pub struct PureFunctions {
    connector: Arc<dyn Connector>,
    isolation: Isolation,
    limit: Duration,
}

impl PureFunctions {
    /// Those of a connector; each call may take this long.
    pub fn new(connector: Arc<dyn Connector>, isolation: Isolation, limit: Duration) -> Self {
        Self {
            connector,
            isolation,
            limit,
        }
    }

    /// A desired API in the gateway's words.
    pub async fn translate(
        &self,
        environment: &EnvironmentContext,
        desired: &DesiredApi,
    ) -> Result<Translation> {
        let (connector, desired) = (self.connector.clone(), desired.clone());
        let of = environment.clone();
        let call = move || connector.translate(&of, &desired);
        self.call("translation", environment, call).await
    }

    /// Fails with the reason why the gateway can serve a desired API in no way.
    pub async fn allow(&self, environment: &EnvironmentContext, desired: &DesiredApi) -> Result<()> {
        let (connector, desired) = (self.connector.clone(), desired.clone());
        let of = environment.clone();
        let call = move || connector.refusal(&of, &desired);
        match self.call("refusal", environment, call).await? {
            Some(refusal) => Err(refusal),
            None => Ok(()),
        }
    }

    /// What people should know of deploying it over what was observed.
    pub async fn remarks(
        &self,
        environment: &EnvironmentContext,
        desired: &DesiredApi,
        observed: &Observation,
    ) -> Result<Remarks> {
        let connector = self.connector.clone();
        let (of, desired, observed) = (environment.clone(), desired.clone(), observed.clone());
        let call = move || connector.remarks(&of, &desired, &observed);
        self.call("remarks", environment, call).await
    }

    /// The vendor's calls that carrying out a plan takes.
    pub async fn estimate(
        &self,
        environment: &EnvironmentContext,
        desired: Option<&DesiredApi>,
        plan: Option<&Plan>,
    ) -> Result<VendorCalls> {
        let connector = self.connector.clone();
        let (of, desired, plan) = (environment.clone(), desired.cloned(), plan.cloned());
        let call = move || connector.estimate(&of, desired.as_ref(), plan.as_ref());
        self.call("estimate", environment, call).await
    }

    async fn call<T: Send + 'static>(
        &self,
        name: &'static str,
        environment: &EnvironmentContext,
        call: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T> {
        let ended = self.isolation.run(name, environment, async move { call() });
        let within = tokio::time::timeout(self.limit, ended).await;
        within.unwrap_or_else(|_| Err(too_long(name, environment, self.limit)))
    }
}

fn too_long(name: &str, environment: &EnvironmentContext, limit: Duration) -> Error {
    Error::new(
        ErrorKind::Unavailable,
        format!(
            "the {name} for environment `{}` did not finish within {limit:?}; report it to the connector's authors",
            environment.name
        ),
    )
}
