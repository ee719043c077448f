//! The connector to an in-memory gateway.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use gatehouse_schemas::{
    canonical::Fingerprint,
    descriptor::{Capabilities, Descriptor, Fidelity, PolicySupport},
    desired::DesiredApi,
    identity::EnvironmentId,
    observed::Observation,
    plan::{Plan, PlanAction},
    quota::VendorCalls,
};
use serde_json::json;

use super::{
    Fault, MemoryGateway, MemorySettings, check,
    deploying::{Call, DELETE_API, PUT_API, PUT_PART, file_error, injected},
};
use crate::{
    conformance,
    connector::{
        ApiReference, CheckReport, Connector, DeployRequest, Deployed, DiscoveryPage, Hints, PageRequest,
        Remarks, Translation,
    },
    context::{Context, EnvironmentContext},
    error::{Error, ErrorKind, Result, Retry},
    fidelity,
    operation::Operation,
    settings,
};

/// The vendor's name of the operation that lists APIs.
const LIST_APIS: &str = "ListApis";
/// The vendor's name of the operation that looks at one API.
const GET_API: &str = "GetApi";

/// How long it waits for what a gateway tells.
const LONGEST_WAIT: Duration = Duration::from_secs(20);

/// A gateway that lives in a file, once it is open.
type Opened = Arc<Mutex<Option<MemoryGateway>>>;

/// Speaks to in-memory gateways: one for all environments without settings, and one for each file that
/// settings name.
///
/// ```
/// use std::collections::BTreeMap;
///
/// use gatehouse_connector_sdk::{
///     connector::Connector,
///     memory::{MemoryConnector, MemoryGateway},
///     schemas::descriptor::Fidelity,
/// };
///
/// let reason = "Acme has no CORS plugin".to_owned();
/// let connector = MemoryConnector::new(MemoryGateway::new())
///     .with_descriptor(|descriptor| descriptor.capabilities.undeploy = false)
///     .with_policy_support(BTreeMap::from([("cors".to_owned(), Fidelity::Unsupported { reason })]));
///
/// let descriptor = connector.descriptor();
/// assert_eq!(descriptor.gateway_type.to_string(), "memory");
/// assert!(!descriptor.capabilities.undeploy);
/// let cors = descriptor.policies.iter().find(|entry| entry.policy == "cors").unwrap();
/// assert!(matches!(cors.fidelity, Fidelity::Unsupported { .. }));
/// ```
#[derive(Debug)]
pub struct MemoryConnector {
    descriptor: Descriptor,
    gateway: MemoryGateway,
    files: Mutex<BTreeMap<PathBuf, Opened>>,
    /// In how many steps environments are deployed to, as far as they were seen; for estimates.
    steps: Mutex<BTreeMap<EnvironmentId, u32>>,
}

impl MemoryConnector {
    /// A connector; `gateway` serves the environments that name no file.
    pub fn new(gateway: MemoryGateway) -> Self {
        #[expect(clippy::expect_used, reason = "a constant that every test parses")]
        let gateway_type = "memory".parse().expect("`memory` is a name");
        Self {
            descriptor: Descriptor {
                quotas: Vec::new(),
                account_settings: Vec::new(),
                permissions: Vec::new(),
                credentials: Vec::new(),
                conformance: conformance::checked_in(include_str!("conformance.json")),
                gateway_type,
                display_name: "In-memory gateway".to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                capabilities: Capabilities {
                    deploy: true,
                    undeploy: true,
                    observe: true,
                    discover: true,
                    check: true,
                    hints: true,
                    adopt: true,
                    steps: true,
                    versions: true,
                    // A stored definition is handed on as it is, whatever it is.
                    definitions_read: ["swagger-2.0", "openapi-3.0", "openapi-3.1"]
                        .map(str::to_owned)
                        .to_vec(),
                    ..Capabilities::default()
                },
                settings_schema: settings::schema::<MemorySettings>("In-memory gateway settings"),
                policies: fidelity::all_exact(),
            },
            gateway,
            files: Mutex::default(),
            steps: Mutex::default(),
        }
    }

