//! The connector: the contract, fulfilled for Amazon API Gateway.

mod applying;
mod check;
mod deploying;
mod estimating;
mod fitting;
mod keys;
mod listing;
mod looking;
mod paging;
pub(crate) mod permissions;
mod remarking;
mod removing;
mod seeing;
mod telling;
mod trusting;
mod wanting;
mod watching;

use std::collections::BTreeMap;

use async_trait::async_trait;
use gatehouse_connector_sdk::{
    conformance,
    connector::{
        ApiReference, CheckReport, Connector, DeployRequest, Deployed, DiscoveryPage, Hints, PageRequest,
        Remarks, Translation,
    },
    context::{Context, EnvironmentContext},
    error::{Error, ErrorKind, Result, Retry},
    schemas::{
        descriptor::{Capabilities, CredentialDescription, Descriptor},
        desired::DesiredApi,
        identity::ResourceName,
        observed::Observation,
        plan::{Plan, still_holds},
        quota::{Quota, VendorCalls},
    },
    settings,
};
use secrecy::SecretString;

use self::{
    deploying::Deploying,
    listing::Listings,
    looking::{Found, Held},
    removing::Removal,
    wanting::Wanted,
    watching::Watches,
};
use crate::{
    client::Accesses,
    config::{self, ACCESS_KEY_ID, AwsSettings, SECRET_ACCESS_KEY, SESSION_TOKEN},
    hints::{self, Queue},
    mark, quotas,
    record::Record,
    translate,
};

/// Speaks to Amazon API Gateway.
#[derive(Debug)]
pub struct AwsConnector {
    descriptor: Descriptor,
    accesses: Accesses,
    listings: Listings,
    watches: Watches,
}

impl Default for AwsConnector {
    fn default() -> Self {
        Self::new()
    }
}

impl AwsConnector {
    /// A connector.
    pub fn new() -> Self {
        Self {
            descriptor: descriptor(),
            accesses: Accesses::default(),
            listings: Listings::default(),
            watches: Watches::default(),
        }
    }
    /// The same for servers whose quotas are not those that AWS publishes.
    #[must_use]
    pub fn with_quotas(mut self, quotas: Vec<Quota>) -> Self {
        self.descriptor.quotas = quotas;
        self
    }
}

fn descriptor() -> Descriptor {
    Descriptor {
        gateway_type: config::gateway_type(),
        display_name: "Amazon API Gateway".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        capabilities: Capabilities {
            deploy: true,
            undeploy: true,
            observe: true,
            adopt: true,
            check: true,
            hints: true,
            discover: true,
            steps: true,
            versions: true,
            largest_page: u32::try_from(paging::LONGEST_PAGE).ok(),
            definitions_read: vec!["openapi-3.0".to_owned()],
            ..Capabilities::default()
        },
        settings_schema: settings::schema::<AwsSettings>("Settings of Amazon API Gateway"),
        policies: translate::support(),
        quotas: quotas::published(),
        account_settings: ["region", "endpointUrl", "profile", "roleArn"]
            .map(str::to_owned)
            .to_vec(),
        permissions: permissions::permissions(),
        credentials: [
            (
                ACCESS_KEY_ID,
                "Static keys, in place of the default provider chain: the access key id",
            ),
            (
                SECRET_ACCESS_KEY,
                "The secret access key that goes with `accessKeyId`",
            ),
            (SESSION_TOKEN, "The session token, for temporary static keys"),
        ]
        .map(|(name, description)| CredentialDescription {
            name: name.to_owned(),
            description: description.to_owned(),
            required: false,
        })
        .to_vec(),
        conformance: conformance::checked_in(include_str!("conformance.json")),
    }
}

#[async_trait]
impl Connector for AwsConnector {
    fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    async fn check(&self, context: &Context) -> Result<CheckReport> {
        check::check(&self.accesses.open(context).await?).await
    }

    async fn discover(&self, context: &Context, page: PageRequest) -> Result<DiscoveryPage> {
        let account = self.accesses.open(context).await?;
        paging::page(&account, (&self.listings, &self.watches), &page).await
    }

    async fn observe(&self, context: &Context, api: &ApiReference) -> Result<Observation> {
        let account = self.accesses.open(context).await?;
        let found = looking::find(&account, &api.mark, api.external_ref.as_ref()).await?;
        telling::look(&account, &found).await
    }

    async fn hints(&self, context: &Context) -> Result<Hints> {
        let settings = config::read(&context.environment)?;
        let environment = context.environment.id;
        let Some(queue) = Queue::of(&settings)? else {
            self.watches.forget(environment);
            return Ok(Hints::NotConfigured);
        };
        let account = self.accesses.open(context).await?;
        self.watches.listen(environment, &queue.arn);
        let heard = hints::hear(&account, &queue, |hints| self.watches.hear(environment, hints)).await;
        self.watches.pause(environment);
        heard.map(Hints::Heard)
    }

    fn translate(&self, environment: &EnvironmentContext, desired: &DesiredApi) -> Translation {
        wanting::translation(environment, desired)
    }

    fn refusal(&self, environment: &EnvironmentContext, desired: &DesiredApi) -> Option<Error> {
        let settings = config::read(environment).ok()?;
        Wanted::checked(&settings, desired).err()
    }

