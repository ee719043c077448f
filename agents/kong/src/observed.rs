//! What a Kong holds of an API of ours, in our words.

mod drift;

use gatehouse_connector_sdk::schemas::{
    canonical::Fingerprint, identity::ExternalRef, observed::ObservedApi, revision::RevisionContent,
};
use reqwest::Url;
use serde_json::{Value, json};

use crate::{
    entities::{Collection, Entity},
    holding::{Generation, Holding},
    portal::{Content, Document, Finding},
    read,
    translate::TAG,
};

/// An API of ours as Kong holds it: what was applied, with each part of it that somebody changed as it is now.
pub(crate) fn observed(generation: &Generation, holding: &Holding, reached_at: &[String]) -> ObservedApi {
    let record = &generation.record;
    let (content, fingerprint) = match generation.is_intact {
        true => (record.content.clone(), record.fingerprint.clone()),
        false => drift::drifted(record, holding),
    };
    let main = record
        .form
        .services()
        .next()
        .and_then(|id| holding.get(Collection::Services, id));
    let tags = main.into_iter().flat_map(Entity::tags);
    ObservedApi {
        external_ref: record.external_ref.clone(),
        name: main
            .map_or(record.mark.api_name.as_str(), Entity::title)
            .to_owned(),
        version: None,
        tags: tags
            .filter(|tag| !tag.starts_with(TAG))
            .map(str::to_owned)
            .collect(),
        mark: Some(record.mark.clone()),
        endpoint_urls: endpoint_urls(reached_at, &content),
        content,
        definition: None,
        fingerprint,
    }
}

/// Where consumers reach an API: at its host names, if it has any, else where the gateway is.
pub(crate) fn endpoint_urls(reached_at: &[String], content: &RevisionContent) -> Vec<String> {
    let hosts: Vec<&String> = content
        .hostnames
        .iter()
        .filter(|host| !host.starts_with('*'))
        .collect();
    let below = |base: &str| {
        format!(
            "{}{}",
            base.trim_end_matches('/'),
            content.base_path.trim_end_matches('/')
        )
    };
    let at = |base: &String| match hosts.is_empty() {
        true => vec![below(base)],
        false => hosts
            .iter()
            .filter_map(|host| Some(below(&at_host(base, host)?)))
            .collect(),
    };
    reached_at.iter().flat_map(at).collect()
}

fn at_host(base: &str, host: &str) -> Option<String> {
    let mut url = Url::parse(base).ok()?;
    url.set_host(Some(host)).ok()?;
    Some(url.to_string())
}

/// A service that is not ours, in our words: with the definition that a portal has of it, or else with one made from its
/// routes.
pub(crate) fn foreign(
    read: read::Read,
    finding: Finding<'_>,
    external_ref: ExternalRef,
    version: String,
    reached_at: &[String],
) -> ObservedApi {
    let (content, definition) = defined(&read, finding);
    ObservedApi {
        external_ref,
        endpoint_urls: endpoint_urls(reached_at, &content),
        fingerprint: Fingerprint::of_value(&json!(content)),
        name: read.name,
        version: Some(version),
        tags: read.tags,
        mark: None,
        content,
        definition,
    }
}

fn defined(read: &read::Read, finding: Finding<'_>) -> (RevisionContent, Option<Value>) {
    let mut notes = read.notes.clone();
    match finding {
        Finding::Nothing => {}
        Finding::Definition(document) => match with_written(&read.content, document) {
            Some(defined) => return defined,
            None => notes.push(format!(
                "{} describes other operations than the routes take, and is left out",
                document.place
            )),
        },
        Finding::Other(document, language) => {
            notes.push(format!("{} is {language}, which is left out", document.place));
        }
        Finding::Unreadable(document, reason) => {
            tracing::warn!(api = %read.name, place = %document.place, reason, "a definition cannot be read");
            notes.push(reason.to_owned());
        }
    }
    read::with_definition(read.content.clone(), &read.name, &notes)
}

fn with_written(content: &RevisionContent, document: &Document) -> Option<(RevisionContent, Option<Value>)> {
    let Content::Definition(written) = &document.content else {
        return None;
    };
    let content = read::with_written(content, written)?;
    Some((content, Some(written.canonical.clone())))
}
