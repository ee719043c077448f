//! What is wrong with a declarative configuration: as a tree in its shape, or flat by entity.

use serde_json::{Map, Value, json};

use super::items::Item;

/// One step towards a place in a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Name(String),
    Number(usize),
}

#[derive(Debug)]
struct Problem {
    place: Vec<Step>,
    said: Value,
    /// The entity that it is about, for the flat form.
    entity: Option<Value>,
}

/// All that is wrong with a declarative configuration.
#[derive(Debug, Default)]
pub(super) struct Problems(Vec<Problem>);

impl Problems {
    pub(super) fn add(&mut self, place: &[Step], said: Value, item: Option<&Item>) {
        let entity = item.map(|item| about(item, &said));
        self.0.push(Problem {
            place: place.to_vec(),
            said,
            entity,
        });
    }

    /// Gives the problems away when there are any.
    pub(super) fn none(&mut self) -> Result<(), Self> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(std::mem::take(self))
        }
    }

    /// The problems in the shape of the document.
    pub(super) fn tree(&self) -> Value {
        tree_of(self.0.iter())
    }

    /// What is no entity's problem as a tree, and the rest by entity.
    pub(super) fn flattened(&self) -> (Value, Vec<Value>) {
        let rest = tree_of(self.0.iter().filter(|one| one.entity.is_none()));
        (rest, self.0.iter().filter_map(|one| one.entity.clone()).collect())
    }
}

fn tree_of<'a>(problems: impl Iterator<Item = &'a Problem>) -> Value {
    let mut tree = Value::Object(Map::new());
    for problem in problems {
        graft(&mut tree, &problem.place, problem.said.clone());
    }
    tree
}

fn graft(tree: &mut Value, place: &[Step], said: Value) {
    let Some((first, rest)) = place.split_first() else {
        return merge(tree, said);
    };
    match first {
        Step::Name(name) => {
            if !tree.is_object() {
                *tree = Value::Object(Map::new());
            }
            graft(&mut tree[name.as_str()], rest, said);
        }
        Step::Number(at) => {
            if !tree.is_array() {
                *tree = Value::Array(Vec::new());
            }
            if let Value::Array(list) = tree {
                list.resize(list.len().max(at + 1), Value::Null);
                graft(&mut list[*at], rest, said);
            }
        }
    }
}

/// An entity may have problems of its own and in the entities within it.
fn merge(tree: &mut Value, said: Value) {
    match (tree, said) {
        (Value::Object(known), Value::Object(more)) => known.extend(more),
        (tree, said) => *tree = said,
    }
}

fn about(item: &Item, said: &Value) -> Value {
    let collection = item.collection.name;
    let mut about = json!({
        "entity_type": collection.strip_suffix('s').unwrap_or(collection),
        "entity": item.fields,
        "errors": listed(said),
    });
    for (name, field) in [
        ("entity_name", "name"),
        ("entity_id", "id"),
        ("entity_tags", "tags"),
    ] {
        if let Some(value) = item.fields.get(field) {
            about[name] = value.clone();
        }
    }
    about
}

fn listed(said: &Value) -> Vec<Value> {
    let mut found = Vec::new();
    for (name, error) in said.as_object().into_iter().flatten() {
        if name == "@entity" {
            let whole = error.as_array().into_iter().flatten();
            found.extend(whole.map(|message| json!({ "type": "entity", "message": message })));
        } else {
            list_field(name, error, &mut found);
        }
    }
    found
}

fn list_field(path: &str, error: &Value, found: &mut Vec<Value>) {
    match error {
        Value::Object(inner) => inner
            .iter()
            .for_each(|(name, error)| list_field(&format!("{path}.{name}"), error, found)),
        Value::Array(list) => {
            let wrong = list.iter().enumerate().filter(|(_, error)| !error.is_null());
            wrong.for_each(|(at, error)| list_field(&format!("{path}.{}", at + 1), error, found));
        }
        message => found.push(json!({ "type": "field", "field": path, "message": message })),
    }
}
