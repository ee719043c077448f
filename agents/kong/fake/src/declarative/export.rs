//! The configuration as YAML, which can be loaded again.

use serde_json::{Map, Value};

use crate::collections::ALL;
use crate::configuration::Entity;
use crate::errors::AdminError;
use crate::store::{Store, reference};

/// Everything that is stored; secrets are in it as they are kept, so `_transform` is off.
pub(super) fn yaml(store: &Store) -> Result<String, AdminError> {
    let mut content = Map::from_iter([
        ("_transform".to_owned(), Value::Bool(false)),
        ("_format_version".to_owned(), Value::from("3.0")),
    ]);
    for collection in ALL {
        let all = store.configuration.all(collection.name).map(|(_, entity)| entity);
        let exported: Vec<Value> = all
            .map(|entity| Value::Object(flat(store, collection.name, entity)))
            .collect();
        if !exported.is_empty() {
            content.insert(collection.name.to_owned(), Value::Array(exported));
        }
    }
    serde_saphyr::to_string(&content).map_err(|_| AdminError::unexpected())
}

/// References are written as ids alone.
fn flat(store: &Store, collection: &str, entity: &Entity) -> Entity {
    let mut exported = entity.clone();
    exported.remove("ttl");
    for (field, _) in store.foreign_fields(collection) {
        if let Some(id) = reference(entity, field) {
            exported.insert(field.to_owned(), Value::from(id));
        }
    }
    exported
}
