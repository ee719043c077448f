//! Between our words and the gateway's. No effects, so everything here can be tested as data in, data out.
//!
//! Ours is the content of a revision; the gateway's is its `Service`. The gateway cannot say everything that a
//! revision says (versions, summaries, which secret a key came from), so what was applied stays beside what was
//! written, in a label: what nobody touched reads back as exactly what was desired.

mod back;
mod fidelity;
mod labels;

use std::collections::BTreeMap;

use gatehouse_connector_sdk::{
    error::{Error, ErrorKind, Result},
    schemas::{
        api::{ApiType, Upstream},
        canonical::Fingerprint,
        desired::{DesiredApi, Mark},
        identity::ResourceName,
        policy::{ApiKeyPolicy, Policy},
        revision::{Operation, RevisionContent},
    },
};
use secrecy::{ExposeSecret as _, SecretString};

pub(crate) use self::{
    back::observed,
    fidelity::{fidelity, support},
    labels::{OWNER, is_marked, is_ours, owner},
};
use crate::client::documents::{Document, Key, KeyCheck, Route, Service};

/// The upstream that a revision always has.
const MAIN: &str = "main";

/// SHA-256 of secrets, by their names. The clear text ends here.
pub(crate) type Digests = BTreeMap<ResourceName, String>;

/// The identity that we give an API on the gateway. It can be computed, so an attempt after a crash finds what the
/// one before it made, and there is never a second one.
pub(crate) fn identity(mark: &Mark) -> String {
    format!("gatehouse-{}-{}", mark.environment_id, mark.api_id)
}

/// Refuses what is no policy and cannot be expressed: nobody can accept that an API answers other requests than it says.
pub(crate) fn refuse_inexpressible(desired: &DesiredApi) -> Result<()> {
    let obstacles = obstacles(&desired.content);
    if obstacles.is_empty() {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Unsupported,
        format!(
            "the gateway cannot serve `{}`: it does not know {}; deploy it to another gateway, or change the API",
            desired.mark.api_name,
            obstacles.join(", ")
        ),
    ))
}

fn obstacles(content: &RevisionContent) -> Vec<String> {
    let mut obstacles = Vec::new();
    if content.r#type != ApiType::Rest {
        obstacles.push("APIs that are not REST".to_owned());
    }
    if !content.hostnames.is_empty() {
        obstacles.push("host names".to_owned());
    }
    for (name, upstream) in &content.upstreams {
        for field in upstream.extras() {
            obstacles.push(format!("`{field}` of upstream `{name}`"));
        }
    }
    for operation in &content.operations {
        let it = &operation.r#match;
        if !it.headers.is_empty() || !it.query.is_empty() {
            obstacles.push(format!(
                "operations by header or query (`{} {}`)",
                it.method, it.path
            ));
        }
        if let Some(lacking) = operation.beyond_one_upstream() {
            obstacles.push(format!("{lacking} (`{} {}`)", it.method, it.path));
        }
        if operation
            .upstream
            .as_deref()
            .is_some_and(|upstream| upstream != MAIN)
        {
            obstacles.push(format!(
                "operations with an upstream of their own (`{} {}`)",
                it.method, it.path
            ));
        }
    }
    obstacles
}

/// The secrets that the gateway needs something of.
pub(crate) fn secret_names(content: &RevisionContent) -> Vec<ResourceName> {
    let keys = key_policy(content).map(|policy| &policy.keys);
    let names = keys.into_iter().flatten().map(|key| key.secret_ref.clone());
    names.collect()
}

/// What the gateway is given of secrets.
pub(crate) fn digests(secrets: BTreeMap<ResourceName, SecretString>) -> Digests {
    let digest = |secret: SecretString| Fingerprint::of_bytes(secret.expose_secret().as_bytes()).0;
    secrets
        .into_iter()
        .map(|(name, secret)| (name, digest(secret)))
        .collect()
}

/// All that is written of an API, in place of what is there. Labels and tags of others stay.
pub(crate) fn document(desired: &DesiredApi, digests: &Digests, present: Option<&Document>) -> Document {
    let service = service(&desired.content, digests);
    let mut labels = present.map(|present| present.labels.clone()).unwrap_or_default();
    labels.extend(labels::labels(desired, &service));
    Document {
        labels,
        tags: present.map(|present| present.tags.clone()).unwrap_or_default(),
        service,
    }
}

/// The content in the gateway's words.
pub(crate) fn service(content: &RevisionContent, digests: &Digests) -> Service {
    let main = content.upstreams.get(MAIN);
    Service {
        name: content.display_name.clone(),
        base_path: content.base_path.clone(),
        routes: content.operations.iter().map(route).collect(),
        upstream_url: main.map(|main| main.url.clone()).unwrap_or_default(),
        timeout_ms: main.map_or(DEFAULT_UPSTREAM.timeout_ms, |main| main.timeout_ms),
        key_check: key_policy(content).map(|policy| key_check(policy, digests)),
        response_headers: response_headers(content),
    }
}

/// What an upstream is as far as the gateway does not say.
const DEFAULT_UPSTREAM: Upstream = Upstream::at(String::new());

fn route(operation: &Operation) -> Route {
    Route {
        method: operation.r#match.method.clone(),
        path: operation.r#match.path.clone(),
    }
}

/// The first of its kind: a second one is told as unsupported, and stops the deploy.
fn key_policy(content: &RevisionContent) -> Option<&ApiKeyPolicy> {
    content.policies.iter().find_map(|policy| match policy {
        Policy::AuthApiKey(policy) => Some(policy),
        _ => None,
    })
}

fn key_check(policy: &ApiKeyPolicy, digests: &Digests) -> KeyCheck {
    let keys = policy.keys.iter().map(|key| Key {
        consumer: key.consumer.to_string(),
        digest: digests.get(&key.secret_ref).cloned().unwrap_or_default(),
    });
    KeyCheck {
        header: policy.name.clone(),
        keys: keys.collect(),
        forward: policy.forward,
    }
}

/// Policies act in order, so the last one to set a header wins.
fn response_headers(content: &RevisionContent) -> BTreeMap<String, String> {
    let mut headers = BTreeMap::new();
    for policy in &content.policies {
        if let Policy::Headers(policy) = policy {
            headers.extend(policy.response.set.clone());
        }
    }
    headers
}

#[cfg(test)]
mod tests;
