//! What no two entities may have alike.

use serde_json::{Map, Value};

use super::{Store, id_of};
use crate::collections::Collection;
use crate::configuration::Entity;
use crate::errors::AdminError;

impl Store {
    /// Refuses an entity that repeats what another one has.
    pub(super) fn refuse_repetition(
        &self,
        collection: &Collection,
        entity: &Entity,
    ) -> Result<(), AdminError> {
        let fields = self
            .registry
            .collection(collection.name)
            .map(|schema| schema.fields.as_slice())
            .unwrap_or_default();
        let single = fields
            .iter()
            .filter(|(_, field)| field.unique)
            .map(|(name, _)| vec![name.as_str()]);
        let together = Some(collection.unique_together.to_vec()).filter(|names| !names.is_empty());
        for names in together.into_iter().chain(single) {
            if self.is_taken(collection, entity, &names) {
                return Err(AdminError::Unique(values(entity, &names)));
            }
        }
        Ok(())
    }

    fn is_taken(&self, collection: &Collection, entity: &Entity, names: &[&str]) -> bool {
        if names
            .iter()
            .all(|name| entity.get(*name).is_none_or(Value::is_null))
        {
            return false;
        }
        let alike = |other: &Entity| names.iter().all(|name| other.get(*name) == entity.get(*name));
        let mut others = self.configuration.all(collection.name);
        others.any(|(id, other)| Some(id) != id_of(entity) && alike(other))
    }
}

fn values(entity: &Entity, names: &[&str]) -> Map<String, Value> {
    let value = |name: &str| entity.get(name).cloned().unwrap_or(Value::Null);
    names
        .iter()
        .map(|name| ((*name).to_owned(), value(name)))
        .collect()
}
