//! One deploy to a Kong without a database: its whole configuration is read, ours is put in by its marks, and all of it
//! goes back in one call.

use std::collections::BTreeSet;

use aws_lc_rs::digest;
use gatehouse_connector_sdk::{
    error::{Error, ErrorKind, Result, Retry},
    schemas::desired::Mark,
};
use serde_json::{Map, Value, json};

use super::deploying::{Deploying, Generation, staged_name};
use super::probing;
use crate::{
    client::Client,
    entities::{Collection, Entity},
    holding::Holding,
    translate::{Part, TAG, tags},
};

/// What can belong to an API, services before what refers to them.
const OURS: [Collection; 8] = [
    Collection::Services,
    Collection::Routes,
    Collection::Plugins,
    Collection::Acls,
    Collection::KeyAuths,
    Collection::BasicAuths,
    Collection::Jwts,
    Collection::Consumers,
];

impl Deploying<'_> {
    /// Loads the configuration with this generation in place of all others of the API. When the proxy does not serve it,
    /// the configuration that was there before comes back.
    pub(super) async fn declare(self, generation: &Generation, holding: &Holding) -> Result<()> {
        let mark = &self.request.desired.mark;
        let seen = self.client.configuration_hash().await?;
        let before = self.client.configuration().await?;
        let mut parts: Vec<Part> = generation.form.parts.clone();
        parts.push(generation.record.part());
        let mut after = without_api(before.clone(), mark, &BTreeSet::new());
        let replaced: BTreeSet<String> = holding
            .all(Collection::Services)
            .map(|service| service.id().to_owned())
            .collect();
        without_services(&mut after, replaced);
        let after = with_parts(after, &parts, mark);
        self.replace(&after, seen).await?;
        let loaded = self.client.configuration_hash().await?;
        let main = generation.form.services().next().unwrap_or_default();
        let served = probing::served(self.http, self.context, self.settings, main).await;
        if let Err(error) = served {
            // What somebody else loaded meanwhile is not ours to take back.
            if self.client.configuration_hash().await? == loaded {
                self.client
                    .replace_configuration(&before, mark.api_name.as_str())
                    .await?;
            }
            return Err(error);
        }
        Ok(())
    }

    async fn replace(&self, configuration: &Map<String, Value>, seen: Option<String>) -> Result<()> {
        let api = self.request.desired.mark.api_name.as_str();
        refuse_changed(self.client, seen, api).await?;
        self.client.replace_configuration(configuration, api).await
    }
}

/// Loads the configuration without an API, but what is kept of it, by identity.
pub(super) async fn withdraw(client: &Client, mark: &Mark, kept: &BTreeSet<&str>) -> Result<()> {
    let seen = client.configuration_hash().await?;
    let before = client.configuration().await?;
    let after = without_api(before.clone(), mark, kept);
    if after == before {
        return Ok(());
    }
    refuse_changed(client, seen, mark.api_name.as_str()).await?;
    client.replace_configuration(&after, mark.api_name.as_str()).await
}

/// What somebody else loaded since it was read would be lost.
async fn refuse_changed(client: &Client, seen: Option<String>, api: &str) -> Result<()> {
    if client.configuration_hash().await? == seen {
        return Ok(());
    }
    let message = format!(
        "somebody loaded another configuration into Kong while that with `{api}` was made; nothing was touched, and it is looked at again"
    );
    Err(Error::new(ErrorKind::Conflict, message).with_retry(Retry::Backoff))
}

/// The configuration without everything of an API but what is kept; consumers of the environment that are in no group
/// then go, too.
fn without_api(
    mut configuration: Map<String, Value>,
    mark: &Mark,
    kept: &BTreeSet<&str>,
) -> Map<String, Value> {
    let [_, environment, own] = tags(mark);
    let mut gone: BTreeSet<String> = BTreeSet::new();
    for collection in OURS {
        let members: BTreeSet<String> = match collection {
            Collection::Consumers => owners(&configuration, Collection::Acls),
            _ => BTreeSet::new(),
        };
        let goes = |entity: &Entity| match collection {
            // Another environment may have the API on the same Kong.
            Collection::Services | Collection::Acls => {
                entity.has_tag(&own) && entity.has_tag(&environment) && !kept.contains(entity.id())
            }
            Collection::Consumers => {
                entity.has_tag(TAG) && entity.has_tag(&environment) && !members.contains(entity.id())
            }
            _ => ["service", "route"]
                .iter()
                .any(|field| entity.text(field).is_some_and(|id| gone.contains(id))),
        };
        let removed = take(&mut configuration, collection, goes);
        gone.extend(removed.iter().map(|entity| entity.id().to_owned()));
    }
    for collection in [Collection::KeyAuths, Collection::BasicAuths, Collection::Jwts] {
        take(&mut configuration, collection, |entity| {
            entity
                .text("consumer")
                .is_some_and(|consumer| gone.contains(consumer))
        });
    }
    configuration
}

