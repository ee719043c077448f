//! Values as Lua prints them, which is how they stand in Kong's messages.

use serde_json::{Map, Value};

/// A table in one line: `{name="petstore",service={id="…"}}`.
pub(crate) fn flat(value: &Value) -> String {
    match value {
        Value::Object(map) => format!("{{{}}}", named(map, flat).join(",")),
        Value::Array(list) => format!("{{{}}}", flat_list(list).join(",")),
        plain => plain.to_string(),
    }
}

/// The good elements of a list of errors are holes, so that those behind them carry their number.
fn flat_list(list: &[Value]) -> Vec<String> {
    let holes = list.iter().any(Value::is_null);
    let filled = list.iter().enumerate().filter(|(_, value)| !value.is_null());
    filled
        .map(|(at, value)| {
            if holes {
                format!("[{}]={}", at + 1, flat(value))
            } else {
                flat(value)
            }
        })
        .collect()
}

fn named(map: &Map<String, Value>, write: fn(&Value) -> String) -> Vec<String> {
    let mut sorted: Vec<(&String, &Value)> = map.iter().collect();
    sorted.sort_by(|one, other| one.0.cmp(other.0));
    sorted
        .into_iter()
        .map(|(name, value)| format!("{}={}", key(name), write(value)))
        .collect()
}

fn key(name: &str) -> String {
    let plain = name.chars().all(|one| one.is_ascii_alphanumeric() || one == '_')
        && !name.starts_with(|first: char| first.is_ascii_digit());
    if plain {
        name.to_owned()
    } else {
        format!("[\"{name}\"]")
    }
}

/// A text without quotes, or a table over several lines.
pub(crate) fn pretty(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        table => indented(table, 1),
    }
}

fn indented(value: &Value, depth: usize) -> String {
    let (open, close) = ("  ".repeat(depth), "  ".repeat(depth.saturating_sub(1)));
    let lines: Vec<String> = match value {
        Value::Object(map) => {
            let mut sorted: Vec<(&String, &Value)> = map.iter().collect();
            sorted.sort_by(|one, other| one.0.cmp(other.0));
            let line = |(name, value): (&String, &Value)| {
                format!("{open}{} = {}", key(name), indented(value, depth + 1))
            };
            sorted.into_iter().map(line).collect()
        }
        Value::Array(list) => list
            .iter()
            .map(|value| format!("{open}{}", indented(value, depth + 1)))
            .collect(),
        plain => return plain.to_string(),
    };
    format!("{{\n{}\n{close}}}", lines.join(",\n"))
}