    /// With another descriptor, to see how a connector is treated that says something else of itself.
    #[must_use]
    pub fn with_descriptor(mut self, change: impl FnOnce(&mut Descriptor)) -> Self {
        change(&mut self.descriptor);
        self
    }

    /// Expressing these policy types less faithfully than they are, and all others exactly.
    #[must_use]
    pub fn with_policy_support(mut self, support: BTreeMap<String, Fidelity>) -> Self {
        for (policy, fidelity) in support {
            self.descriptor.policies.retain(|entry| entry.policy != policy);
            self.descriptor.policies.push(PolicySupport { policy, fidelity });
        }
        self
    }

    /// The gateway of an environment, its settings, and what goes wrong with this call.
    async fn begin<'a>(&self, context: &'a Context, operation: Operation) -> Result<Call<'a>> {
        let settings: MemorySettings = settings::read(&context.environment)?;
        self.steps().insert(context.environment.id, settings.steps);
        let gateway = match &settings.file {
            None => self.gateway.clone(),
            Some(path) => self.open(path)?,
        };
        may(&settings, operation)?;
        let fault = gateway.begin(operation);
        match fault {
            Some(Fault::Fail(ErrorKind::RateLimited)) => {
                context.quotas.throttled(vendor_operation(operation), None);
                return Err(injected(context, operation, ErrorKind::RateLimited));
            }
            Some(Fault::SlowDown(time)) => {
                context.quotas.throttled(vendor_operation(operation), Some(time));
                let error = injected(context, operation, ErrorKind::RateLimited);
                return Err(error.with_retry(Retry::After(time)));
            }
            Some(Fault::Fail(kind)) => return Err(injected(context, operation, kind)),
            Some(Fault::Delay(time)) => tokio::time::sleep(time).await,
            _ => {}
        }
        Ok(Call {
            gateway,
            settings,
            operation,
            fault,
            context,
        })
    }

    fn steps(&self) -> MutexGuard<'_, BTreeMap<EnvironmentId, u32>> {
        lock(&self.steps)
    }

    fn open(&self, path: &Path) -> Result<MemoryGateway> {
        let opened = lock(&self.files).entry(path.to_owned()).or_default().clone();
        // Opening a file can take long, and must hold up nobody but those who want this one.
        let mut opened = lock(&opened);
        if let Some(gateway) = opened.as_ref() {
            return Ok(gateway.clone());
        }
        let gateway = MemoryGateway::open(path).map_err(|error| file_error(path, error))?;
        Ok(opened.insert(gateway).clone())
    }
}

#[async_trait]
impl Connector for MemoryConnector {
    fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    async fn check(&self, context: &Context) -> Result<CheckReport> {
        let call = self.begin(context, Operation::Check).await?;
        call.end(CheckReport {
            gateway_version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            findings: check::findings(&call.settings, context.environment.mode),
        })
    }

    async fn discover(&self, context: &Context, page: PageRequest) -> Result<DiscoveryPage> {
        if let Some(name) = page.filter.selector.keys().next() {
            return Err(Error::new(
                ErrorKind::Invalid,
                format!(
                    "an in-memory gateway has no selector `{name}`; filter the discovery of `{}` by tags and names",
                    context.environment.name
                ),
            ));
        }
        context.quotas.acquire(LIST_APIS).await?;
        let call = self.begin(context, Operation::Discover).await?;
        let (items, next) = call.gateway.page(&page);
        context.quotas.succeeded(LIST_APIS);
        call.end(DiscoveryPage { items, next })
    }

    async fn observe(&self, context: &Context, api: &ApiReference) -> Result<Observation> {
        context.quotas.acquire(GET_API).await?;
        let call = self.begin(context, Operation::Observe).await?;
        context.quotas.succeeded(GET_API);
        if call.fault == Some(Fault::Unknown) || call.gateway.is_blind() {
            return Ok(Observation::Unknown {
                reason: "the in-memory gateway was told not to know".to_owned(),
            });
        }
        let found = call.gateway.find(api.external_ref.as_ref(), &api.mark);
        call.end(found.map_or(Observation::Absent, |(external_ref, api)| {
            Observation::Present(Box::new(api.observed(external_ref)))
        }))
    }

