//! The connector: the contract, fulfilled for Kong.

mod check;
mod conflicts;
mod declaring;
mod deploying;
mod issuers;
mod listing;
mod looking;
mod paging;
mod probing;
mod removing;
mod steps;
mod versions;

use async_trait::async_trait;
use gatehouse_connector_sdk::{
    conformance,
    connector::{
        ApiReference, CheckReport, Connector, DeployRequest, Deployed, DiscoveryPage, PageRequest,
        Translation,
    },
    context::Context,
    error::{Error, ErrorKind, Result},
    schemas::{
        descriptor::{Capabilities, CredentialDescription, Descriptor},
        desired::DesiredApi,
        identity::ExternalRef,
        observed::{Observation, ObservedApi},
        plan::Plan,
        policy::Policy,
        quota::VendorCalls,
    },
    settings,
};

use uuid::Uuid;

use self::{
    deploying::{Deploying, Generation},
    listing::Listings,
    removing::Removal,
};
use crate::{
    client::{Client, Connections, node::Node},
    config::{self, ADMIN_TOKEN, CLIENT_CERTIFICATE, KongSettings},
    entities::{Collection, Entity},
    holding::Holding,
    observed,
    read::{self, Index},
    record::Record,
    translate::{self, Form, IssuerKeys, Names, Occasion, Secrets, TAG},
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
        let goes_on = page.position.is_some();
        let listing = self.listings.of(context.environment.id, &client, goes_on).await?;
        paging::page(&listing, &page, &reached_at(context)?)
    }

    async fn observe(&self, context: &Context, api: &ApiReference) -> Result<Observation> {
        let client = self.connections.open(context).await?;
        let node = client.node().await?;
        let reached_at = reached_at(context)?;
        let holding = looking::at_rest(&client, &node, &api.mark).await?;
        let known = api.external_ref.as_ref();
        look(&client, &holding, known, &reached_at).await
    }

    fn translate(&self, desired: &DesiredApi) -> Translation {
        Translation {
            vendor_form: translate::vendor_form(desired),
            fidelity: translate::fidelity(desired),
        }
    }

    fn estimate(&self, _desired: Option<&DesiredApi>, _plan: Option<&Plan>) -> VendorCalls {
        VendorCalls::new()
    }

    async fn deploy(&self, context: &Context, request: &DeployRequest) -> Result<Deployed> {
        let desired = &request.desired;
        translate::refuse_inexpressible(desired)?;
        let client = self.connections.open(context).await?;
        let settings = config::read(context)?;
        let node = client.node().await?;
        let reached_at = reached_at(context)?;
        let mut holding = looking::at_work(&client, &node, &desired.mark).await?;
        refuse_strangers(&client, request, &holding).await?;
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
        if let Some(deployed) = as_desired(&deploying, &node, &holding, &keys, &reached_at).await? {
            return Ok(deployed);
        }
        let known = request.external_ref.as_ref();
        let seen = look(&client, &holding, known, &reached_at).await?;
        conflicts::refuse_unseen(&seen, request)?;
        let secrets = resolved(context, desired).await?;
        let mut generation = generation(request, &holding, (&secrets, &keys), &node, &settings);
        versions::fit(&client, &mut generation).await?;
        conflicts::refuse_missing_plugins(&generation.form, &node, desired.mark.api_name.as_str())?;
        conflicts::refuse_templates(&generation.form, &node, desired.mark.api_name.as_str())?;
        adopted(&client, request, &mut holding).await?;
        self.refuse_places(&client, request, &holding).await?;
        let carried_out = match node.has_database {
            true => deploying.carry_out(&generation, &holding).await,
            false => deploying.declare(&generation, &holding).await,
        };
        carried_out.map_err(|error| secrets.hidden_in(error))?;
        let holding = looking::at_rest(&client, &node, &desired.mark).await?;
        told(&holding, &reached_at, desired)
    }

    async fn undeploy(&self, context: &Context, api: &ApiReference) -> Result<()> {
        let client = self.connections.open(context).await?;
        let node = client.node().await?;
        let holding = looking::at_work(&client, &node, &api.mark).await?;
        refuse_to_remove(&client, api, &holding).await?;
        if !node.has_database {
            return declaring::withdraw(&client, &api.mark).await;
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

impl KongConnector {
    /// Whatever answers at the API's places and is neither ours nor adopted stays as it is.
    async fn refuse_places(&self, client: &Client, request: &DeployRequest, holding: &Holding) -> Result<()> {
        let mark = &request.desired.mark;
        if holding
            .get(
                Collection::Services,
                request.external_ref.as_ref().map_or("", |id| id.0.as_str()),
            )
            .is_none()
        {
            conflicts::refuse_taken_name(client, mark.api_name.as_str()).await?;
        }
        let listing = listing::look_at_places(client).await?;
        let index = Index::new(&listing);
        let is_own = |route: &Entity| {
            route
                .owner("service")
                .is_some_and(|service| holding.get(Collection::Services, service).is_some())
        };
        let in_the_way = read::in_the_way(&request.desired.content, &index, is_own);
        match in_the_way.into_iter().next() {
            None => Ok(()),
            Some(conflict) => Err(Error::new(
                ErrorKind::Conflict,
                format!(
                    "{conflict} is in the way of `{}`; remove it on Kong, import and adopt it, or choose another base path",
                    mark.api_name
                ),
            )),
        }
    }
}

/// Where consumers reach the gateway: what people said of the environment, else what its settings say.
fn reached_at(context: &Context) -> Result<Vec<String>> {
    let endpoints = &context.environment.endpoints;
    if !endpoints.is_empty() {
        return Ok(endpoints.iter().map(|endpoint| endpoint.url.clone()).collect());
    }
    Ok(config::read(context)?.proxy_url.into_iter().collect())
}

/// What is there: under the identity, marked or not; only if nothing is, what carries our mark.
async fn look(
    client: &Client,
    holding: &Holding,
    known: Option<&ExternalRef>,
    reached_at: &[String],
) -> Result<Observation> {
    let current = holding.current();
    let is_current = current
        .as_ref()
        .is_some_and(|current| Some(&current.record.external_ref) == known);
    if let Some(known) = known.filter(|_| !is_current)
        && let Some(api) = listing::foreign(client, known, reached_at).await?
    {
        return Ok(Observation::Present(Box::new(api)));
    }
    if let Some(current) = current {
        return Ok(Observation::Present(Box::new(observed::observed(
            &current, holding, reached_at,
        ))));
    }
    Ok(match holding.unrecorded() {
        Some(_) => Observation::Unknown {
            reason: paging::without_record(),
        },
        None => Observation::Absent,
    })
}

/// The answer of a deploy that has little to do: the gateway holds it all. What attempts left behind goes, and another
/// revision that differs in nothing gets its mark.
async fn as_desired(
    deploying: &Deploying<'_>,
    node: &Node,
    holding: &Holding,
    keys: &IssuerKeys,
    reached_at: &[String],
) -> Result<Option<Deployed>> {
    let desired = &deploying.request.desired;
    let Some(current) = holding.current() else {
        return Ok(None);
    };
    let has_keys = issuers::are_there(keys, &current.record.form);
    if !current.is_intact || !has_keys || current.record.fingerprint != desired.fingerprint {
        return Ok(None);
    }
    let record = current.record.clone();
    let has_leftovers = holding.all(Collection::Services).count() > record.form.services().count();
    match node.has_database {
        true => {
            let removal = Removal {
                client: deploying.client,
                context: deploying.context,
                mark: &desired.mark,
                holding,
                begun: &record.form,
            };
            removal.all_but(&record.form).await?;
            deploying.name_anew(&record, holding).await?;
            if record.mark != desired.mark {
                deploying.mark_anew(record).await?;
            }
        }
        false if has_leftovers || record.mark != desired.mark => return Ok(None),
        false => {}
    }
    told(holding, reached_at, desired).map(Some)
}

/// What the gateway holds, which is not taken for what was asked for.
fn told(holding: &Holding, reached_at: &[String], desired: &DesiredApi) -> Result<Deployed> {
    let Some(current) = holding.current() else {
        return Err(Error::new(
            ErrorKind::Conflict,
            format!(
                "`{}` was deployed to Kong, and is not there any more; somebody removed it meanwhile",
                desired.mark.api_name
            ),
        ));
    };
    let ObservedApi {
        external_ref,
        endpoint_urls,
        fingerprint,
        ..
    } = observed::observed(&current, holding, reached_at);
    Ok(Deployed {
        external_ref,
        endpoint_urls,
        observed: fingerprint,
    })
}

fn generation(
    request: &DeployRequest,
    holding: &Holding,
    (secrets, keys): (&Secrets, &IssuerKeys),
    node: &Node,
    settings: &KongSettings,
) -> Generation {
    let desired = &request.desired;
    let current = holding.current().map(|current| current.record);
    let number = current.as_ref().map_or(1, |record| record.number + 1);
    let names = Names::new(desired, number);
    let external_ref = deploying::reference(request, current.as_ref());
    let occasion = Occasion {
        desired,
        names: &names,
        secrets,
        edition: node.edition,
        keys,
        flavor: node.flavor,
        reference: &external_ref,
        is_probed: settings.proxy_url.is_some(),
    };
    let form = occasion.form();
    let hidden = Occasion {
        secrets: &Secrets::default(),
        ..occasion
    }
    .form();
    let is_gated = occasion.is_probed && is_secured(desired);
    let gate = is_gated.then(|| occasion.gate(&Uuid::new_v4().to_string()));
    Generation {
        form,
        gate: gate.unwrap_or_default(),
        record: Record::new(desired, external_ref, number, hidden),
    }
}

/// Whether there is a policy without which somebody gets in who must stay out.
fn is_secured(desired: &DesiredApi) -> bool {
    let content = &desired.content;
    let of_operations = content
        .operations
        .iter()
        .flat_map(|operation| &operation.policies);
    content
        .policies
        .iter()
        .chain(of_operations)
        .any(Policy::is_security)
}

/// Secrets come first: without its keys, nothing of the API is written.
async fn resolved(context: &Context, desired: &DesiredApi) -> Result<Secrets> {
    let of_operations = desired
        .content
        .operations
        .iter()
        .flat_map(|operation| &operation.policies);
    let policies = desired.content.policies.iter().chain(of_operations);
    let mut names: Vec<_> = policies.flat_map(Policy::secret_names).cloned().collect();
    names.sort();
    names.dedup();
    Ok(match names.is_empty() {
        true => Secrets::default(),
        false => Secrets::new(context.secrets.resolve(&names).await?),
    })
}

/// What is not ours stays untouched, unless it is the object that people chose to adopt.
async fn refuse_strangers(client: &Client, request: &DeployRequest, holding: &Holding) -> Result<()> {
    let Some(known) = &request.external_ref else {
        return Ok(());
    };
    let is_ours = holding
        .current()
        .is_some_and(|current| current.record.external_ref == *known);
    if is_ours || holding.get(Collection::Services, &known.0).is_some() {
        return Ok(());
    }
    match client.get(Collection::Services, &known.0).await? {
        Some(service) if !request.adopt || service.has_tag(TAG) => Err(not_ours(&service)),
        _ => Ok(()),
    }
}

/// Puts what is adopted to what the new generation takes the place of.
async fn adopted(client: &Client, request: &DeployRequest, holding: &mut Holding) -> Result<()> {
    let Some(known) = request.external_ref.as_ref().filter(|_| request.adopt) else {
        return Ok(());
    };
    if let Some(service) = client.get(Collection::Services, &known.0).await? {
        looking::below(client, service.id(), holding).await?;
        holding.extend(Collection::Services, [service]);
    }
    Ok(())
}

/// The identity of somebody else's service is not one to remove.
async fn refuse_to_remove(client: &Client, api: &ApiReference, holding: &Holding) -> Result<()> {
    let ApiReference {
        external_ref: Some(known),
        ..
    } = api
    else {
        return Ok(());
    };
    if holding.all(Collection::Services).next().is_some() {
        return Ok(());
    }
    match client.get(Collection::Services, &known.0).await? {
        Some(service) => Err(not_ours(&service)),
        None => Ok(()),
    }
}

fn not_ours(service: &Entity) -> Error {
    Error::new(
        ErrorKind::Conflict,
        format!(
            "service `{}` ({}) on Kong does not carry our mark and stays as it is; remove it there, or import and adopt it",
            service.title(),
            service.id()
        ),
    )
}
