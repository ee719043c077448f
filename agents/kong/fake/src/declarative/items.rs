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
    let mut walk = Walk {
        store,
        found: Vec::new(),
        problems,
    };
    for (name, list) in content.iter().filter(|(name, _)| !name.starts_with('_')) {
        match Collection::named(name) {
            Some(collection) => walk.list(collection, list, &[], None),
            None => walk
                .problems
                .add(&[Step::Name(name.clone())], json!("unknown field"), None),
        }
    }
    walk.found
}

struct Walk<'a> {
    store: &'a Store,
    found: Vec<Item>,
    problems: &'a mut Problems,
}

impl Walk<'_> {
    fn list(
        &mut self,
        collection: &'static Collection,
        list: &Value,
        above: &[Step],
        parent: Option<(usize, String)>,
    ) {
        let mut place = above.to_vec();
        place.push(Step::Name(collection.name.to_owned()));
        match list {
            Value::Null => {}
            Value::Array(list) => {
                for (at, declared) in list.iter().enumerate() {
                    let place = [place.as_slice(), &[Step::Number(at)]].concat();
                    self.entity(collection, declared, place, parent.clone());
                }
            }
            _ => self.problems.add(&place, json!("expected an array"), None),
        }
    }

    fn entity(
        &mut self,
        collection: &'static Collection,
        declared: &Value,
        place: Vec<Step>,
        parent: Option<(usize, String)>,
    ) {
        let Some(mut fields) = declared.as_object().cloned() else {
            return self.problems.add(&place, json!("expected a record"), None);
        };
        let within = self.take_out(collection, &mut fields);
        let own = self.found.len();
        self.found.push(Item {
            collection,
            place: place.clone(),
            parent,
            fields,
        });
        for (inner, field, list) in within {
            self.list(inner, &list, &place, Some((own, field)));
        }
    }

    /// Takes the lists of entities that refer to this one out of its fields.
    fn take_out(
        &self,
        collection: &Collection,
        fields: &mut Map<String, Value>,
    ) -> Vec<(&'static Collection, String, Value)> {
        let mut found = Vec::new();
        for inner in ALL {
            let foreign = self.store.foreign_fields(inner.name);
            let refers = foreign.into_iter().find(|(_, target)| *target == collection.name);
            let Some((field, _)) = refers else { continue };
            if let Some(list) = fields.remove(inner.name) {
                found.push((inner, field.to_owned(), list));
            }
        }
        found
    }
}