/// Takes services out with all that refers to them: what is adopted carries no mark yet.
fn without_services(configuration: &mut Map<String, Value>, mut gone: BTreeSet<String>) {
    for collection in [Collection::Services, Collection::Routes, Collection::Plugins] {
        let removed = take(configuration, collection, |entity| {
            let owners = ["service", "route"];
            gone.contains(entity.id())
                || owners
                    .iter()
                    .any(|field| entity.text(field).is_some_and(|id| gone.contains(id)))
        });
        gone.extend(removed.iter().map(|entity| entity.id().to_owned()));
    }
}

/// The consumers that entities of a collection belong to.
fn owners(configuration: &Map<String, Value>, collection: Collection) -> BTreeSet<String> {
    let entities = configuration
        .get(collection.declarative_name())
        .and_then(Value::as_array);
    let owners = entities
        .into_iter()
        .flatten()
        .filter_map(|entity| entity["consumer"].as_str());
    owners.map(str::to_owned).collect()
}

/// Takes entities out of a configuration, which is flat: references are identities.
fn take(
    configuration: &mut Map<String, Value>,
    collection: Collection,
    goes: impl Fn(&Entity) -> bool,
) -> Vec<Entity> {
    let Some(list) = configuration
        .get_mut(collection.declarative_name())
        .and_then(Value::as_array_mut)
    else {
        return Vec::new();
    };
    let (removed, kept): (Vec<Value>, Vec<Value>) = std::mem::take(list)
        .into_iter()
        .partition(|entity| goes(&Entity::of(entity.clone())));
    *list = kept;
    if list.is_empty() {
        configuration.remove(collection.declarative_name());
    }
    removed.into_iter().map(Entity::of).collect()
}

fn with_parts(mut configuration: Map<String, Value>, parts: &[Part], mark: &Mark) -> Map<String, Value> {
    let is_transformed = configuration
        .get("_transform")
        .and_then(Value::as_bool)
        .unwrap_or(true);
    let main = parts.iter().find(|part| part.collection == Collection::Services);
    let main = main.map(|part| part.id.clone());
    // An API of another environment may have the name.
    let is_free = !names_of_services(&configuration).any(|name| name == mark.api_name.as_str());
    for part in parts {
        let mut entity = declared(part, is_transformed);
        if part.collection == Collection::Services {
            let is_main = is_free && Some(&part.id) == main.as_ref();
            entity["name"] = json!(if is_main {
                mark.api_name.to_string()
            } else {
                staged_name(part, mark)
            });
        }
        let list = configuration
            .entry(part.collection.declarative_name())
            .or_insert_with(|| json!([]));
        if let Some(list) = list.as_array_mut() {
            // Consumers that other APIs share are there already.
            list.retain(|other| other["id"] != entity["id"]);
            list.push(entity);
        }
    }
    configuration
}

fn names_of_services(configuration: &Map<String, Value>) -> impl Iterator<Item = &str> {
    let services = configuration
        .get(Collection::Services.declarative_name())
        .and_then(Value::as_array);
    let names = services.into_iter().flatten();
    names.filter_map(|service| service["name"].as_str())
}

/// A part as a declarative configuration has it.
fn declared(part: &Part, is_transformed: bool) -> Value {
    let mut fields = part.entity().0;
    let consumer = part.entity().owner("consumer").map(str::to_owned);
    for field in ["service", "route", "consumer"] {
        if let Some(id) = part.fields.get(field).and_then(|owner| owner.get("id")) {
            fields.insert(field.to_owned(), id.clone());
        }
    }
    if part.collection == Collection::BasicAuths && !is_transformed {
        let password = fields.get("password").and_then(Value::as_str).unwrap_or_default();
        let hash = password_hash(password, consumer.as_deref().unwrap_or_default());
        fields.insert("password".to_owned(), json!(hash));
    }
    Value::Object(fields)
}

/// As Kong stores passwords (`kong/plugins/basic-auth/crypto.lua`): SHA-1 of the password and the consumer's identity.
/// A configuration that was exported says `_transform: false`, and Kong takes its passwords for hashes.
fn password_hash(password: &str, consumer: &str) -> String {
    let salted = format!("{password}{consumer}");
    let digest = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, salted.as_bytes());
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
