//! The connector.

use async_trait::async_trait;
use gatehouse_connector_sdk::{
    connector::{
        ApiReference, CheckReport, Connector, DeployRequest, Deployed, DiscoveryPage, Hints, PageRequest,
        Remarks, Translation,
    },
    context::{Context, EnvironmentContext},
    error::{Error, Result},
    settings,
};
use gatehouse_schemas::{
    descriptor::{Capabilities, CredentialDescription, Descriptor},
    desired::DesiredApi,
    observed::Observation,
    plan::{Plan, PlanAction},
    quota::VendorCalls,
};

use super::{
    client::Client,
    config::{self, GATEWAY_TYPE, SimulatedSettings},
    deploy, discover, observe, permissions, policies, translate, undeploy,
};

/// Speaks to accounts of the simulated vendor.
#[derive(Debug)]
pub struct SimulatedConnector {
    descriptor: Descriptor,
    http: reqwest::Client,
}

impl SimulatedConnector {
    /// A connector. The vendor's published quotas hold with their intervals divided by `quota_divisor`; 0 is for a
    /// vendor without quotas.
    pub fn new(quota_divisor: u32) -> Self {
        let http = reqwest::Client::builder().no_proxy();
        Self {
            descriptor: descriptor(quota_divisor),
            http: http.build().expect("a client without TLS can be made"),
        }
    }
}

fn descriptor(quota_divisor: u32) -> Descriptor {
    Descriptor {
        gateway_type: GATEWAY_TYPE.parse().expect("the gateway type is a name"),
        display_name: "Simulated vendor".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        capabilities: Capabilities {
            deploy: true,
            undeploy: true,
            observe: true,
            discover: true,
            check: true,
            adopt: true,
            steps: true,
            versions: true,
            definitions_read: ["swagger-2.0", "openapi-3.0", "openapi-3.1"]
                .map(str::to_owned)
                .to_vec(),
            largest_page: Some(discover::LARGEST_PAGE.into()),
            gateway_versions: vec!["2026-03".to_owned()],
            ..Capabilities::default()
        },
        settings_schema: settings::schema::<SimulatedSettings>("Simulated vendor settings"),
        policies: policies::support(),
        quotas: config::quotas(quota_divisor),
        account_settings: vec!["url".to_owned(), "account".to_owned()],
        permissions: permissions::sets(),
        credentials: vec![CredentialDescription {
            name: config::KEY.to_owned(),
            description: "The key of the account, as the vendor shows it once".to_owned(),
            required: true,
        }],
        conformance: None,
    }
}

#[async_trait]
impl Connector for SimulatedConnector {
    fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    async fn check(&self, context: &Context) -> Result<CheckReport> {
        permissions::check(&Client::new(&self.http, context)?).await
    }

    async fn discover(&self, context: &Context, page: PageRequest) -> Result<DiscoveryPage> {
        discover::discover(&Client::new(&self.http, context)?, &page).await
    }

    async fn observe(&self, context: &Context, api: &ApiReference) -> Result<Observation> {
        observe::observe(&Client::new(&self.http, context)?, api).await
    }

    async fn hints(&self, _context: &Context) -> Result<Hints> {
        Ok(Hints::NotConfigured)
    }

    fn translate(&self, _environment: &EnvironmentContext, desired: &DesiredApi) -> Translation {
        translate::translate(desired)
    }

    fn refusal(&self, _environment: &EnvironmentContext, desired: &DesiredApi) -> Option<Error> {
        translate::refusal(desired)
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
        estimate(desired, plan)
    }

    async fn deploy(&self, context: &Context, request: &DeployRequest) -> Result<Deployed> {
        deploy::deploy(&Client::new(&self.http, context)?, request).await
    }

    async fn undeploy(&self, context: &Context, api: &ApiReference) -> Result<()> {
        undeploy::undeploy(&Client::new(&self.http, context)?, api).await
    }
}

/// The calls that a plan takes at most.
fn estimate(desired: Option<&DesiredApi>, plan: Option<&Plan>) -> VendorCalls {
    let removal = || {
        counted(&[
            ("GetApi", 2),
            ("GetApis", 1),
            ("DeleteStage", 1),
            ("DeleteApi", 1),
        ])
    };
    let Some(desired) = desired else {
        return removal();
    };
    let has_policies = !translate::form(&desired.content, &desired.secrets)
        .policies
        .is_empty();
    let policies = u64::from(has_policies);
    match plan.map(|plan| plan.action) {
        Some(PlanAction::Remove) => removal(),
        Some(PlanAction::Nothing) => counted(&[("GetExport", 1)]),
        Some(PlanAction::Update) => counted(&[
            // To find it, to see what was switched to.
            ("GetExport", 2),
            ("GetApis", 1),
            // One that was kept is used again.
            ("GetDeployment", 1),
            ("UpdateApi", 1),
            ("PutRoutes", 1),
            // The last policies may have to go.
            ("PutPolicies", 1),
            ("CreateDeployment", 1),
            ("PutStage", 1),
            ("DeleteDeployment", 1),
        ]),
        Some(PlanAction::Create) | None => counted(&[
            // One of a former identity may be asked for first.
            ("GetExport", 2),
            ("GetApis", 1),
            ("CreateApi", 1),
            ("PutRoutes", 1),
            ("PutPolicies", policies),
            ("CreateDeployment", 1),
            ("PutStage", 1),
        ]),
    }
}

fn counted(calls: &[(&str, u64)]) -> VendorCalls {
    calls
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(operation, count)| ((*operation).to_owned(), *count))
        .collect()
}
