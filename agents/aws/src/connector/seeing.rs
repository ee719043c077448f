//! Reading an API from AWS: what others made, and what of ours was changed.

use gatehouse_connector_sdk::{
    error::{Error, ErrorKind, Result},
    schemas::{
        canonical::Fingerprint,
        observed::{Observation, ObservedApi},
        revision::RevisionContent,
    },
};
use serde_json::json;

use super::{
    applying,
    looking::{self, Found, Held},
    telling,
};
use crate::{
    apis::{
        ApiId, calls,
        listed::{self, Listed},
        shared::Shared,
        stages,
    },
    client::Account,
    mark,
    read::{self, Kind, Read, Snapshot},
    record::Record,
};

/// Changes with the connector's way of reading, so that what is known is read anew.
const READING: u32 = 1;

/// What was seen of an API that is listed.
#[derive(Debug)]
pub(super) enum Seen {
    Api(Box<ObservedApi>),
    /// Its version is the known one.
    Unchanged,
    /// Why, and what to do about it.
    Unreadable(String),
    /// It is of ours, and the environment does not have it.
    Absent,
}

/// Sees an API of a listing, in which what is shared of the account was put in.
pub(super) async fn see(account: &Account<'_>, listed: &Listed, known: Option<&str>) -> Result<Seen> {
    let object = format!("`{}` ({})", listed.api.name, listed.api.id.external_ref());
    if listed.snapshot.kind == Kind::WebSocket {
        return Ok(of_read(&listed.snapshot, String::new()));
    }
    match mark::is_marked(&listed.api.tags) {
        true => ours(account, listed, &object, known).await,
        false => of_others(account, listed, &object, known).await,
    }
}

/// An API as AWS says it.
async fn of_others(
    account: &Account<'_>,
    listed: &Listed,
    object: &str,
    known: Option<&str>,
) -> Result<Seen> {
    let stage = match readable(stages::stage(account, &listed.api.id, object).await)? {
        Ok(Some(stage)) => stage,
        Ok(None) => return Ok(Seen::Unreadable(without_stage(account, listed))),
        Err(reason) => return Ok(Seen::Unreadable(reason)),
    };
    let mut snapshot = listed.snapshot.clone();
    snapshot.stage = stage;
    let version = version(&snapshot, listed);
    if known == Some(version.as_str()) {
        return Ok(Seen::Unchanged);
    }
    if snapshot.stage.deployment_id.is_none() {
        return Ok(Seen::Unreadable(without_deployment(account, listed)));
    }
    match exported(stages::export(account, &listed.api.id, object).await)? {
        Ok(export) => snapshot.export = export,
        Err(reason) => return Ok(Seen::Unreadable(reason)),
    }
    Ok(of_read(&snapshot, version))
}

/// An API with a mark, as it is observed, with its version in the listing; what AWS refuses of it is about the one API.
async fn ours(account: &Account<'_>, listed: &Listed, object: &str, known: Option<&str>) -> Result<Seen> {
    let seen = readable(marked(account, listed, object, known).await)?;
    Ok(seen.unwrap_or_else(Seen::Unreadable))
}

async fn marked(account: &Account<'_>, listed: &Listed, object: &str, known: Option<&str>) -> Result<Seen> {
    let id = &listed.api.id;
    let Some(stage) = calls(id.kind, account, object).stage(&id.id).await? else {
        return Ok(Seen::Absent);
    };
    let mut variables: Vec<_> = stage.variables.iter().collect();
    variables.sort();
    let said = (&stage.deployment, variables, &stage.settings, stage.has_canary);
    let version = fingerprint(&listed.snapshot, listed, json!(said));
    if known == Some(version.as_str()) {
        return Ok(Seen::Unchanged);
    }
    let told = Some(&listed.snapshot);
    let held = looking::whole(account, object, listed.api.clone(), Some(stage), told).await?;
    let found = Found::Ours(Box::new(held));
    Ok(match telling::look(account, &found).await? {
        Observation::Present(mut api) => {
            api.version = Some(version);
            Seen::Api(api)
        }
        Observation::Absent => Seen::Absent,
        Observation::Unknown { reason } => Seen::Unreadable(reason),
    })
}

/// Changes whenever anything does that a listing tells of an API.
pub(super) fn as_listed(listed: &Listed) -> Fingerprint {
    Fingerprint::of_value(&json!([READING, &listed.snapshot, &listed.api.description]))
}

/// Changes whenever anything of an API does that others made.
fn version(snapshot: &Snapshot, listed: &Listed) -> String {
    fingerprint(snapshot, listed, json!(null))
}

fn fingerprint(snapshot: &Snapshot, listed: &Listed, stage: serde_json::Value) -> String {
    let description = &listed.api.description;
    Fingerprint::of_value(&json!([READING, snapshot, description, stage])).0
}

