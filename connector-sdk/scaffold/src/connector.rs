//! The connector: the contract, fulfilled for this gateway type.
//!
//! Each operation makes one honest attempt. A deploy is one conditional call: there is no moment with half an API, no
//! step to record, and nobody's change is overwritten that was not seen.

mod check;
mod listing;

use async_trait::async_trait;
use gatehouse_connector_sdk::{
    connector::{
        ApiReference, CheckReport, Connector, DeployRequest, Deployed, DiscoveryPage, Hints, PageRequest,
        Remarks, Translation,
    },
    context::{Context, EnvironmentContext},
    error::{Error, ErrorKind, Result, Retry},
    schemas::{
        descriptor::{Capabilities, CredentialDescription, Descriptor},
        desired::{DesiredApi, Mark},
        identity::ExternalRef,
        observed::{Observation, ObservedApi},
        plan::{Plan, still_holds},
        quota::VendorCalls,
    },
    settings,
};
use serde_json::json;

use crate::{
    client::{
        Client, LONGEST_PAGE,
        documents::{Api, Document},
        operations,
    },
    config::{ADMIN_TOKEN, GATEWAY_TYPE, ScaffoldSettings},
    translate::{self, Digests},
};

/// Speaks to gateways of this type.
#[derive(Debug)]
pub struct ScaffoldConnector {
    descriptor: Descriptor,
    http: reqwest::Client,
}

impl ScaffoldConnector {
    /// A connector. Fails if this machine cannot make an HTTP client.
    pub fn new() -> Result<Self> {
        // The gateway is on a network of the agent's own, and its credential follows no redirect.
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build();
        Ok(Self {
            descriptor: descriptor()?,
            http: http.map_err(|error| cannot_start("it can make no HTTP client").with_source(error))?,
        })
    }

    /// What is there: under the gateway's own identity, marked or not; only if nothing is, what carries our mark.
    async fn find(
        &self,
        client: &Client<'_>,
        known: Option<&ExternalRef>,
        mark: &Mark,
    ) -> Result<Option<Api>> {
        if let Some(ExternalRef(id)) = known
            && let Some(api) = client.get(id).await?
        {
            return Ok(Some(api));
        }
        let owner = translate::owner(mark);
        let listing = client.list(None, 1, Some((translate::OWNER, &owner))).await?;
        match listing.items.first() {
            // None if it was removed between the two calls.
            Some(summary) => client.get(&summary.id).await,
            None => Ok(None),
        }
    }
}

fn descriptor() -> Result<Descriptor> {
    let gateway_type = GATEWAY_TYPE.parse();
    Ok(Descriptor {
        gateway_type: gateway_type
            .map_err(|error| cannot_start("its gateway type is not a name").with_source(error))?,
        display_name: "scaffold".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        capabilities: Capabilities {
            deploy: true,
            undeploy: true,
            observe: true,
            discover: true,
            check: true,
            adopt: true,
            versions: true,
            largest_page: u32::try_from(LONGEST_PAGE).ok(),
            // What is not said is not there. `replicated` is for gateways of which each has an agent of its own,
            // `steps` for those on which a deploy takes several calls.
            ..Capabilities::default()
        },
        settings_schema: settings::schema::<ScaffoldSettings>("Settings of scaffold"),
        policies: translate::support(),
        // A vendor's published quotas stand here, by the names in `client::operations`.
        quotas: Vec::new(),
        account_settings: vec!["adminUrl".to_owned()],
        permissions: check::permissions(),
        credentials: vec![CredentialDescription {
            name: ADMIN_TOKEN.to_owned(),
            description:
                "A token of the gateway's Admin API; for environments that are only read, its read-only one"
                    .to_owned(),
            required: true,
        }],
        conformance: None,
    })
}

fn cannot_start(why: &str) -> Error {
    Error::new(
        ErrorKind::Unexpected,
        format!("the connector does not start: {why}"),
    )
}

#[async_trait]
impl Connector for ScaffoldConnector {
    fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    async fn check(&self, context: &Context) -> Result<CheckReport> {
        check::check(&Client::new(&self.http, context)?, context.environment.mode).await
    }

    async fn discover(&self, context: &Context, page: PageRequest) -> Result<DiscoveryPage> {
        let client = Client::new(&self.http, context)?;
        listing::page(&client, &page, &reached_at(context)?).await
    }

    async fn observe(&self, context: &Context, api: &ApiReference) -> Result<Observation> {
        let client = Client::new(&self.http, context)?;
        let found = self.find(&client, api.external_ref.as_ref(), &api.mark).await?;
        Ok(observation(found, &reached_at(context)?))
    }

    async fn hints(&self, _context: &Context) -> Result<Hints> {
        Ok(Hints::NotConfigured)
    }

