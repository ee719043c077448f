//! The entities of a declarative configuration, taken out of one another.

use serde_json::{Map, Value, json};

use super::problems::{Problems, Step};
use crate::collections::{ALL, Collection};
use crate::store::Store;

/// One entity as it was declared.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) collection: &'static Collection,
    /// Where it stands: collections and numbers from the top.
    pub(super) place: Vec<Step>,
    /// The entity that it stands in, and the field that refers to it.
    pub(super) parent: Option<(usize, String)>,
    /// Its fields without the entities in it.
    pub(super) fields: Map<String, Value>,
}

/// All entities of a document; each stands behind the one that it is in.
pub(super) fn items(store: &Store, content: &Map<String, Value>, problems: &mut Problems) -> Vec<Item> {
    let mut found = Vec::new();
    for (name, list) in content.iter().filter(|(name, _)| !name.starts_with('_')) {
        match Collection::named(name) {
            Some(collection) => collect(store, collection, list, &[], None, &mut found, problems),
            None => problems.add(&[Step::Name(name.clone())], json!("unknown field"), None),
        }
    }
    found
}

fn collect(
    store: &Store,
    collection: &'static Collection,
    list: &Value,
    above: &[Step],
    parent: Option<(usize, String)>,
    found: &mut Vec<Item>,
    problems: &mut Problems,
) {
    let mut place = above.to_vec();
    place.push(Step::Name(collection.name.to_owned()));
    if list.is_null() {
        return;
    }
    let Some(list) = list.as_array() else {
        return problems.add(&place, json!("expected an array"), None);
    };
    for (at, declared) in list.iter().enumerate() {
        let mut place = place.clone();
        place.push(Step::Number(at));
        let Some(fields) = declared.as_object() else {
            problems.add(&place, json!("expected a record"), None);
            continue;
        };
        collect_one(
            store,
            collection,
            fields.clone(),
            place,
            parent.clone(),
            found,
            problems,
        );
    }
}

fn collect_one(
    store: &Store,
    collection: &'static Collection,
    mut fields: Map<String, Value>,
    place: Vec<Step>,
    parent: Option<(usize, String)>,
    found: &mut Vec<Item>,
    problems: &mut Problems,
) {
    let within: Vec<(&'static Collection, String, Value)> = ALL
        .iter()
        .filter(|inner| {
            store
                .registry
                .collection(collection.name)
                .is_none_or(|own| own.field(inner.name).is_none() || inner.name == "snis")
        })
        .filter_map(|inner| {
            let foreign = store.foreign_fields(inner.name);
            let (field, _) = foreign
                .into_iter()
                .find(|(_, target)| *target == collection.name)?;
            let field = field.to_owned();
            Some((inner, field, fields.remove(inner.name)?))
        })
        .collect();
    let own = found.len();
    found.push(Item {
        collection,
        place: place.clone(),
        parent,
        fields,
    });
    for (inner, field, list) in within {
        collect(store, inner, &list, &place, Some((own, field)), found, problems);
    }
}
