//! Finding an API on AWS, ours or not.

use std::collections::BTreeMap;

use gatehouse_connector_sdk::{
    error::Result,
    schemas::{desired::Mark, identity::ExternalRef},
};

use super::keys::BEGINNING;
use crate::{
    apis::{
        Api, ApiId, Stage, calls,
        domains::{Domain, Truststore},
        listed::{self, Listed},
        none_where_unknown,
        plans::{Plan, Plans},
        unless_missing,
    },
    client::Account,
    mark,
    read::Snapshot,
    record::Record,
    translate::Kind,
};

/// What AWS holds of an API of ours.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) api: Api,
    /// The environment's stage, if the API has it.
    pub(super) stage: Option<Stage>,
    /// The usage plan of the record, if it is there.
    pub(super) plan: Option<HeldPlan>,
    /// The paths of the environment's domain name that lead to the stage.
    pub(super) paths: Vec<String>,
    /// The truststore of that domain name, where callers must present a certificate.
    pub(super) truststore: Option<Truststore>,
}

/// What AWS holds of the usage plan of an API.
#[derive(Debug, Clone)]
pub(super) struct HeldPlan {
    pub(super) plan: Plan,
    /// AWS's identities of the keys that it lets in.
    pub(super) keys: Vec<String>,
    /// Those of our keys that somebody switched off.
    pub(super) switched_off: Vec<String>,
}

/// What was found.
#[derive(Debug)]
pub(super) enum Found {
    /// An API with our mark.
    Ours(Box<Held>),
    /// The identity leads to something that is not ours.
    Foreign(Box<Held>),
    Nothing,
}

impl Held {
    /// What was applied, if the stage remembers it.
    pub(super) fn record(&self) -> Option<Record> {
        self.stage.as_ref()?.record()
    }

    /// Whether AWS holds exactly what was applied.
    pub(super) fn is_intact(&self, record: &Record) -> bool {
        let stage = self.stage.as_ref();
        let serves = stage.is_some_and(|stage| {
            stage.deployment.as_deref() == Some(record.served.id.as_str()) && !stage.has_canary
        });
        let is_same = serves
            && self.has_settings(record)
            && self.is_reached(record)
            && self.api.name == record.beside.name;
        is_same && self.is_guarded(record) && self.has_plan(record)
    }

    /// Whether the stage is set to what was applied.
    pub(super) fn has_settings(&self, record: &Record) -> bool {
        let stage = self.stage.as_ref();
        stage.is_some_and(|stage| stage.has(&record.beside.settings))
    }

    /// Whether the domain name leads to the stage as was applied.
    pub(super) fn is_reached(&self, record: &Record) -> bool {
        record.beside.path.iter().eq(&self.paths)
    }

    /// Whether callers present the certificates that were asked for, and cannot go round that.
    pub(super) fn is_guarded(&self, record: &Record) -> bool {
        let Some(applied) = &record.beside.truststore else {
            return true;
        };
        let is_trusted = self.truststore.as_ref().is_some_and(|held| {
            held.uri == applied.uri && (applied.version.is_none() || held.version == applied.version)
        });
        is_trusted && self.api.own_address_is_off
    }

    fn has_plan(&self, record: &Record) -> bool {
        match (&record.beside.plan, &self.plan) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(applied), Some(there)) => {
                let (mut held, mut wanted): (Vec<_>, Vec<_>) =
                    (there.keys.iter().collect(), applied.keys.values().collect());
                held.sort();
                wanted.sort();
                wanted.dedup();
                let lets_in = held == wanted && there.switched_off.is_empty();
                lets_in && there.plan.limits == applied.limits && !there.plan.stages.is_empty()
            }
        }
    }
}

/// Looks for an API: by AWS's identity of it, or else by our mark.
pub(super) async fn find(account: &Account<'_>, mark: &Mark, known: Option<&ExternalRef>) -> Result<Found> {
    let object = object(mark);
    if let Some(id) = known.and_then(ApiId::of)
        && let Some(Listed { api, .. }) = listed::one(account, &id, &object).await?
    {
        let is_ours = mark::is_of(mark, &api.tags);
        let held = Box::new(held(account, &object, api).await?);
        return Ok(match is_ours {
            true => Found::Ours(held),
            false => Found::Foreign(held),
        });
    }
    let mut marked = Vec::new();
    for kind in kinds(account) {
        marked.extend(marked_in(*kind, account, mark).await?);
    }
    match marked.is_empty() {
        true => Ok(Found::Nothing),
        false => {
            let held = held(account, &object, marked.swap_remove(0)).await?;
            Ok(Found::Ours(Box::new(held)))
        }
    }
}

