//! The connector to the gateway in this process.

use std::sync::Arc;

use async_trait::async_trait;
use gatehouse_connector_sdk::{
    conformance,
    connector::{
        ApiReference, CheckReport, Connector, DeployRequest, Deployed, DiscoveryPage, Hints, PageRequest,
        Remarks, Translation,
    },
    context::{Context, EnvironmentContext},
    error::{Error, ErrorKind, Result},
    fidelity, settings,
};
use gatehouse_gateway_core::{ApiConfig, Gateway, policy_support, unusable_schema};
use gatehouse_schemas::{
    descriptor::{Capabilities, Descriptor},
    desired::{DesiredApi, Mark},
    environment::Endpoint,
    observed::{DiscoveredItem, Observation},
    route,
};
use serde_json::json;

use crate::{
    config::{GATEWAY_TYPE, NativeSettings},
    error::from_gateway,
    translate::{self, Listeners, Secrets},
};

/// Feeds the gateway in this process.
#[derive(Debug)]
pub struct NativeConnector {
    descriptor: Descriptor,
    gateway: Arc<Gateway>,
}

impl NativeConnector {
    /// A connector to a running gateway.
    pub fn new(gateway: Arc<Gateway>) -> Self {
        Self {
            descriptor: descriptor(),
            gateway,
        }
    }

    fn endpoint_urls(&self, config: &ApiConfig, endpoints: &[Endpoint]) -> Vec<String> {
        let listeners = Listeners {
            plain: self.gateway.address(),
            tls: self.gateway.tls_address(),
        };
        translate::endpoint_urls(&config.content, endpoints, listeners)
    }

    /// Refuses when something else answers on the same host and path. Within an environment the control plane
    /// keeps desired state free of conflicts; while two of its APIs trade places, both may be there.
    fn refuse_conflicts(&self, desired: &DesiredApi) -> Result<()> {
        for config in self.gateway.apis() {
            if is_of_environment(&config, &desired.mark) {
                continue;
            }
            if let Some(conflict) = route::conflicts(&desired.content, &config.content).first() {
                return Err(in_the_way(desired, &config, conflict));
            }
        }
        Ok(())
    }

    /// What the gateway is given of the secrets that the API's policies and upstreams refer to.
    async fn secrets(&self, context: &Context, desired: &DesiredApi) -> Result<Secrets> {
        let names: Vec<_> = desired.content.secret_names().into_iter().cloned().collect();
        if names.is_empty() {
            return Ok(Secrets::default());
        }
        let resolved = context.secrets.resolve(&names).await?;
        Ok(translate::secrets(&desired.content, resolved))
    }

    fn item(&self, config: &ApiConfig, context: &Context) -> DiscoveredItem {
        let urls = self.endpoint_urls(config, &context.environment.endpoints);
        DiscoveredItem::Api(Box::new(translate::observed(config, urls)))
    }
}

fn descriptor() -> Descriptor {
    #[expect(clippy::expect_used, reason = "a constant that every test parses")]
    let gateway_type = GATEWAY_TYPE.parse().expect("the gateway type is a name");
    Descriptor {
        quotas: Vec::new(),
        account_settings: Vec::new(),
        permissions: Vec::new(),
        credentials: Vec::new(),
        conformance: conformance::checked_in(include_str!("conformance.json")),
        gateway_type,
        display_name: "Gatehouse native gateway".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        capabilities: Capabilities {
            deploy: true,
            undeploy: true,
            observe: true,
            discover: true,
            check: true,
            replicated: true,
            ..Capabilities::default()
        },
        settings_schema: settings::schema::<NativeSettings>("Native gateway settings"),
        policies: policy_support(),
    }
}

#[async_trait]
impl Connector for NativeConnector {
    fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    async fn check(&self, context: &Context) -> Result<CheckReport> {
        settings::read::<NativeSettings>(&context.environment)?;
        Ok(CheckReport {
            gateway_version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            findings: Vec::new(),
        })
    }

    async fn discover(&self, context: &Context, page: PageRequest) -> Result<DiscoveryPage> {
        refuse_selector(&page, context)?;
        // The gateway keeps no tags, so a filter by tags lets nothing through.
        if !page.filter.tags.is_empty() {
            return Ok(DiscoveryPage {
                items: Vec::new(),
                next: None,
            });
        }
        let apis = self.gateway.apis();
        let after = page.position.as_deref();
        let mut rest = apis
            .iter()
            .filter(|config| after.is_none_or(|after| config.external_ref.0.as_str() > after));
        let listed: Vec<_> = rest.by_ref().take(page.limit.max(1)).collect();
        let next = rest
            .next()
            .and(listed.last())
            .map(|config| config.external_ref.0.clone());
        Ok(DiscoveryPage {
            items: listed
                .into_iter()
                .map(|config| self.item(config, context))
                .collect(),
            next,
        })
    }

