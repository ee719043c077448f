//! Models: the schemas of a document, kept as texts that refer to each other by URL.

use serde_json::{Value, json};
use uuid::Uuid;

use super::import::Import;
use crate::place::{entity, new_id, text};

const BASE: &str = "https://apigateway.amazonaws.com/restapis/";

/// Takes the schemas of the document in as models.
pub(super) fn import(import: &mut Import<'_>) {
    for (name, schema) in import.document.schemas() {
        if !name.chars().all(|sign| sign.is_ascii_alphanumeric()) {
            import.errors.push(format!(
                "Unable to create model for '{name}': Model name must be alphanumeric: {name}"
            ));
            continue;
        }
        put(import, &name, &schema);
    }
}

fn put(import: &mut Import<'_>, name: &str, schema: &Value) {
    let api = text(&import.definition.api, "id");
    let stored = with_references(schema, &|reference| {
        let name = reference.rsplit('/').next().unwrap_or_default();
        format!("{BASE}{api}/models/{name}")
    });
    let mut model = entity(json!({
        "id": new_id(6), "name": name, "schema": stored.to_string(), "contentType": "application/json",
    }));
    if let Some(description) = schema.get("description").filter(|it| it.is_string()) {
        model.insert("description".to_owned(), description.clone());
    }
    import.definition.models.insert(name.to_owned(), model);
}

/// The name of the model that a schema is; one without a name is given one.
pub(super) fn name_of(import: &mut Import<'_>, schema: &Value) -> String {
    let reference = schema.get("$ref").and_then(Value::as_str);
    if let Some(name) = reference.and_then(|reference| reference.rsplit('/').next()) {
        if !import.definition.models.contains_key(name) {
            import.errors.push(format!(
                "Unable to create method: Invalid model reference specified: {name}"
            ));
        }
        return name.to_owned();
    }
    let random = Uuid::new_v4().simple().to_string();
    let name = format!("MODEL{}", &random[..6]);
    put(import, &name, schema);
    name
}

/// A model as a schema in an exported document.
pub(super) fn schema(stored: &str, place: &str) -> Value {
    let schema: Value = serde_json::from_str(stored).unwrap_or_default();
    with_references(&schema, &|reference| {
        let name = reference.rsplit('/').next().unwrap_or_default();
        format!("{place}{name}")
    })
}

/// The same with every reference renamed.
fn with_references(value: &Value, renamed: &dyn Fn(&str) -> String) -> Value {
    match value {
        Value::Object(members) => {
            let each = members.iter().map(|(name, value)| match (name.as_str(), value) {
                ("$ref", Value::String(reference)) => (name.clone(), Value::from(renamed(reference))),
                _ => (name.clone(), with_references(value, renamed)),
            });
            Value::Object(each.collect())
        }
        Value::Array(items) => items.iter().map(|item| with_references(item, renamed)).collect(),
        other => other.clone(),
    }
}