/// What is held of the oldest API of a kind with the mark, if there is one.
pub(super) async fn oldest(kind: Kind, account: &Account<'_>, mark: &Mark) -> Result<Option<Held>> {
    match marked_in(kind, account, mark).await?.into_iter().next() {
        Some(api) => held(account, &object(mark), api).await.map(Some),
        None => Ok(None),
    }
}

/// The kinds that an API of the environment may be of.
pub(super) fn kinds(account: &Account<'_>) -> &'static [Kind] {
    match account.settings.kind.as_str() {
        "rest" => &[Kind::Rest],
        "http" => &[Kind::Http],
        _ => &[Kind::Rest, Kind::Http],
    }
}

/// Every API of a kind with the mark, the oldest first: that one stays.
pub(super) async fn marked_in(kind: Kind, account: &Account<'_>, mark: &Mark) -> Result<Vec<Api>> {
    let listed = listed::of_kind(account, kind).await;
    let listed = match account.settings.kind.as_str() {
        "auto" => none_where_unknown(listed)?,
        _ => listed?,
    };
    let apis = listed.into_iter().map(|listed| listed.api);
    let mut marked: Vec<Api> = apis.filter(|api| mark::is_of(mark, &api.tags)).collect();
    marked.sort_by(|one, other| (one.created, &one.id.id).cmp(&(other.created, &other.id.id)));
    Ok(marked)
}

async fn held(account: &Account<'_>, object: &str, api: Api) -> Result<Held> {
    let stage = calls(api.id.kind, account, object).stage(&api.id.id).await?;
    whole(account, object, api, stage, None).await
}

/// What is held of an API of ours whose stage was looked at. Where `listed` tells of its keys, they are not asked for again.
pub(super) async fn whole(
    account: &Account<'_>,
    object: &str,
    api: Api,
    stage: Option<Stage>,
    listed: Option<&Snapshot>,
) -> Result<Held> {
    let record = stage.as_ref().and_then(Stage::record);
    let beside = record.map(|record| record.beside).unwrap_or_default();
    let plan = match &beside.plan {
        Some(applied) => plan(account, object, (&api, &applied.id), listed).await?,
        None => None,
    };
    let truststore = match (domain(account, object), &beside.truststore) {
        (Some(domain), Some(_)) => domain.truststore().await?,
        _ => None,
    };
    let paths = paths(account, object, &api).await?;
    Ok(Held {
        api,
        stage,
        plan,
        paths,
        truststore,
    })
}

/// The environment's domain name, if it has one.
pub(super) fn domain<'a>(account: &'a Account<'a>, object: &'a str) -> Option<Domain<'a>> {
    let name = account.settings.domain_name.as_deref()?;
    Some(Domain {
        account,
        name,
        object,
    })
}

/// The paths that lead to the stage of an API: none where somebody removed the domain name.
async fn paths(account: &Account<'_>, object: &str, api: &Api) -> Result<Vec<String>> {
    let Some(domain) = domain(account, object) else {
        return Ok(Vec::new());
    };
    let mappings = unless_missing(domain.mappings().await)?.unwrap_or_default();
    let mappings = mappings.into_iter();
    let own = mappings.filter(|mapping| mapping.api == api.id.id && mapping.stage == account.settings.stage);
    Ok(own.map(|mapping| mapping.path).collect())
}

async fn plan(
    account: &Account<'_>,
    object: &str,
    (api, id): (&Api, &str),
    listed: Option<&Snapshot>,
) -> Result<Option<HeldPlan>> {
    let plans = Plans { account, object };
    let Some(plan) = plans.get(id, &stage_of(account, api)).await? else {
        return Ok(None);
    };
    let keys = plans.keys_of(id).await?;
    let mut ours = keys.clone();
    ours.retain(|name, _| name.starts_with(BEGINNING));
    let switched_off = match listed {
        Some(listed) => off_in(listed, &ours),
        None => plans.switched_off(&ours).await?,
    };
    Ok(Some(HeldPlan {
        plan,
        keys: keys.into_values().collect(),
        switched_off,
    }))
}

/// Which keys are switched off, by what a listing told.
fn off_in(listed: &Snapshot, keys: &BTreeMap<String, String>) -> Vec<String> {
    let told = listed.usage_plans.iter().flat_map(|plan| &plan.keys);
    let off = told.filter(|key| !key.enabled && keys.values().any(|id| *id == key.id));
    off.map(|key| key.id.clone()).collect()
}

/// How a usage plan names the environment's stage of an API.
pub(super) fn stage_of(account: &Account<'_>, api: &Api) -> String {
    format!("{}:{}", api.id.id, account.settings.stage)
}

/// What an API is called in messages.
pub(super) fn object(mark: &Mark) -> String {
    format!("`{}`", mark.api_name)
}
