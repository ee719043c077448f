//! What Kong adds to an entity: defaults, ids, times, generated keys, and null for the rest.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value};
use uuid::Uuid;

use super::model::{Field, Kind, Schema};
use super::shorthands::expand;

/// What an entity is completed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To be stored as it is: every field gets a value.
    Insert,
    /// To be laid over a stored one: only what was sent, and the time.
    Update,
}

/// Completes an entity.
pub(crate) fn complete(schema: &Schema, entity: &mut Map<String, Value>, purpose: Purpose) {
    expand(schema, entity);
    for (name, field) in &schema.fields {
        let value = completed(name, field, entity.remove(name), purpose);
        entity.extend(value.map(|value| (name.clone(), value)));
    }
}

fn completed(name: &str, field: &Field, given: Option<Value>, purpose: Purpose) -> Option<Value> {
    if field.auto && field.timestamp && name == "updated_at" {
        return Some(now(field));
    }
    match given {
        Some(Value::Null) => Some(Value::Null),
        Some(value) => Some(inside(field, value, purpose)),
        None if purpose == Purpose::Update => None,
        None => missing(field),
    }
}

/// What a field is when nothing was given: missing still when it is required and has no default.
fn missing(field: &Field) -> Option<Value> {
    if field.auto {
        return Some(generated(field));
    }
    match (&field.default, &field.kind) {
        (Some(default), _) => Some(inside(field, default.clone(), Purpose::Insert)),
        (None, Kind::Record(_)) if field.required => {
            Some(inside(field, Value::Object(Map::new()), Purpose::Insert))
        }
        (None, _) if field.required => None,
        (None, _) => Some(Value::Null),
    }
}

fn inside(field: &Field, mut value: Value, purpose: Purpose) -> Value {
    match (&field.kind, &mut value) {
        (Kind::Record(inner), Value::Object(map)) => complete(inner, map, purpose),
        (Kind::Array(elements), Value::Array(list)) => each(elements, list),
        (Kind::Set(elements), Value::Array(list)) => {
            each(elements, list);
            without_repetition(list);
        }
        (Kind::Map { values, .. }, Value::Object(map)) => {
            for value in map.values_mut().filter(|value| !value.is_null()) {
                *value = inside(values, value.take(), Purpose::Insert);
            }
        }
        _ => {}
    }
    value
}

fn each(elements: &Field, list: &mut [Value]) {
    for value in list.iter_mut() {
        *value = inside(elements, value.take(), Purpose::Insert);
    }
}

fn without_repetition(list: &mut Vec<Value>) {
    let mut seen: Vec<Value> = Vec::with_capacity(list.len());
    for value in list.drain(..) {
        if !seen.contains(&value) {
            seen.push(value);
        }
    }
    *list = seen;
}

fn generated(field: &Field) -> Value {
    if field.timestamp {
        now(field)
    } else if field.uuid {
        Value::String(Uuid::new_v4().to_string())
    } else {
        Value::String(random_text())
    }
}

/// Seconds for integers, milliseconds behind the point for numbers.
fn now(field: &Field) -> Value {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    match field.kind {
        Kind::Number => Value::from((since.as_secs_f64() * 1000.0).round() / 1000.0),
        _ => Value::from(since.as_secs()),
    }
}

/// 32 letters and digits that nobody can guess.
pub(crate) fn random_text() -> String {
    const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let bytes = [Uuid::new_v4().into_bytes(), Uuid::new_v4().into_bytes()].concat();
    bytes
        .iter()
        .map(|byte| char::from(LETTERS[usize::from(*byte) % LETTERS.len()]))
        .collect()
}
