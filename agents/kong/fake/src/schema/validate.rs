//! Whether an entity is what its schema says, and what is wrong with it in Kong's words.

use serde_json::{Map, Value};

use super::defaults::{Purpose, complete};
use super::model::{Field, Kind, Schema};
use super::rules::is_uuid;

/// How an entity is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scrutiny {
    /// As a new one.
    Whole,
    /// As one that is changed.
    Update,
}

impl Scrutiny {
    /// What Kong says before some sentences when an entity is changed.
    pub(crate) fn prefix(self) -> &'static str {
        match self {
            Self::Whole => "",
            Self::Update => "when updating, ",
        }
    }
}

/// Everything that is wrong with an entity, by field; empty when it is right.
pub(crate) fn validate(
    schema: &Schema,
    entity: &Map<String, Value>,
    scrutiny: Scrutiny,
) -> Map<String, Value> {
    let mut errors = Map::new();
    for (name, value) in entity {
        let said = schema.field(name).map_or_else(
            || Some(Value::from("unknown field")),
            |field| breach(field, value),
        );
        errors.extend(said.map(|said| (name.clone(), said)));
    }
    for (name, field) in &schema.fields {
        if field.required && is_missing(entity.get(name), scrutiny) {
            errors.insert(name.clone(), Value::from("required field missing"));
        }
    }
    for check in &schema.checks {
        check.run(entity, scrutiny, &mut errors);
    }
    errors
}

fn is_missing(value: Option<&Value>, scrutiny: Scrutiny) -> bool {
    value.map_or(scrutiny == Scrutiny::Whole, Value::is_null)
}

/// What is wrong with one value.
fn breach(field: &Field, value: &Value) -> Option<Value> {
    if value.is_null() {
        return None;
    }
    let found = if field.must_be_null {
        Some(Value::from("value must be null"))
    } else {
        of_kind(field, value).or_else(|| field.rules.iter().find_map(|rule| rule.breach(value)))
    };
    found.map(|said| field.error.clone().map_or(said, Value::String))
}

fn of_kind(field: &Field, value: &Value) -> Option<Value> {
    let expected = |what: &str| Some(Value::from(format!("expected {what}")));
    match (&field.kind, value) {
        (Kind::Any, _) | (Kind::Boolean, Value::Bool(_)) | (Kind::Number, Value::Number(_)) => None,
        (Kind::Text, Value::String(_)) | (Kind::AnyRecord, Value::Object(_)) => None,
        (Kind::Integer, Value::Number(number)) if is_whole(number) => None,
        (Kind::Array(elements) | Kind::Set(elements), Value::Array(list)) => list_breach(elements, list),
        (Kind::Map { keys, values }, Value::Object(map)) => map_breach(keys, values, map),
        (Kind::Record(inner), Value::Object(map)) => record_breach(inner, map),
        (Kind::Foreign { .. }, Value::Object(map)) => foreign_breach(map),
        (Kind::Boolean, _) => expected("a boolean"),
        (Kind::Number, _) => expected("a number"),
        (Kind::Integer, _) => expected("an integer"),
        (Kind::Text, _) => expected("a string"),
        (Kind::Array(_), _) => expected("an array"),
        (Kind::Set(_), _) => expected("a set"),
        (Kind::Map { .. }, _) => expected("a map"),
        (Kind::Record(_) | Kind::AnyRecord | Kind::Foreign { .. }, _) => expected("a record"),
    }
}

fn is_whole(number: &serde_json::Number) -> bool {
    number.as_f64().is_some_and(|number| number.fract() == 0.0)
}

/// Good elements before a bad one are `null`, those after the last bad one are left out.
fn list_breach(elements: &Field, list: &[Value]) -> Option<Value> {
    let each = list
        .iter()
        .map(|value| required(elements, value).unwrap_or(Value::Null));
    let mut said: Vec<Value> = each.collect();
    let used = said.iter().rposition(|one| !one.is_null())? + 1;
    said.truncate(used);
    Some(Value::Array(said))
}

fn required(field: &Field, value: &Value) -> Option<Value> {
    if value.is_null() {
        Some(Value::from("required field missing"))
    } else {
        breach(field, value)
    }
}

fn map_breach(keys: &Field, values: &Field, map: &Map<String, Value>) -> Option<Value> {
    let said = map.iter().filter_map(|(name, value)| {
        let wrong = breach(keys, &Value::String(name.clone())).or_else(|| breach(values, value));
        wrong.map(|wrong| (name.clone(), wrong))
    });
    some_object(said.collect())
}

fn record_breach(inner: &Schema, map: &Map<String, Value>) -> Option<Value> {
    let mut whole = map.clone();
    complete(inner, &mut whole, Purpose::Insert);
    some_object(validate(inner, &whole, Scrutiny::Whole))
}

fn foreign_breach(map: &Map<String, Value>) -> Option<Value> {
    let said = match map.get("id") {
        None | Some(Value::Null) => "missing primary key",
        Some(Value::String(id)) if is_uuid(id) => return None,
        Some(Value::String(_)) => "expected a valid UUID",
        Some(_) => "expected a string",
    };
    Some(serde_json::json!({ "id": said }))
}

fn some_object(map: Map<String, Value>) -> Option<Value> {
    (!map.is_empty()).then_some(Value::Object(map))
}
