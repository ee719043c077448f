//! Reads a schema out of what Kong answers for `/schemas/…`.

use serde_json::{Map, Value};

use super::checks::Check;
use super::model::{Field, Kind, Meaning, Schema, Shorthand};
use super::rules::Rule;

/// The schema that a JSON document describes.
pub(crate) fn schema(document: &Value) -> Schema {
    Schema {
        fields: named(&document["fields"])
            .map(|(name, one)| (name.to_owned(), field(one)))
            .collect(),
        checks: list(&document["entity_checks"])
            .iter()
            .filter_map(Check::parse)
            .collect(),
        shorthands: named(&document["shorthand_fields"])
            .map(|(name, one)| (name.to_owned(), shorthand(one)))
            .collect(),
    }
}

/// Kong writes fields as a list of objects with one key each.
fn named(fields: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let objects = list(fields).iter().filter_map(Value::as_object);
    objects.flat_map(|object| object.iter().map(|(name, field)| (name.as_str(), field)))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn shorthand(document: &Value) -> Shorthand {
    let path = &document["deprecation"]["replaced_with"][0]["path"];
    let path: Vec<String> = list(path)
        .iter()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect();
    let meaning = if path.is_empty() {
        Meaning::Ignored
    } else {
        Meaning::Moved(path)
    };
    Shorthand {
        field: field(document),
        meaning,
    }
}

/// The field that a JSON document describes.
pub(crate) fn field(document: &Value) -> Field {
    let empty = Map::new();
    let object = document.as_object().unwrap_or(&empty);
    let is = |name: &str| object.get(name) == Some(&Value::Bool(true));
    Field {
        kind: kind(object),
        required: is("required"),
        default: object.get("default").filter(|value| !value.is_null()).cloned(),
        auto: is("auto"),
        unique: is("unique"),
        timestamp: is("timestamp"),
        uuid: is("uuid"),
        must_be_null: object.get("eq") == Some(&Value::Null),
        rules: Rule::parse_all(object),
        error: object.get("err").and_then(Value::as_str).map(str::to_owned),
    }
}

fn kind(object: &Map<String, Value>) -> Kind {
    let inner = |name: &str| Box::new(field(object.get(name).unwrap_or(&Value::Null)));
    match object.get("type").and_then(Value::as_str).unwrap_or_default() {
        "boolean" => Kind::Boolean,
        "integer" => Kind::Integer,
        "number" => Kind::Number,
        "string" => Kind::Text,
        "array" => Kind::Array(inner("elements")),
        "set" => Kind::Set(inner("elements")),
        "map" => Kind::Map {
            keys: inner("keys"),
            values: inner("values"),
        },
        "record" if object.contains_key("fields") => Kind::Record(schema(&Value::Object(object.clone()))),
        "record" => Kind::AnyRecord,
        "foreign" => Kind::Foreign {
            collection: object
                .get("reference")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned(),
            cascade: object.get("on_delete").and_then(Value::as_str) == Some("cascade"),
        },
        _ => Kind::Any,
    }
}