    fn remarks(
        &self,
        environment: &EnvironmentContext,
        desired: &DesiredApi,
        observed: &Observation,
    ) -> Remarks {
        remarking::remarks(environment, desired, observed)
    }

    fn estimate(
        &self,
        environment: &EnvironmentContext,
        desired: Option<&DesiredApi>,
        plan: Option<&Plan>,
    ) -> VendorCalls {
        let Ok(settings) = config::read(environment) else {
            return VendorCalls::new();
        };
        match desired {
            None => estimating::removal(&settings),
            Some(desired) => estimating::deploy(&settings, &Wanted::new(&settings, desired), plan),
        }
    }

    async fn deploy(&self, context: &Context, request: &DeployRequest) -> Result<Deployed> {
        let desired = &request.desired;
        let account = self.accesses.open(context).await?;
        let wanted = Wanted::checked(&account.settings, desired)?;
        let found = looking::find(&account, &desired.mark, request.external_ref.as_ref()).await?;
        let observation = telling::look(&account, &found).await?;
        let held = own(found, &observation, request)?;
        let object = looking::object(&desired.mark);
        let truststore = trusting::truststore(&account, &object, &wanted, held.as_ref()).await?;
        let mut deploying = Deploying {
            account: &account,
            request,
            wanted: &wanted,
            secrets: &BTreeMap::new(),
            truststore,
            object: &object,
            was_begun: was_begun(context),
        };
        if let Some((held, record)) = as_desired(held.as_ref(), &deploying, desired) {
            deploying.clean_up(held, &record).await?;
            return Ok(telling::applied(&account, held, &record));
        }
        let secrets = resolved(context, &wanted).await?;
        deploying.secrets = &secrets;
        let outcome = Box::pin(deploying.carry_out(held)).await?;
        telling::deployed(&account, &outcome)
    }

    async fn undeploy(&self, context: &Context, api: &ApiReference) -> Result<()> {
        let account = self.accesses.open(context).await?;
        let held = match looking::find(&account, &api.mark, api.external_ref.as_ref()).await? {
            Found::Ours(held) => Some(*held),
            Found::Foreign(held) => return Err(not_ours(&held)),
            Found::Nothing => None,
        };
        let removal = Removal {
            account: &account,
            mark: &api.mark,
            object: &looking::object(&api.mark),
            was_begun: was_begun(context),
        };
        removal.carry_out(held).await
    }
}

/// What is held of the API, if it is ours or people chose to adopt it. What changed since the plan was made is not
/// overwritten: whoever drives the attempt looks again.
fn own(found: Found, observation: &Observation, request: &DeployRequest) -> Result<Option<Held>> {
    let api = &request.desired.mark.api_name;
    if let Found::Foreign(foreign) = &found
        && (!request.adopt || mark::is_marked(&foreign.api.tags))
    {
        return Err(not_ours(foreign));
    }
    if !still_holds(&request.plan, observation) {
        let message = format!(
            "`{api}` changed on AWS since it was looked at; nothing was touched, and it is looked at again"
        );
        return Err(Error::new(ErrorKind::Conflict, message).with_retry(Retry::Backoff));
    }
    let (Found::Ours(held) | Found::Foreign(held)) = found else {
        return Ok(None);
    };
    if held.stage.as_ref().is_some_and(|stage| stage.has_canary) {
        return Err(Error::new(
            ErrorKind::Conflict,
            format!(
                "somebody tries a canary release on the stage of `{api}`, which stays as it is; promote it or remove it on AWS, and deploy again"
            ),
        ));
    }
    Ok(Some(*held))
}

fn not_ours(held: &Held) -> Error {
    let (name, external_ref) = (&held.api.name, held.api.id.external_ref().0);
    let told = match mark::is_marked(&held.api.tags) {
        true => {
            "carries the mark of another environment or of another Gatehouse and stays as it is; undeploy it there first"
        }
        false => "does not carry our mark and stays as it is; remove it there, or import and adopt it",
    };
    Error::new(
        ErrorKind::Conflict,
        format!("the API `{name}` ({external_ref}) on AWS {told}"),
    )
}

/// What is held, if it is all that is desired, made from equal documents.
fn as_desired<'a>(
    held: Option<&'a Held>,
    deploying: &Deploying<'_>,
    desired: &DesiredApi,
) -> Option<(&'a Held, Record)> {
    let held = held?;
    let record = held.record()?;
    let wanted = deploying.wanted;
    let is_same = held.api.id.kind == wanted.kind
        && record.fingerprint == desired.fingerprint
        && record.mark == desired.mark
        && record.served.document == wanted.document_fingerprint()
        && record.beside.settings == wanted.settings
        && record.beside.truststore == deploying.truststore;
    (is_same && held.is_intact(&record)).then_some((held, record))
}

/// Whether an earlier attempt did not come to its end. The journal tells of this one, too, from its first step on.
fn was_begun(context: &Context) -> bool {
    !context.journal.recorded().is_empty()
}

/// Secrets come first: without its keys, nothing of the API is written.
async fn resolved(context: &Context, wanted: &Wanted) -> Result<BTreeMap<ResourceName, SecretString>> {
    let mut names: Vec<ResourceName> = wanted.keys.values().cloned().collect();
    names.sort();
    names.dedup();
    match names.is_empty() {
        true => Ok(BTreeMap::new()),
        false => context.secrets.resolve(&names).await,
    }
}
