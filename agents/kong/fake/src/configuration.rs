//! What a Kong holds: entities by collection, complete with defaults, in the words of its Admin API.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};

/// One entity as Kong stores it.
pub type Entity = Map<String, Value>;

/// Everything that a Kong holds at one moment.
///
/// Collections have Kong's own names for them: `services`, `routes`, `plugins`, `consumers`, `upstreams`, `targets`,
/// `keyauth_credentials`, `basicauth_credentials`, `jwt_secrets`, `acls` and so on. A clone shares the entities.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Configuration {
    collections: BTreeMap<String, BTreeMap<String, Arc<Entity>>>,
}

impl Configuration {
    /// The entities of a collection, by id.
    pub fn all(&self, collection: &str) -> impl Iterator<Item = (&str, &Entity)> {
        let entities = self.collections.get(collection).into_iter().flatten();
        entities.map(|(id, entity)| (id.as_str(), entity.as_ref()))
    }

    /// An entity.
    pub fn get(&self, collection: &str, id: &str) -> Option<&Entity> {
        self.collections.get(collection)?.get(id).map(Arc::as_ref)
    }

    /// Puts an entity in place of whatever has its id.
    pub fn put(&mut self, collection: &str, id: &str, entity: Entity) {
        let entities = self.collections.entry(collection.to_owned()).or_default();
        entities.insert(id.to_owned(), Arc::new(entity));
    }

    /// Takes an entity away.
    pub fn remove(&mut self, collection: &str, id: &str) -> Option<Entity> {
        self.collections
            .get_mut(collection)?
            .remove(id)
            .map(Arc::unwrap_or_clone)
    }
}
