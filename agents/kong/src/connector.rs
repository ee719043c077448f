//! The connector: the contract, fulfilled for Kong.

mod check;
mod conflicts;
mod declaring;
mod deploying;
mod finishing;
mod issuers;
mod listing;
mod looking;
mod paging;
mod planning;
mod probing;
mod removing;
mod strangers;
mod telling;
mod versions;

use std::collections::BTreeSet;

use async_trait::async_trait;
use gatehouse_connector_sdk::{
    conformance,
    connector::{
        ApiReference, CheckReport, Connector, DeployRequest, Deployed, DiscoveryPage, Hints, PageRequest,
        Remarks, Translation,
    },
    context::{Context, EnvironmentContext},
    error::{Error, Result},
    schemas::{
        descriptor::{Capabilities, CredentialDescription, Descriptor},
        desired::DesiredApi,
        observed::Observation,
        plan::Plan,
        quota::VendorCalls,
    },
    settings,
};

use self::{deploying::Deploying, listing::Listings, removing::Removal};
use crate::{
    client::Connections,
    config::{self, ADMIN_TOKEN, CLIENT_CERTIFICATE, KongSettings},
    translate::{self, Form},
};

/// Speaks to Kongs.
#[derive(Debug)]
pub struct KongConnector {
    descriptor: Descriptor,
    connections: Connections,
    listings: Listings,
}

impl KongConnector {
    /// A connector. Fails if this machine cannot make an HTTP client.
    pub fn new() -> Result<Self> {
        Ok(Self {
            descriptor: descriptor(),
            connections: Connections::new()?,
            listings: Listings::default(),
        })
    }
}

fn descriptor() -> Descriptor {
    Descriptor {
        gateway_type: config::gateway_type(),
        display_name: "Kong".to_owned(),
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
            largest_page: u32::try_from(paging::LONGEST_PAGE).ok(),
            definitions_read: ["swagger-2.0", "openapi-3.0", "openapi-3.1"]
                .map(str::to_owned)
                .to_vec(),
            gateway_versions: vec!["3.4 to 3.9".to_owned(), "Konnect".to_owned()],
            ..Capabilities::default()
        },
        settings_schema: settings::schema::<KongSettings>("Settings of Kong"),
        policies: translate::support(),
        // The Admin API has no rate limit.
        quotas: Vec::new(),
        account_settings: Vec::new(),
        permissions: check::permissions(),
        credentials: vec![
            CredentialDescription {
                name: ADMIN_TOKEN.to_owned(),
                description: "What the Admin API is called with, in the header that the setting `tokenHeader` names; for Konnect, a personal or system account token".to_owned(),
                required: false,
            },
            CredentialDescription {
                name: CLIENT_CERTIFICATE.to_owned(),
                description: "A client certificate and its private key in one PEM text, if the Admin API wants one".to_owned(),
                required: false,
            },
        ],
        conformance: conformance::checked_in(include_str!("conformance.json")),
    }
}

#[async_trait]
impl Connector for KongConnector {
    fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    async fn check(&self, context: &Context) -> Result<CheckReport> {
        let client = self.connections.open(context).await?;
        check::check(&client, context.environment.mode).await
    }

    async fn discover(&self, context: &Context, page: PageRequest) -> Result<DiscoveryPage> {
        let client = self.connections.open(context).await?;
        let reached_at = telling::reached_at(context)?;
        self.listings
            .page(context.environment.id, &client, &page, &reached_at)
            .await
    }

    async fn observe(&self, context: &Context, api: &ApiReference) -> Result<Observation> {
        let client = self.connections.open(context).await?;
        let node = client.node().await?;
        let reached_at = telling::reached_at(context)?;
        let holding = looking::at_rest(&client, &node, &api.mark).await?;
        let known = api.external_ref.as_ref();
        telling::look(&client, &node, &holding, known, &reached_at).await
    }

    async fn hints(&self, _context: &Context) -> Result<Hints> {
        Ok(Hints::NotConfigured)
    }

    fn translate(&self, _environment: &EnvironmentContext, desired: &DesiredApi) -> Translation {
        Translation {
            vendor_form: translate::vendor_form(desired),
            fidelity: translate::fidelity(desired),
        }
    }

    fn refusal(&self, _environment: &EnvironmentContext, desired: &DesiredApi) -> Option<Error> {
        translate::refuse_inexpressible(desired).err()
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
        _plan: Option<&Plan>,
    ) -> VendorCalls {
        VendorCalls::new()
    }

    async fn deploy(&self, context: &Context, request: &DeployRequest) -> Result<Deployed> {
        let desired = &request.desired;
        translate::refuse_inexpressible(desired)?;
        let client = self.connections.open(context).await?;
        let settings = config::read(context)?;
        let node = client.node().await?;
        let reached_at = telling::reached_at(context)?;
        let mut holding = looking::at_work(&client, &node, &desired.mark).await?;
        strangers::refuse_strangers(&client, request, &holding).await?;
        let http = self.connections.proxy();
        let deploying = Deploying {
            client: &client,
            http,
            node: &node,
            context,
            settings: &settings,
            request,
        };
        let keys = issuers::keys(http, context, desired, node.edition).await?;
        if deploying.finish(&holding, &keys).await? {
            return telling::told(&holding, &reached_at, desired);
        }
        let known = request.external_ref.as_ref();
        let seen = telling::look(&client, &node, &holding, known, &reached_at).await?;
        conflicts::refuse_unseen(&seen, request)?;
        let (generation, secrets) = deploying.prepare(&mut holding, &keys).await?;
        let carried_out = match node.has_database {
            true => deploying.carry_out(&generation, &holding).await,
            false => deploying.declare(&generation, &holding).await,
        };
        carried_out.map_err(|error| secrets.hidden_in(error))?;
        let holding = looking::at_rest(&client, &node, &desired.mark).await?;
        telling::told(&holding, &reached_at, desired)
    }

    async fn undeploy(&self, context: &Context, api: &ApiReference) -> Result<()> {
        let client = self.connections.open(context).await?;
        let node = client.node().await?;
        let holding = looking::at_work(&client, &node, &api.mark).await?;
        strangers::refuse_to_remove(&client, api, &holding).await?;
        if !node.has_database {
            return declaring::withdraw(&client, &api.mark, &BTreeSet::new()).await;
        }
        let removal = Removal {
            client: &client,
            context,
            mark: &api.mark,
            holding: &holding,
            begun: &Form::default(),
        };
        removal.all_but(&Form::default()).await
    }
}
