//! Those who may call: consumers with credentials, and the groups that open an API to them.
//!
//! A credential opens every API that takes its kind, unless the API takes one group alone. So each set of callers is a
//! group, and the consumers of other APIs, ours or not, stay outside.

use std::collections::BTreeMap;

use gatehouse_connector_sdk::schemas::{
    canonical::Fingerprint,
    desired::DesiredApi,
    identity::{ResourceName, ResourceVersion},
    policy::{ApiKeyPolicy, BasicPolicy},
};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use super::{
    form::Part,
    names::{self, Names, TAG, environment_tag},
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
pub(super) struct Callers {
    kind: Kind,
    /// Their names, each with the secret that is theirs.
    callers: Vec<(String, ResourceName)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Keys,
    Passwords,
}

impl Callers {
    pub(super) fn with_keys(policy: &ApiKeyPolicy) -> Self {
        let caller = |key: &gatehouse_connector_sdk::schemas::policy::ApiKeyConsumer| {
            (key.consumer.to_string(), key.secret_ref.clone())
        };
        Self {
            kind: Kind::Keys,
            callers: policy.keys.iter().map(caller).collect(),
        }
    }

    pub(super) fn with_passwords(policy: &BasicPolicy) -> Self {
        let caller = |user: &gatehouse_connector_sdk::schemas::policy::BasicUser| {
            (user.username.clone(), user.secret_ref.clone())
        };
        Self {
            kind: Kind::Passwords,
            callers: policy.users.iter().map(caller).collect(),
        }
    }

    /// The group's name: that of the API, and which callers it has.
    pub(super) fn group(&self, desired: &DesiredApi) -> String {
        let callers: Vec<Value> = self
            .callers
            .iter()
            .map(|(name, secret)| json!([name, secret, version(desired, secret)]))
            .collect();
        let fingerprint = Fingerprint::of_value(&json!([self.kind == Kind::Keys, callers]));
        let digest: String = fingerprint.0.chars().rev().take(12).collect();
        format!("gatehouse-{}-{digest}", desired.mark.api_name)
    }

    /// The consumers, their credentials, and that they are in the group.
    pub(super) fn parts(&self, desired: &DesiredApi, names: &Names, secrets: &Secrets) -> Vec<Part> {
        let parts = self.callers.iter().flat_map(|(name, secret)| {
            let consumer = self.consumer(desired, names, name, secret);
            let owner = consumer.id.clone();
            let credential = self.credential(desired, &owner, names, (name, secret), secrets);
            let group = self.group(desired);
            let member = Part::new(
                Collection::Acls,
                names.shared(&format!("acl/{owner}/{group}")),
                // A membership is the API's own, so that it goes with it.
                json!({"group": group, "consumer": {"id": owner}, "tags": names::tags(&desired.mark)}),
            );
            [consumer, credential, member]
        });
        parts.collect()
    }

    /// One for each name and secret: APIs of the environment that let the same caller in share it. Another version of a
    /// key is another consumer, so that the old one is good until nothing takes it any more.
    fn consumer(&self, desired: &DesiredApi, names: &Names, name: &str, secret: &ResourceName) -> Part {
        let id = match self.kind {
            Kind::Keys => names.shared(&format!("key/{name}/{secret}/{}", version(desired, secret))),
            Kind::Passwords => names.shared(&format!("password/{name}/{secret}")),
        };
        let short = id.split('-').next().unwrap_or_default();
        let username = format!("gatehouse.{name}.{short}");
        let fields = json!({"username": username, "tags": tags(desired)});
        Part::new(Collection::Consumers, id, fields)
    }

    fn credential(
        &self,
        desired: &DesiredApi,
        owner: &str,
        names: &Names,
        (name, secret): (&str, &ResourceName),
        secrets: &Secrets,
    ) -> Part {
        let (consumer, tags, value) = (json!({"id": owner}), tags(desired), secrets.text(secret));
        match self.kind {
            Kind::Keys => Part::new(
                Collection::KeyAuths,
                names.shared(&format!("key-auth/{owner}")),
                json!({"key": value, "consumer": consumer, "tags": tags}),
            ),
            Kind::Passwords => Part::new(
                Collection::BasicAuths,
                names.shared(&format!("basic-auth/{owner}")),
                json!({"username": name, "password": value, "consumer": consumer, "tags": tags}),
            ),
        }
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
