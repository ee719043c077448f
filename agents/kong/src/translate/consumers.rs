//! Those who may call: consumers with credentials, and the groups that open an API to them.
//!
//! A credential opens every API that takes its kind, unless the API takes one group alone. So each set of callers is a
//! group, and the consumers of other APIs, ours or not, stay outside.

use std::collections::BTreeMap;

use gatehouse_connector_sdk::{
    error::Error,
    schemas::{
        canonical::Fingerprint,
        desired::DesiredApi,
        identity::{ResourceName, ResourceVersion},
        policy::{ApiKeyConsumer, ApiKeyPolicy, BasicPolicy, BasicUser},
    },
};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

use super::{
    form::Part,
    names::{self, Names, TAG, environment_tag},
    tokens::SigningKey,
};
use crate::entities::Collection;

/// The values of secrets, or what stands for them where nobody may read them.
#[derive(Debug, Default)]
pub(crate) struct Secrets {
    values: BTreeMap<ResourceName, SecretString>,
}

/// How a value begins that stands for a secret.
pub(crate) const HIDDEN: &str = "{secret ";

impl Secrets {
    pub(crate) fn new(values: BTreeMap<ResourceName, SecretString>) -> Self {
        Self { values }
    }

    /// An error without them: Kong says which values it does not take.
    pub(crate) fn hidden_in(&self, error: Error) -> Error {
        let shown = self
            .values
            .iter()
            .filter(|(_, value)| !value.expose_secret().is_empty());
        let message = shown.fold(error.message().to_owned(), |message, (name, value)| {
            let (value, stand_in) = (value.expose_secret(), format!("{HIDDEN}{name}}}"));
            // Kong repeats texts in JSON, too, where quotes are escaped.
            let quoted = json!(value).to_string();
            let message = message.replace(quoted.trim_matches('"'), &stand_in);
            message.replace(value, &stand_in)
        });
        match message == error.message() {
            true => error,
            false => Error::new(error.kind(), message).with_retry(error.retry()),
        }
    }

    /// The value, or `{secret NAME}` in a form for people and records.
    pub(super) fn text(&self, name: &ResourceName) -> String {
        match self.values.get(name) {
            Some(value) => value.expose_secret().to_owned(),
            None => format!("{HIDDEN}{name}}}"),
        }
    }
}

/// Callers of one kind, and the group that they are in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Callers(Vec<Caller>);

/// Somebody who may call, by what shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Caller {
    Key {
        consumer: String,
        secret: ResourceName,
    },
    Password {
        username: String,
        secret: ResourceName,
    },
    /// Whoever has a token that this key signed.
    Token(SigningKey),
}

impl Callers {
    pub(super) fn with_keys(policy: &ApiKeyPolicy) -> Self {
        let caller = |key: &ApiKeyConsumer| Caller::Key {
            consumer: key.consumer.to_string(),
            secret: key.secret_ref.clone(),
        };
        Self(policy.keys.iter().map(caller).collect())
    }

    pub(super) fn with_passwords(policy: &BasicPolicy) -> Self {
        let caller = |user: &BasicUser| Caller::Password {
            username: user.username.clone(),
            secret: user.secret_ref.clone(),
        };
        Self(policy.users.iter().map(caller).collect())
    }

    pub(super) fn with_tokens(keys: &[SigningKey]) -> Self {
        Self(keys.iter().cloned().map(Caller::Token).collect())
    }

    /// The group's name: that of the API, and which callers it has. Other environments may have an API and callers of the
    /// same names on the same Kong, with keys of their own.
    pub(super) fn group(&self, desired: &DesiredApi) -> String {
        let callers: Vec<String> = self.0.iter().map(|caller| caller.identity(desired)).collect();
        let mark = &desired.mark;
        let whose = [mark.environment_id.to_string(), mark.api_id.to_string()];
        let fingerprint = Fingerprint::of_value(&json!([whose, callers]));
        let digest: String = fingerprint.0.chars().rev().take(12).collect();
        format!("gatehouse-{}-{digest}", desired.mark.api_name)
    }

    /// The consumers, their credentials, and that they are in the group.
    pub(super) fn parts(&self, desired: &DesiredApi, names: &Names, secrets: &Secrets) -> Vec<Part> {
        let group = self.group(desired);
        let parts = self.0.iter().flat_map(|caller| {
            let consumer = caller.consumer(desired, names);
            let credential = caller.credential(desired, &consumer.id, names, secrets);
            let member = Part::new(
                Collection::Acls,
                names.shared(&format!("acl/{}/{group}", consumer.id)),
                // A membership is the API's own, so that it goes with it.
                json!({"group": group, "consumer": {"id": consumer.id}, "tags": names::tags(&desired.mark)}),
            );
            [consumer, credential, member]
        });
        parts.collect()
    }
}

impl Caller {
    /// What tells callers of an environment apart. Another version of a key is another caller, so that the old one is good
    /// until nothing takes it any more; a user name can be there only once.
    fn identity(&self, desired: &DesiredApi) -> String {
        match self {
            Self::Key { consumer, secret } => format!("key/{consumer}/{secret}/{}", version(desired, secret)),
            Self::Password { username, secret } => format!("password/{username}/{secret}"),
            Self::Token(key) => format!("token/{}/{}/{}", key.id, key.algorithm, key.pem),
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::Key { consumer: name, .. } | Self::Password { username: name, .. } => name,
            Self::Token(key) => &key.id,
        }
    }

    /// APIs of the environment that let the same caller in share it.
    fn consumer(&self, desired: &DesiredApi, names: &Names) -> Part {
        let id = names.shared(&self.identity(desired));
        let short = id.split('-').next().unwrap_or_default();
        let username = format!("gatehouse.{}.{short}", self.name());
        let fields = json!({"username": username, "tags": tags(desired)});
        Part::new(Collection::Consumers, id, fields)
    }

    fn credential(&self, desired: &DesiredApi, owner: &str, names: &Names, secrets: &Secrets) -> Part {
        let (collection, fields) = match self {
            Self::Key { secret, .. } => (Collection::KeyAuths, json!({"key": secrets.text(secret)})),
            Self::Password { username, secret } => (
                Collection::BasicAuths,
                json!({"username": username, "password": secrets.text(secret)}),
            ),
            Self::Token(key) => (
                Collection::Jwts,
                json!({"key": key.id, "algorithm": key.algorithm, "rsa_public_key": key.pem}),
            ),
        };
        let id = names.shared(&format!("{}/{owner}", collection.path()));
        let mut part = Part::new(collection, id, fields);
        part.fields.extend([
            ("consumer".to_owned(), json!({"id": owner})),
            ("tags".to_owned(), json!(tags(desired))),
        ]);
        part
    }
}

fn version(desired: &DesiredApi, secret: &ResourceName) -> ResourceVersion {
    let mut known = desired.secrets.iter().filter(|known| known.name == *secret);
    known.next().map_or(ResourceVersion(0), |known| known.version)
}

/// Consumers belong to the environment, since its APIs share them.
fn tags(desired: &DesiredApi) -> [String; 2] {
    [TAG.to_owned(), environment_tag(desired.mark.environment_id)]
}
