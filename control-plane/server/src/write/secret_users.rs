//! Who refers to which secret, as `kind/name`.

use std::collections::{BTreeMap, BTreeSet};

use gatehouse_control_plane_store::{Resource, Store, Transaction};
use gatehouse_schemas::{identity::ResourceName, resource::Kind};
use serde_json::Value;

use crate::failure::Answer;

/// The kinds of resources that can refer to secrets.
const KINDS: [Kind; 3] = [Kind::Api, Kind::Environment, Kind::Policy];

/// Who refers to which secret.
#[derive(Debug, Default)]
pub(crate) struct SecretUsers(BTreeMap<String, BTreeSet<String>>);

impl SecretUsers {
    /// As of now.
    pub(crate) async fn read(store: &Store) -> Answer<Self> {
        let mut users = Self::default();
        for kind in KINDS {
            users.add(&store.all_resources(kind).await?);
        }
        Ok(users)
    }

    /// As a transaction sees it.
    pub(crate) async fn read_in(transaction: &mut Transaction) -> Answer<Self> {
        let mut users = Self::default();
        for kind in KINDS {
            users.add(&transaction.all_resources(kind).await?);
        }
        Ok(users)
    }

    /// Who refers to this secret.
    pub(crate) fn of(&self, secret: &ResourceName) -> Vec<String> {
        let users = self.0.get(secret.as_str());
        users.into_iter().flatten().cloned().collect()
    }

    fn add(&mut self, resources: &[Resource]) {
        for resource in resources {
            let mut names = BTreeSet::new();
            secret_references(&resource.spec, &mut names);
            for name in names {
                self.0.entry(name).or_default().insert(resource.object());
            }
        }
    }
}

/// Every `secretRef` in a spec, wherever it is.
fn secret_references(value: &Value, names: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (key, field) in fields {
                match field {
                    Value::String(name) if key == "secretRef" => drop(names.insert(name.clone())),
                    other => secret_references(other, names),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| secret_references(item, names)),
        _ => {}
    }
}
