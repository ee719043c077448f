//! References between entities: by id or by name, never to nothing, and what goes with what.

use serde_json::{Map, Value, json};

use super::{Store, id_of, reference};
use crate::collections::Collection;
use crate::configuration::Entity;
use crate::errors::AdminError;
use crate::lua_text::flat;
use crate::options::Database;
use crate::schema::Kind;

impl Store {
    /// Puts ids in place of names in the references of an entity.
    pub(super) fn resolve(&self, collection: &str, entity: &mut Entity) -> Result<(), AdminError> {
        let mut unresolved = Map::new();
        for (field, target) in self.foreign_fields(collection) {
            let Some(Value::Object(named)) = entity.get(field).cloned() else {
                continue;
            };
            if named.contains_key("id") || named.is_empty() {
                continue;
            }
            let value = match self.named(target, &named) {
                Some(id) => json!({ "id": id }),
                None => {
                    unresolved.insert(field.to_owned(), Value::Object(cannot_resolve(target, &named)));
                    continue;
                }
            };
            entity.insert(field.to_owned(), value);
        }
        if unresolved.is_empty() {
            Ok(())
        } else {
            Err(AdminError::Unresolved(unresolved))
        }
    }

    fn named(&self, collection: &str, named: &Map<String, Value>) -> Option<String> {
        let fits = |entity: &Entity| named.iter().all(|(name, value)| entity.get(name) == Some(value));
        let mut all = self.configuration.all(collection);
        all.find(|(_, entity)| fits(entity)).map(|(id, _)| id.to_owned())
    }

    /// The fields of a collection that refer to another: field and collection.
    pub(crate) fn foreign_fields(&self, collection: &str) -> Vec<(&str, &str)> {
        let fields = self
            .registry
            .collection(collection)
            .map(|schema| schema.fields.as_slice())
            .unwrap_or_default();
        let foreign = fields.iter().filter_map(|(name, field)| match &field.kind {
            Kind::Foreign { collection, .. } => Some((name.as_str(), collection.as_str())),
            _ => None,
        });
        foreign.collect()
    }

    /// Refuses an entity that refers to one that is not there.
    pub(super) fn refuse_dangling(&self, collection: &str, entity: &Entity) -> Result<(), AdminError> {
        for (field, target) in self.foreign_fields(collection) {
            let Some(id) = reference(entity, field) else {
                continue;
            };
            if self.configuration.get(target, id).is_none() {
                return Err(AdminError::NoSuchReference {
                    field: field.to_owned(),
                    collection: target.to_owned(),
                    id: id.to_owned(),
                });
            }
        }
        Ok(())
    }

    /// Takes an entity away with all that goes with it, unless something else needs it.
    pub(crate) fn delete(&mut self, collection: &'static Collection, id: &str) -> Result<(), AdminError> {
        if self.configuration.get(collection.name, id).is_none() {
            return Ok(());
        }
        if self.database == Database::Off {
            let said = format!(
                "cannot remove '{}' entities when not using a database",
                collection.name
            );
            return Err(AdminError::Unsupported(said));
        }
        let mut going = vec![(collection.name.to_owned(), id.to_owned())];
        let mut at = 0;
        while let Some((name, id)) = going.get(at).cloned() {
            going.extend(self.going_with(&name, &id)?);
            at += 1;
        }
        for (name, id) in going {
            self.configuration.remove(&name, &id);
        }
        Ok(())
    }

    fn going_with(&self, collection: &str, id: &str) -> Result<Vec<(String, String)>, AdminError> {
        let mut found = Vec::new();
        for (name, field, goes_with_it) in self.registry.referring_to(collection) {
            let all = self.configuration.all(name).map(|(_, entity)| entity);
            let mine = all.filter(|entity| reference(entity, field) == Some(id));
            let ids: Vec<String> = mine.filter_map(id_of).map(str::to_owned).collect();
            if !ids.is_empty() && !goes_with_it {
                return Err(AdminError::Referenced {
                    collection: collection.to_owned(),
                    by: name.to_owned(),
                });
            }
            found.extend(ids.into_iter().map(|id| (name.to_owned(), id)));
        }
        Ok(found)
    }
}

fn cannot_resolve(collection: &str, named: &Map<String, Value>) -> Map<String, Value> {
    let said = |name: &String, value: &Value| {
        let key = flat(&json!({ name: value }));
        format!("the foreign key cannot be resolved with '{key}' for an existing '{collection}' entity")
    };
    named
        .iter()
        .map(|(name, value)| (name.clone(), Value::String(said(name, value))))
        .collect()
}
