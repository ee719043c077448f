//! What a client sent: a JSON object or a form.

use serde_json::{Map, Value};

use super::AdminRequest;
use super::request::pairs;
use crate::errors::AdminError;
use crate::schema::{Field, Kind, Schema};

/// The fields that a client sent. A form has texts alone, so the schema says what they mean.
pub(crate) fn fields(
    request: &AdminRequest,
    schema: Option<&Schema>,
) -> Result<Map<String, Value>, AdminError> {
    let kind = request.header("content-type").unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    match kind {
        "application/json" => json_object(&request.body),
        "application/x-www-form-urlencoded" => Ok(form(&request.body, schema)),
        "" if request.body.is_empty() => Ok(Map::new()),
        _ => Err(AdminError::UnsupportedMedia),
    }
}

fn json_object(body: &[u8]) -> Result<Map<String, Value>, AdminError> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(Value::Array(list)) if list.is_empty() => Ok(Map::new()),
        _ => Err(AdminError::bad_request("Cannot parse JSON body")),
    }
}

fn form(body: &[u8], schema: Option<&Schema>) -> Map<String, Value> {
    let mut fields = Map::new();
    for (name, text) in pairs(&String::from_utf8_lossy(body)) {
        put(&mut fields, &name, Value::String(text));
    }
    match schema {
        Some(schema) => typed_record(schema, fields),
        None => fields,
    }
}

/// `config.minute=5` is a field within a record, `tags[]=a` one of a list.
fn put(fields: &mut Map<String, Value>, name: &str, value: Value) {
    if let Some((first, rest)) = name.split_once('.') {
        let inner = fields.entry(first).or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(inner) = inner {
            put(inner, rest, value);
        }
        return;
    }
    let Some((list, _)) = name.split_once('[') else {
        fields.insert(name.to_owned(), value);
        return;
    };
    let elements = fields.entry(list).or_insert_with(|| Value::Array(Vec::new()));
    if let Value::Array(elements) = elements {
        elements.push(value);
    }
}

fn typed_record(schema: &Schema, fields: Map<String, Value>) -> Map<String, Value> {
    let typed_field = |(name, value): (String, Value)| {
        let value = match schema.field(&name) {
            Some(field) => typed(field, value),
            None => value,
        };
        (name, value)
    };
    fields.into_iter().map(typed_field).collect()
}

fn typed(field: &Field, value: Value) -> Value {
    match (&field.kind, value) {
        (Kind::Record(inner), Value::Object(map)) => Value::Object(typed_record(inner, map)),
        (Kind::Array(elements) | Kind::Set(elements), Value::Array(list)) => {
            Value::Array(list.into_iter().map(|one| typed(elements, one)).collect())
        }
        (Kind::Array(elements) | Kind::Set(elements), Value::String(text)) => Value::Array(
            text.split(',')
                .map(|one| typed(elements, Value::from(one.trim())))
                .collect(),
        ),
        (Kind::Integer | Kind::Number | Kind::Boolean, Value::String(text)) => {
            serde_json::from_str(&text).unwrap_or(Value::String(text))
        }
        (Kind::Foreign { .. }, Value::String(text)) if text.is_empty() => Value::Null,
        (_, value) => value,
    }
}