fn of_read(snapshot: &Snapshot, version: String) -> Seen {
    match read::read(snapshot, None) {
        Ok(read) => Seen::Api(Box::new(observed(read, snapshot, version))),
        Err(reason) => Seen::Unreadable(reason),
    }
}

fn observed(read: Read, snapshot: &Snapshot, version: String) -> ObservedApi {
    let kind = match snapshot.kind {
        Kind::Rest => crate::translate::Kind::Rest,
        Kind::Http | Kind::WebSocket => crate::translate::Kind::Http,
    };
    let id = ApiId {
        kind,
        id: snapshot.id.clone(),
    };
    for note in &read.notes {
        tracing::debug!(api = %read.name, "{note}");
    }
    ObservedApi {
        external_ref: id.external_ref(),
        name: read.name,
        version: Some(version),
        tags: read.tags,
        mark: Record::of(&snapshot.stage.variables.clone().into_iter().collect()).map(|record| record.mark),
        endpoint_urls: read.endpoint_urls,
        fingerprint: Fingerprint::of_value(&json!(read.content)),
        content: read.content,
        definition: read.definition,
    }
}

/// An API that is not ours, by AWS's identity of it.
pub(super) async fn foreign(account: &Account<'_>, id: &ApiId) -> Result<Observation> {
    let object = format!("the API `{}`", id.id);
    let Some(mut listed) = listed::one(account, id, &object).await? else {
        return Ok(Observation::Absent);
    };
    Shared::look(account).await?.add_to(&mut listed.snapshot);
    let object = format!("`{}` ({})", listed.api.name, id.external_ref());
    Ok(match of_others(account, &listed, &object, None).await? {
        Seen::Api(api) => Observation::Present(api),
        Seen::Unreadable(reason) => Observation::Unknown { reason },
        Seen::Unchanged | Seen::Absent => Observation::Absent,
    })
}

/// What AWS holds of an API of ours that is not as it was applied, in what was applied; or why it cannot be read.
pub(super) async fn changed(
    account: &Account<'_>,
    held: &Held,
    record: &Record,
) -> Result<std::result::Result<RevisionContent, String>> {
    let id = &held.api.id;
    let object = format!("`{}`", record.mark.api_name);
    let Some(mut listed) = listed::one(account, id, &object).await? else {
        return Ok(Err("it is not there any more; look again".to_owned()));
    };
    Shared::look(account).await?.add_to(&mut listed.snapshot);
    let Some(stage) = stages::stage(account, id, &object).await? else {
        return Ok(Err(without_stage(account, &listed)));
    };
    listed.snapshot.stage = stage;
    listed.snapshot.checks_certificates = record.beside.truststore.is_some() && held.is_guarded(record);
    let export = exported(stages::export(account, id, &object).await)?;
    Ok(export.and_then(|export| {
        listed.snapshot.export = export;
        let current = read::read(&listed.snapshot, Some(&record.content))?.content;
        let applied = applying::applied(&listed.snapshot, record, &account.settings);
        let expected = read::read(&applied, Some(&record.content))?.content;
        Ok(read::changed(&record.content, &expected, current))
    }))
}

/// What AWS answered of one API, or why that API cannot be read; what is wrong with AWS as a whole stays an error.
fn readable<T>(answer: Result<T>) -> Result<std::result::Result<T, String>> {
    use ErrorKind::{Conflict, Forbidden, Invalid, NotFound, Unexpected, Unsupported};
    match answer {
        Ok(answer) => Ok(Ok(answer)),
        Err(error) => match error.kind() {
            Conflict | Forbidden | Invalid | NotFound | Unexpected | Unsupported => {
                Ok(Err(error.message().to_owned()))
            }
            _ => Err(error),
        },
    }
}

/// An export that AWS fails to make, time and again, is about the one API: its stage was told a moment ago.
fn exported<T>(answer: Result<T>) -> Result<std::result::Result<T, String>> {
    match answer {
        Err(error) if error.kind() == ErrorKind::Unavailable && was_answered(&error) => {
            Ok(Err(error.message().to_owned()))
        }
        answer => readable(answer),
    }
}

/// Whether AWS answered, rather than not being reached.
fn was_answered(error: &Error) -> bool {
    std::error::Error::source(error).is_none()
}

fn without_stage(account: &Account<'_>, listed: &Listed) -> String {
    format!(
        "`{}` has no stage `{}`; deploy it to that stage on AWS, make an environment of the stage that it has, or put it on \
         the environment's ignore list",
        listed.api.name, account.settings.stage
    )
}

fn without_deployment(account: &Account<'_>, listed: &Listed) -> String {
    format!(
        "the stage `{}` of `{}` serves no deployment; deploy the API to it on AWS, or put it on the environment's ignore list",
        account.settings.stage, listed.api.name
    )
}