    fn translate(&self, _environment: &EnvironmentContext, desired: &DesiredApi) -> Translation {
        // Without digests: not even those are for plans.
        let service = translate::service(&desired.content, &Digests::new());
        Translation {
            vendor_form: json!(service),
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
        desired: Option<&DesiredApi>,
        _plan: Option<&Plan>,
    ) -> VendorCalls {
        let change = match desired {
            Some(_) => operations::PUT_API,
            None => operations::DELETE_API,
        };
        // Before a change it is looked at once more, by its identity and by our mark.
        let calls = [(operations::GET_API, 2), (operations::LIST_APIS, 1), (change, 1)];
        calls
            .map(|(operation, count)| (operation.to_owned(), count))
            .into()
    }

    async fn deploy(&self, context: &Context, request: &DeployRequest) -> Result<Deployed> {
        let desired = &request.desired;
        translate::refuse_inexpressible(desired)?;
        let client = Client::new(&self.http, context)?;
        let reached_at = reached_at(context)?;
        let known = request.external_ref.as_ref();
        let present = self.find(&client, known, &desired.mark).await?;
        refuse_strangers(present.as_ref(), request)?;
        if let Some(deployed) = as_desired(present.clone(), desired, &reached_at) {
            return Ok(deployed);
        }
        refuse_unseen(&observation(present.clone(), &reached_at), request)?;
        // Secrets come first: without its keys, nothing of the API is written.
        let document = document(context, desired, present.as_ref()).await?;
        let (id, seen) = match present {
            Some(present) => (present.id, Some(present.version)),
            None => (translate::identity(&desired.mark), None),
        };
        let written = client.put(&id, &document, seen).await?;
        Ok(deployed(translate::observed(written, &reached_at)))
    }

    async fn undeploy(&self, context: &Context, api: &ApiReference) -> Result<()> {
        let client = Client::new(&self.http, context)?;
        match self.find(&client, api.external_ref.as_ref(), &api.mark).await? {
            None => Ok(()),
            Some(found) if translate::is_ours(&found.document, &api.mark) => {
                client.delete(&found.id, found.version).await
            }
            Some(found) => Err(not_ours(&found)),
        }
    }
}

/// Where consumers reach the gateway: what people said of the environment, else what its settings say.
fn reached_at(context: &Context) -> Result<Vec<String>> {
    let endpoints = &context.environment.endpoints;
    if !endpoints.is_empty() {
        return Ok(endpoints.iter().map(|endpoint| endpoint.url.clone()).collect());
    }
    let settings: ScaffoldSettings = settings::read(&context.environment)?;
    Ok(settings.proxy_url.into_iter().collect())
}

fn observation(found: Option<Api>, reached_at: &[String]) -> Observation {
    found.map_or(Observation::Absent, |api| {
        Observation::Present(Box::new(translate::observed(api, reached_at)))
    })
}

/// What the gateway holds, which is not taken for what was asked for.
fn deployed(observed: ObservedApi) -> Deployed {
    Deployed {
        external_ref: observed.external_ref,
        endpoint_urls: observed.endpoint_urls,
        observed: observed.fingerprint,
    }
}

/// The answer of a deploy that has nothing to do: an earlier attempt did it, and its answer was lost.
fn as_desired(present: Option<Api>, desired: &DesiredApi, reached_at: &[String]) -> Option<Deployed> {
    let observed = translate::observed(present?, reached_at);
    let is_desired =
        observed.mark.as_ref() == Some(&desired.mark) && observed.fingerprint == desired.fingerprint;
    is_desired.then(|| deployed(observed))
}

async fn document(context: &Context, desired: &DesiredApi, present: Option<&Api>) -> Result<Document> {
    let names = translate::secret_names(&desired.content);
    let digests = match names.is_empty() {
        true => Digests::new(),
        false => translate::digests(context.secrets.resolve(&names).await?),
    };
    Ok(translate::document(
        desired,
        &digests,
        present.map(|api| &api.document),
    ))
}

/// What is not ours stays untouched, unless it is the object that people chose to adopt.
fn refuse_strangers(present: Option<&Api>, request: &DeployRequest) -> Result<()> {
    let Some(present) = present else { return Ok(()) };
    let is_chosen = request
        .external_ref
        .as_ref()
        .is_some_and(|chosen| chosen.0 == present.id);
    let is_adopted = request.adopt && is_chosen && !translate::is_marked(&present.document);
    match is_adopted || translate::is_ours(&present.document, &request.desired.mark) {
        true => Ok(()),
        false => Err(not_ours(present)),
    }
}

/// What changed since the plan was made is not overwritten: whoever drives the attempt looks again.
fn refuse_unseen(present: &Observation, request: &DeployRequest) -> Result<()> {
    if still_holds(&request.plan, present) {
        return Ok(());
    }
    let api = &request.desired.mark.api_name;
    Err(Error::new(
        ErrorKind::Conflict,
        format!("`{api}` changed on the gateway since it was looked at; nothing was touched, and it is looked at again"),
    )
    .with_retry(Retry::Backoff))
}

fn not_ours(api: &Api) -> Error {
    let Api { id, document, .. } = api;
    Error::new(
        ErrorKind::Conflict,
        format!(
            "`{id}` (`{}`) on the gateway does not carry our mark and stays as it is; remove it there, or import and adopt it",
            document.service.name
        ),
    )
}
