//! The connector to an in-memory gateway.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use gatehouse_schemas::{
    descriptor::{Capabilities, Descriptor},
    desired::DesiredApi,
    observed::Observation,
    plan::Plan,
    policy::Policy,
    quota::VendorCalls,
    route,
};
use serde_json::json;

use super::{
    Fault, MemoryGateway, MemorySettings, StoredApi,
    gateway::{carries, endpoint_url, observed},
};
use crate::{
    connector::{
        ApiReference, CheckReport, Connector, DeployRequest, Deployed, DiscoveryPage, PageRequest,
        Translation,
    },
    context::Context,
    error::{Error, ErrorKind, Result},
    fidelity,
    operation::Operation,
    settings,
};

/// Speaks to in-memory gateways: one for all environments without settings, and one for each file that
/// settings name.
#[derive(Debug)]
pub struct MemoryConnector {
    descriptor: Descriptor,
    gateway: MemoryGateway,
    files: Arc<Mutex<BTreeMap<PathBuf, MemoryGateway>>>,
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
                gateway_type,
                display_name: "In-memory gateway".to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                capabilities: Capabilities {
                    deploy: true,
                    undeploy: true,
                    observe: true,
                    discover: true,
                    check: true,
                    replicated: false,
                },
                settings_schema: settings::schema::<MemorySettings>("In-memory gateway settings"),
                policies: fidelity::all_exact(),
            },
            gateway,
            files: Arc::default(),
        }
    }

    /// With another descriptor, to see how a connector is treated that says something else of itself.
    #[must_use]
    pub fn with_descriptor(mut self, change: impl FnOnce(&mut Descriptor)) -> Self {
        change(&mut self.descriptor);
        self
    }

    /// The gateway of an environment, its settings, and what goes wrong with this call.
    async fn begin(&self, context: &Context, operation: Operation) -> Result<Call> {
        let settings: MemorySettings = settings::read(&context.environment)?;
        let gateway = match &settings.file {
            None => self.gateway.clone(),
            Some(path) => self.open(path)?,
        };
        let fault = gateway.begin(operation);
        match fault {
            Some(Fault::Fail(kind)) => return Err(injected(operation, kind)),
            Some(Fault::Delay(time)) => tokio::time::sleep(time).await,
            Some(Fault::LoseReply | Fault::Unknown) | None => {}
        }
        Ok(Call {
            gateway,
            settings,
            operation,
            fault,
        })
    }

    fn open(&self, path: &Path) -> Result<MemoryGateway> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(gateway) = files.get(path) {
            return Ok(gateway.clone());
        }
        let gateway = MemoryGateway::open(path).map_err(|error| file_error(path, error))?;
        files.insert(path.to_owned(), gateway.clone());
        Ok(gateway)
    }
}

/// One call on a gateway.
struct Call {
    gateway: MemoryGateway,
    settings: MemorySettings,
    operation: Operation,
    fault: Option<Fault>,
}

impl Call {
    fn end<T>(&self, value: T) -> Result<T> {
        if self.fault == Some(Fault::LoseReply) {
            return Err(injected(self.operation, ErrorKind::Unavailable));
        }
        Ok(value)
    }

    fn file_error(&self, error: std::io::Error) -> Error {
        file_error(self.settings.file.as_deref().unwrap_or(Path::new("")), error)
    }

    /// Refuses when something that is not this API answers on the same host and path.
    fn refuse_conflicts(&self, desired: &DesiredApi) -> Result<()> {
        for (external_ref, api) in self.gateway.apis() {
            if carries(&api, &desired.mark) {
                continue;
            }
            if let Some(conflict) = route::conflicts(&desired.content, &api.content).first() {
                return Err(Error::new(
                    ErrorKind::Conflict,
                    format!(
                        "`{}` is in the way of `{}`: {} `{}` is answered by `{external_ref}`; remove it there or choose another base path",
                        api.name, desired.mark.api_name, conflict.method, conflict.path
                    ),
                ));
            }
        }
        Ok(())
    }

