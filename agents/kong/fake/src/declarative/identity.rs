//! The ids of declared entities: the same name has the same id whenever it is loaded.

use serde_json::Value;
use uuid::Uuid;

use super::items::Item;
use crate::store::Store;

/// The id of an entity; those whose name Kong would make up get a new one each time.
pub(super) fn id(store: &Store, item: &Item, parent: Option<&str>) -> String {
    if let Some(given) = item.fields.get("id").and_then(Value::as_str) {
        return given.to_owned();
    }
    match name(store, item, parent) {
        Some(name) => Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()).to_string(),
        None => Uuid::new_v4().to_string(),
    }
}

/// What an entity is called among those of its collection.
fn name(store: &Store, item: &Item, parent: Option<&str>) -> Option<String> {
    let collection = item.collection;
    let text = |field: &str| {
        item.fields
            .get(field)
            .filter(|value| !value.is_null())
            .map(ToString::to_string)
    };
    if !collection.unique_together.is_empty() {
        let parts = collection.unique_together.iter().map(|field| {
            let own = item
                .parent
                .as_ref()
                .filter(|(_, known)| known == field)
                .and(parent)
                .map(str::to_owned);
            own.or_else(|| text(field)).unwrap_or_default()
        });
        let instance = text("instance_name").unwrap_or_default();
        return Some(format!(
            "{}:{}:{instance}",
            collection.name,
            parts.collect::<Vec<_>>().join(":")
        ));
    }
    let key = collection.key.filter(|key| *key != "id")?;
    let made_up = store
        .registry
        .collection(collection.name)
        .and_then(|schema| schema.field(key))
        .is_some_and(|field| field.auto);
    if made_up {
        None
    } else {
        Some(format!("{}:{}", collection.name, text(key)?))
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    #[test]
    fn a_name_has_one_id() {
        let id = |name: &str| Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes());
        assert_eq!(id("services:\"a\""), id("services:\"a\""));
        assert_ne!(id("services:\"a\""), id("routes:\"a\""));
    }
}