    async fn hints(&self, context: &Context) -> Result<Hints> {
        let call = self.begin(context, Operation::Hints).await?;
        if !call.settings.tells_of_changes {
            return Ok(Hints::NotConfigured);
        }
        let told = call.gateway.told();
        let heard = tokio::time::timeout(LONGEST_WAIT, context.cancellation.run_until_cancelled(told)).await;
        call.end(Hints::Heard(heard.ok().flatten().unwrap_or_default()))
    }

    fn translate(&self, _environment: &EnvironmentContext, desired: &DesiredApi) -> Translation {
        Translation {
            vendor_form: json!({ "content": desired.content, "secrets": desired.secrets }),
            fidelity: fidelity::report(desired, &self.descriptor.policies),
        }
    }

    fn refusal(&self, _environment: &EnvironmentContext, _desired: &DesiredApi) -> Option<Error> {
        None
    }

    fn remarks(
        &self,
        _environment: &EnvironmentContext,
        _desired: &DesiredApi,
        _observed: &Observation,
    ) -> Remarks {
        Remarks::default()
    }

    fn estimate(
        &self,
        _environment: &EnvironmentContext,
        desired: Option<&DesiredApi>,
        plan: Option<&Plan>,
    ) -> VendorCalls {
        let nothing = |plan: &Plan| plan.action == PlanAction::Nothing;
        match desired {
            _ if plan.is_some_and(nothing) => VendorCalls::new(),
            Some(desired) => {
                let steps = self.steps().get(&desired.mark.environment_id).copied();
                let parts = steps.unwrap_or(1).saturating_sub(1);
                let calls = [(PUT_PART, parts), (PUT_API, 1)].into_iter();
                calls
                    .filter(|(_, count)| *count > 0)
                    .map(|(operation, count)| (operation.to_owned(), count.into()))
                    .collect()
            }
            None => VendorCalls::from([(DELETE_API.to_owned(), 1)]),
        }
    }

    async fn deploy(&self, context: &Context, request: &DeployRequest) -> Result<Deployed> {
        let call = self.begin(context, Operation::Deploy).await?;
        // Nothing here checks keys, but a secret that cannot be had must fail here as on a real gateway.
        let names = request.desired.content.secret_names();
        let names: Vec<_> = names.into_iter().cloned().collect();
        if !names.is_empty() {
            context.secrets.resolve(&names).await?;
        }
        let mut deployed = match call.fault {
            Some(Fault::Ignore) => call.ignored(request),
            _ => call.deploy(request).await?,
        };
        if matches!(call.fault, Some(Fault::Ignore | Fault::Misreport)) {
            deployed.observed = Fingerprint::of_value(&json!("something else"));
        }
        call.end(deployed)
    }

    async fn undeploy(&self, context: &Context, api: &ApiReference) -> Result<()> {
        let call = self.begin(context, Operation::Undeploy).await?;
        call.undeploy(api).await?;
        call.end(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the credential does not allow is refused before anything is done.
fn may(settings: &MemorySettings, operation: Operation) -> Result<()> {
    let (allowed, permission, setting) = match operation {
        Operation::Check | Operation::Hints => return Ok(()),
        Operation::Discover | Operation::Observe => {
            (settings.credential_may_read, "look at APIs", "credentialMayRead")
        }
        Operation::Deploy | Operation::Undeploy => {
            (settings.credential_may_write, "change APIs", "credentialMayWrite")
        }
    };
    if allowed {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Forbidden,
        format!(
            "the {operation} was refused: the in-memory gateway's credential may not {permission}; set `{setting}` to true"
        ),
    ))
}

/// What a refusal for the rate of a call is told of.
fn vendor_operation(operation: Operation) -> &'static str {
    match operation {
        Operation::Discover => LIST_APIS,
        Operation::Check | Operation::Observe | Operation::Hints => GET_API,
        Operation::Deploy => PUT_API,
        Operation::Undeploy => DELETE_API,
    }
}