    async fn put(&self, request: &DeployRequest) -> Result<Deployed> {
        let desired = &request.desired;
        let stored = StoredApi {
            name: desired.mark.api_name.to_string(),
            mark: Some(desired.mark.clone()),
            content: desired.content.clone(),
            fingerprint: desired.fingerprint.clone(),
        };
        tokio::time::sleep(self.settings.delay_before_effect()).await;
        let external_ref = match self.gateway.find(request.external_ref.as_ref(), &desired.mark) {
            Some((external_ref, present)) if present == stored => external_ref,
            Some((external_ref, present)) if carries(&present, &desired.mark) => {
                self.gateway
                    .replace(&external_ref, stored)
                    .map_err(|error| self.file_error(error))?;
                external_ref
            }
            Some((external_ref, present)) => return Err(not_ours(&external_ref.0, &present)),
            None => self
                .gateway
                .create(stored)
                .map_err(|error| self.file_error(error))?,
        };
        tokio::time::sleep(self.settings.delay_after_effect()).await;
        Ok(Deployed {
            external_ref,
            endpoint_urls: vec![endpoint_url(&desired.content.base_path)],
            observed: desired.fingerprint.clone(),
        })
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
            findings: Vec::new(),
        })
    }

    async fn discover(&self, context: &Context, page: PageRequest) -> Result<DiscoveryPage> {
        let call = self.begin(context, Operation::Discover).await?;
        // It keeps no tags, so a filter by tags lets nothing through.
        let (items, next) = match page.filter.is_empty() {
            true => call.gateway.page(page.position.as_deref(), page.limit),
            false => (Vec::new(), None),
        };
        call.end(DiscoveryPage { items, next })
    }

    async fn observe(&self, context: &Context, api: &ApiReference) -> Result<Observation> {
        let call = self.begin(context, Operation::Observe).await?;
        if call.fault == Some(Fault::Unknown) {
            return Ok(Observation::Unknown {
                reason: "the in-memory gateway was told not to know".to_owned(),
            });
        }
        let found = call.gateway.find(api.external_ref.as_ref(), &api.mark);
        call.end(found.map_or(Observation::Absent, |(external_ref, api)| {
            Observation::Present(Box::new(observed(external_ref, api)))
        }))
    }

    fn translate(&self, desired: &DesiredApi) -> Translation {
        Translation {
            vendor_form: json!({ "content": desired.content, "secrets": desired.secrets }),
            fidelity: fidelity::report(desired, &self.descriptor.policies),
        }
    }

    fn estimate(&self, _desired: Option<&DesiredApi>, _plan: Option<&Plan>) -> VendorCalls {
        VendorCalls::new()
    }

    async fn deploy(&self, context: &Context, request: &DeployRequest) -> Result<Deployed> {
        let call = self.begin(context, Operation::Deploy).await?;
        call.refuse_conflicts(&request.desired)?;
        // Nothing here checks keys, but a secret that cannot be had must fail here as on a real gateway.
        let names: Vec<_> = policies(&request.desired)
            .flat_map(Policy::secret_names)
            .cloned()
            .collect();
        if !names.is_empty() {
            context.secrets.resolve(&names).await?;
        }
        let deployed = call.put(request).await?;
        call.end(deployed)
    }

    async fn undeploy(&self, context: &Context, api: &ApiReference) -> Result<()> {
        let call = self.begin(context, Operation::Undeploy).await?;
        match call.gateway.find(api.external_ref.as_ref(), &api.mark) {
            None => {}
            Some((external_ref, present)) if carries(&present, &api.mark) => call
                .gateway
                .remove(&external_ref)
                .map_err(|error| call.file_error(error))?,
            Some((external_ref, present)) => return Err(not_ours(&external_ref.0, &present)),
        }
        call.end(())
    }
}

fn policies(desired: &DesiredApi) -> impl Iterator<Item = &Policy> {
    let content = &desired.content;
    let of_operations = content
        .operations
        .iter()
        .flat_map(|operation| &operation.policies);
    content.policies.iter().chain(of_operations)
}

fn not_ours(external_ref: &str, api: &StoredApi) -> Error {
    Error::new(
        ErrorKind::Conflict,
        format!(
            "`{external_ref}` (`{}`) does not carry our mark and stays as it is; remove it on the gateway, or import and adopt it",
            api.name
        ),
    )
}

fn injected(operation: Operation, kind: ErrorKind) -> Error {
    Error::new(
        kind,
        format!(
            "the {operation} failed as the in-memory gateway was told to ({})",
            kind.as_str()
        ),
    )
}

fn file_error(path: &Path, error: std::io::Error) -> Error {
    Error::new(
        ErrorKind::Unavailable,
        format!(
            "the in-memory gateway's file `{}` cannot be used; see that the agent may read and write it",
            path.display()
        ),
    )
    .with_source(error)
}
