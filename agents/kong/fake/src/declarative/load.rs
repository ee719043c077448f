//! Makes a configuration of a declarative document, or says all that is wrong with it.

use serde_json::{Map, Value, json};

use super::identity;
use super::items::{Item, items};
use super::problems::{Problems, Step};
use crate::configuration::Configuration;
use crate::schema::{Purpose, Scrutiny, UnknownSchema, complete, validate};
use crate::store::{Store, hash, prepare};

/// Any id will do while an entity is looked at alone.
const SOME_ID: &str = "00000000-0000-4000-8000-000000000000";

/// The configuration that a document declares.
pub(super) fn configuration(store: &Store, content: &Map<String, Value>) -> Result<Configuration, Problems> {
    let mut problems = Problems::default();
    check_header(content, &mut problems);
    let items = items(store, content, &mut problems);
    for item in &items {
        check_alone(store, item, &mut problems);
    }
    problems.none()?;
    let ids = ids(store, &items);
    check_uniqueness(store, &items, &ids, &mut problems);
    problems.none()?;
    let resolved = resolve(store, &items, &ids, &mut problems);
    problems.none()?;
    let hashes = content.get("_transform") != Some(&Value::Bool(false));
    Ok(built(store, &items, resolved, hashes))
}

fn check_header(content: &Map<String, Value>, problems: &mut Problems) {
    let place = [Step::Name("_format_version".to_owned())];
    match content.get("_format_version") {
        None | Some(Value::Null) => problems.add(&place, json!("required field missing"), None),
        Some(Value::String(version)) if matches!(version.as_str(), "1.1" | "2.1" | "3.0") => {}
        Some(Value::String(_)) => problems.add(&place, json!("expected one of: 1.1, 2.1, 3.0"), None),
        Some(_) => problems.add(&place, json!("expected a string"), None),
    }
}

/// Checks an entity by its schema, whatever it refers to.
fn check_alone(store: &Store, item: &Item, problems: &mut Problems) {
    let mut entity = item.fields.clone();
    for (field, _) in store.foreign_fields(item.collection.name) {
        if entity.get(field).is_some_and(|value| !value.is_null()) {
            entity.insert(field.to_owned(), json!({ "id": SOME_ID }));
        }
    }
    if let Some((_, field)) = &item.parent {
        entity.insert(field.clone(), json!({ "id": SOME_ID }));
    }
    let said = match store.registry.of(item.collection.name, &entity) {
        Err(UnknownSchema(said)) => said,
        Ok(schema) => {
            prepare(item.collection.name, &mut entity);
            complete(schema, &mut entity, Purpose::Insert);
            validate(schema, &entity, Scrutiny::Whole)
        }
    };
    if !said.is_empty() {
        problems.add(&item.place, Value::Object(said), Some(item));
    }
}

fn ids(store: &Store, items: &[Item]) -> Vec<String> {
    let mut ids: Vec<String> = Vec::with_capacity(items.len());
    for item in items {
        let parent = item.parent.as_ref().and_then(|(at, _)| ids.get(*at)).cloned();
        ids.push(identity::id(store, item, parent.as_deref()));
    }
    ids
}

fn check_uniqueness(store: &Store, items: &[Item], ids: &[String], problems: &mut Problems) {
    let mut taken = std::collections::BTreeSet::new();
    for (item, id) in items.iter().zip(ids) {
        let name = item.collection.name;
        let schema = store.registry.collection(name);
        let fields = schema
            .into_iter()
            .flat_map(|schema| &schema.fields)
            .filter(|(_, field)| field.unique);
        let values =
            fields.filter_map(|(field, _)| Some((field.as_str(), item.fields.get(field)?.as_str()?)));
        let mut all: Vec<(&str, &str)> = values.collect();
        all.push(("primary key", id));
        let repeated = all
            .iter()
            .find(|(field, value)| !taken.insert((name, (*field).to_owned(), (*value).to_owned())));
        if let Some((field, value)) = repeated {
            let said = format!(
                "uniqueness violation: '{name}' entity with {field} set to '{value}' already declared"
            );
            problems.add(&item.place, Value::String(said), None);
        }
    }
}

/// The entities with their ids, and ids for what they refer to.
fn resolve(
    store: &Store,
    items: &[Item],
    ids: &[String],
    problems: &mut Problems,
) -> Vec<Map<String, Value>> {
    let mut resolved = Vec::with_capacity(items.len());
    for (item, id) in items.iter().zip(ids) {
        let mut entity = item.fields.clone();
        entity.insert("id".to_owned(), Value::from(id.as_str()));
        if let Some((at, field)) = &item.parent {
            entity.insert(field.clone(), json!({ "id": ids.get(*at) }));
        }
        for (field, target) in store.foreign_fields(item.collection.name) {
            let named = item
                .fields
                .get(field)
                .filter(|value| !value.is_null())
                .and_then(named_by);
            let Some(named) = named else { continue };
            match find(items, ids, target, &named) {
                Some(id) => drop(entity.insert(field.to_owned(), json!({ "id": id }))),
                None => add_dangling(item, id, (field, target, &named), problems),
            }
        }
        resolved.push(entity);
    }
    resolved
}

/// A reference is an id or a name, by itself or in an object.
fn named_by(value: &Value) -> Option<String> {
    let text = value
        .as_str()
        .or_else(|| value.as_object()?.values().find_map(Value::as_str))?;
    Some(text.to_owned())
}

fn find<'a>(items: &[Item], ids: &'a [String], collection: &str, named: &str) -> Option<&'a String> {
    let mut all = items
        .iter()
        .zip(ids)
        .filter(|(item, _)| item.collection.name == collection);
    let called =
        |item: &Item| item.collection.key.and_then(|key| item.fields.get(key)?.as_str()) == Some(named);
    all.find(|(item, id)| id.as_str() == named || called(item))
        .map(|(_, id)| id)
}

fn add_dangling(item: &Item, id: &str, (field, target, named): (&str, &str, &str), problems: &mut Problems) {
    let key = item
        .collection
        .key
        .and_then(|key| item.fields.get(key)?.as_str())
        .unwrap_or(id);
    let place = [
        Step::Name(item.collection.name.to_owned()),
        Step::Name(key.to_owned()),
    ];
    let said = format!("invalid reference '{field}: {named}' (no such entry in '{target}')");
    problems.add(&place, json!([said]), None);
}

fn built(store: &Store, items: &[Item], resolved: Vec<Map<String, Value>>, hashes: bool) -> Configuration {
    let mut configuration = Configuration::default();
    for (item, mut entity) in items.iter().zip(resolved) {
        let name = item.collection.name;
        prepare(name, &mut entity);
        if let Ok(schema) = store.registry.of(name, &entity) {
            complete(schema, &mut entity, Purpose::Insert);
        }
        if hashes {
            hash(name, &mut entity, None);
        }
        let id = entity
            .get("id")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        if name == "certificates" {
            entity.remove("snis");
        }
        configuration.put(name, &id, entity);
    }
    configuration
}