    async fn observe(&self, context: &Context, api: &ApiReference) -> Result<Observation> {
        let named = api.external_ref.as_ref();
        let named = named.and_then(|external_ref| self.gateway.api(external_ref));
        let found = named.or_else(|| self.gateway.api(&translate::external_ref(&api.mark)));
        Ok(match found {
            None => Observation::Absent,
            Some(config) => {
                let urls = self.endpoint_urls(&config, &context.environment.endpoints);
                Observation::Present(Box::new(translate::observed(&config, urls)))
            }
        })
    }

    async fn hints(&self, _context: &Context) -> Result<Hints> {
        Ok(Hints::NotConfigured)
    }

    fn translate(&self, _environment: &EnvironmentContext, desired: &DesiredApi) -> Translation {
        Translation {
            vendor_form: json!(translate::config(desired, Secrets::default())),
            fidelity: fidelity::report(desired, &self.descriptor.policies),
        }
    }

    fn refusal(&self, _environment: &EnvironmentContext, desired: &DesiredApi) -> Option<Error> {
        let reason = unusable_schema(&desired.content)?;
        Some(Error::new(
            ErrorKind::Invalid,
            format!(
                "requests to `{}` cannot be validated: {reason}",
                desired.mark.api_name
            ),
        ))
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
        _desired: Option<&DesiredApi>,
        _plan: Option<&gatehouse_schemas::plan::Plan>,
    ) -> gatehouse_schemas::quota::VendorCalls {
        Default::default()
    }

    async fn deploy(&self, context: &Context, request: &DeployRequest) -> Result<Deployed> {
        let desired = &request.desired;
        settings::read::<NativeSettings>(&context.environment)?;
        refuse_adoption(request)?;
        self.refuse_conflicts(desired)?;
        let config = translate::config(desired, self.secrets(context, desired).await?);
        let deployed = Deployed {
            external_ref: config.external_ref.clone(),
            endpoint_urls: self.endpoint_urls(&config, &context.environment.endpoints),
            observed: config.fingerprint.clone(),
        };
        self.gateway.put_api(config).await.map_err(from_gateway)?;
        Ok(deployed)
    }

    async fn undeploy(&self, _context: &Context, api: &ApiReference) -> Result<()> {
        let external_ref = translate::external_ref(&api.mark);
        match self.gateway.api(&external_ref) {
            None => Ok(()),
            Some(config) if translate::carries(&config, &api.mark) => {
                self.gateway.remove_api(&external_ref).await.map_err(from_gateway)
            }
            Some(_) => Err(Error::new(
                ErrorKind::Conflict,
                format!("`{external_ref}` does not carry our mark and stays as it is"),
            )),
        }
    }
}

fn refuse_selector(page: &PageRequest, context: &Context) -> Result<()> {
    let Some(name) = page.filter.selector.keys().next() else {
        return Ok(());
    };
    Err(Error::new(
        ErrorKind::Invalid,
        format!(
            "a native gateway has no selector `{name}`; filter the discovery of `{}` by names",
            context.environment.name
        ),
    ))
}

/// What is not ours comes from a file beside the gateway, and would come back from there.
fn refuse_adoption(request: &DeployRequest) -> Result<()> {
    match &request.external_ref {
        Some(external_ref) if request.adopt => Err(Error::new(
            ErrorKind::Unsupported,
            format!(
                "`{external_ref}` comes from the gateway's own file and cannot be adopted; deploy `{}`, and remove it from the file",
                request.desired.mark.api_name
            ),
        )),
        _ => Ok(()),
    }
}

fn is_of_environment(config: &ApiConfig, mark: &Mark) -> bool {
    config
        .mark
        .as_ref()
        .is_some_and(|own| own.environment_id == mark.environment_id)
}

fn in_the_way(desired: &DesiredApi, config: &ApiConfig, conflict: &route::RouteConflict) -> Error {
    let whose = match &config.mark {
        Some(mark) => format!("API `{}` of another environment", mark.api_name),
        None => "an API that Gatehouse did not deploy".to_owned(),
    };
    Error::new(
        ErrorKind::Conflict,
        format!(
            "`{}` cannot be deployed: {} `{}` is answered by `{}`, {whose}; remove it there, or choose another base path or host name",
            desired.mark.api_name, conflict.method, conflict.path, config.external_ref
        ),
    )
}

#[cfg(test)]
mod tests;
