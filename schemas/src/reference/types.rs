//! The schemas of the types that a document is made of.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use utoipa::ToSchema;

use super::defaults;
use crate::{
    api::ApiSpec,
    environment::EnvironmentSpec,
    resource::{Kind, Metadata, PolicySpec, ProjectSpec, SecretSpec},
};

/// Types by name.
pub(super) type Types = BTreeMap<String, Value>;

/// The name of a kind's `spec`.
pub(super) fn spec_name(kind: Kind) -> String {
    format!("{kind}Spec")
}

/// Every type that documents of a kind are made of.
pub(super) fn of(kind: Kind) -> Types {
    let mut found = Types::new();
    add::<Metadata>(&mut found);
    match kind {
        Kind::Api => add::<ApiSpec>(&mut found),
        Kind::Environment => add::<EnvironmentSpec>(&mut found),
        Kind::Policy => add::<PolicySpec>(&mut found),
        Kind::Project => add::<ProjectSpec>(&mut found),
        Kind::Secret => add::<SecretSpec>(&mut found),
    }
    found
}

/// Every type of every kind.
pub(super) fn all() -> Types {
    Kind::ALL.into_iter().flat_map(of).collect()
}

fn add<T: ToSchema>(found: &mut Types) {
    let mut referred = vec![(T::name().into_owned(), T::schema())];
    T::schemas(&mut referred);
    for (name, schema) in referred {
        let Ok(mut schema) = serde_json::to_value(schema) else {
            continue;
        };
        settle(&mut schema);
        defaults::write(&name, &mut schema);
        found.entry(name).or_insert(schema);
    }
}

/// Puts a schema into the form of the documents: references within one file, nothing but what is known.
fn settle(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if let Some(Value::String(reference)) = fields.get_mut("$ref") {
                *reference = reference.replace("#/components/schemas/", "#/$defs/");
            }
            if fields.contains_key("properties") && fields.get("type") == Some(&json!("object")) {
                fields.entry("additionalProperties").or_insert(json!(false));
            }
            fields.values_mut().for_each(settle);
        }
        Value::Array(items) => items.iter_mut().for_each(settle),
        _ => {}
    }
}

/// The type that a schema refers to.
pub(super) fn referred(schema: &Value) -> Option<&str> {
    schema.get("$ref")?.as_str()?.strip_prefix("#/$defs/")
}

/// The types that a schema refers to, directly, in the order of their names.
pub(super) fn all_referred(schema: &Value) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    collect(schema, &mut names);
    names
}

fn collect(schema: &Value, names: &mut BTreeSet<String>) {
    names.extend(referred(schema).map(str::to_owned));
    match schema {
        Value::Object(fields) => fields.values().for_each(|inner| collect(inner, names)),
        Value::Array(items) => items.iter().for_each(|inner| collect(inner, names)),
        _ => {}
    }
}
