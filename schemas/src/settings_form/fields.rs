//! The settings of a schema, one by one.

use serde_json::{Map, Value};

use crate::reference::{description, first_type};

/// One setting.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) required: bool,
    /// For people: `whole number`.
    pub(super) kind: String,
    /// For people; empty if everything of the type is.
    pub(super) allowed: String,
    pub(super) default: Option<Value>,
    pub(super) meaning: String,
    /// The settings within it.
    pub(super) inner: Vec<Field>,
}

/// The settings that a schema describes: required ones first, then in the schema's order.
pub(super) fn fields(schema: &Value) -> Vec<Field> {
    let required = schema.get("required").and_then(Value::as_array);
    let is_required = |name: &str| required.is_some_and(|names| names.iter().any(|it| it == name));
    let properties = schema.get("properties").and_then(Value::as_object);
    let mut fields: Vec<Field> = properties
        .into_iter()
        .flatten()
        .map(|(name, property)| field(name, property, is_required(name)))
        .collect();
    fields.sort_by_key(|field| !field.required);
    fields
}

fn field(name: &str, property: &Value, required: bool) -> Field {
    let meant = something(property);
    Field {
        name: name.to_owned(),
        required,
        kind: kind(meant),
        allowed: allowed(meant),
        default: property
            .get("default")
            .filter(|default| !default.is_null())
            .cloned(),
        meaning: description(property),
        inner: fields(meant),
    }
}

/// What a setting is if it is not null.
fn something(schema: &Value) -> &Value {
    let mut choices = ["oneOf", "anyOf"]
        .into_iter()
        .filter_map(|key| schema.get(key)?.as_array());
    let choice = choices
        .next()
        .and_then(|choices| choices.iter().find(|choice| first_type(choice) != "null"));
    choice.unwrap_or(schema)
}

fn kind(schema: &Value) -> String {
    match first_type(schema) {
        "string" => match schema.get("format").and_then(Value::as_str) {
            Some("uri") => "URL",
            _ => "text",
        },
        "integer" => "whole number",
        "number" => "number",
        "boolean" => "`true` or `false`",
        "array" => {
            return format!(
                "list of {}",
                schema.get("items").map_or("anything".to_owned(), kind)
            );
        }
        "object" => "object",
        _ => "anything",
    }
    .to_owned()
}

fn allowed(schema: &Value) -> String {
    let words = schema.get("enum").and_then(Value::as_array);
    if let Some(words) = words {
        let words: Vec<String> = words.iter().map(|word| format!("`{}`", plain(word))).collect();
        return words.join(", ");
    }
    let told = [
        range(schema, "minimum", "maximum").map(|range| range.join(" ")),
        range(schema, "minLength", "maxLength").map(|range| format!("length {}", range.join(" "))),
        schema
            .get("pattern")
            .map(|pattern| format!("matches `{}`", plain(pattern))),
    ];
    let told: Vec<String> = told.into_iter().flatten().collect();
    told.join("; ")
}

fn range(schema: &Value, least: &str, most: &str) -> Option<Vec<String>> {
    let least = schema.get(least).map(|least| format!("from {least}"));
    let most = schema.get(most).map(|most| format!("to {most}"));
    let range: Vec<String> = least.into_iter().chain(most).collect();
    (!range.is_empty()).then_some(range)
}

/// A value as people read it: a text without quotes.
pub(super) fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A value as YAML on one line.
pub(super) fn inline(value: &Value) -> String {
    match value {
        Value::String(text) if is_safe(text) => text.clone(),
        // JSON is YAML.
        other => other.to_string(),
    }
}

/// Whether YAML reads a text without quotes as itself.
fn is_safe(text: &str) -> bool {
    let words = ["true", "false", "null", "yes", "no", "on", "off"];
    let mut characters = text.chars();
    characters.next().is_some_and(|first| first.is_ascii_alphabetic())
        && characters.all(|next| next.is_ascii_alphanumeric() || "-_./".contains(next))
        && !words.contains(&text.to_ascii_lowercase().as_str())
}

/// What a setting is, for the end of a line: `whole number, from 1 to 20; default 1`.
pub(super) fn summary(field: &Field) -> String {
    let mut told = field.kind.replace('`', "");
    if !field.allowed.is_empty() {
        told = format!("{told}: {}", field.allowed.replace('`', ""));
    }
    match (&field.default, field.required) {
        (Some(default), _) => format!("{told}; default {}", inline(default)),
        (None, true) => format!("{told}; required"),
        (None, false) => told,
    }
}

/// Settings that a form writes for a list or a map that has none.
pub(super) fn empty(kind: &str) -> Value {
    match kind {
        "object" => Value::Object(Map::new()),
        kind if kind.starts_with("list") => Value::Array(Vec::new()),
        _ => Value::Null,
    }
}
