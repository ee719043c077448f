//! Shorthands: what clients may send in place of the fields that Kong keeps.

use serde_json::{Map, Value};

use super::checks::at;
use super::model::{Kind, Meaning, Schema};

/// Puts the fields in place of their shorthands.
pub(crate) fn expand(schema: &Schema, entity: &mut Map<String, Value>) {
    for (name, shorthand) in &schema.shorthands {
        let Some(value) = entity.get(name).cloned() else {
            continue;
        };
        let fits = matches!((&shorthand.field.kind, &value), (Kind::Text, Value::String(_)))
            || !matches!(shorthand.field.kind, Kind::Text)
            || value.is_null();
        if !fits {
            continue;
        }
        entity.remove(name);
        match (&shorthand.meaning, &value) {
            (Meaning::Url, Value::String(url)) => entity.extend(parts_of(url)),
            (Meaning::Moved(path), value) => put_if_absent(entity, path, value.clone()),
            _ => {}
        }
    }
}

fn put_if_absent(entity: &mut Map<String, Value>, path: &[String], value: Value) {
    let Some((first, rest)) = path.split_first() else {
        return;
    };
    if rest.is_empty() {
        entity.entry(first.clone()).or_insert(value);
        return;
    }
    let inner = entity
        .entry(first.clone())
        .or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(inner) = inner {
        put_if_absent(inner, rest, value);
    }
}

/// Protocol, host, port and path of a URL, as Kong's own reader of URLs sees them.
fn parts_of(url: &str) -> Map<String, Value> {
    let (scheme, rest) = split_scheme(url);
    let (authority, path) = match rest.strip_prefix("//") {
        Some(rest) => rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len())),
        None => ("", rest),
    };
    let authority = authority.rsplit('@').next().unwrap_or_default();
    let (host, port) = split_port(authority);
    let protocol = scheme.unwrap_or(if port == Some(443) { "https" } else { "http" });
    let port = port.or(match protocol {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    });
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let text = |text: &str| {
        if text.is_empty() {
            Value::Null
        } else {
            Value::from(text)
        }
    };
    Map::from_iter([
        ("protocol".to_owned(), text(protocol)),
        ("host".to_owned(), text(host)),
        ("port".to_owned(), port.map_or(Value::Null, Value::from)),
        ("path".to_owned(), text(path)),
    ])
}

fn split_scheme(url: &str) -> (Option<&str>, &str) {
    let usual = |scheme: &str| {
        scheme.starts_with(|first: char| first.is_ascii_alphanumeric())
            && scheme
                .chars()
                .all(|one| one.is_ascii_alphanumeric() || "+-.".contains(one))
    };
    match url.split_once(':') {
        Some((scheme, rest)) if usual(scheme) => (Some(scheme), rest),
        _ => (None, url),
    }
}

fn split_port(authority: &str) -> (&str, Option<u64>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port.parse().ok()),
        _ => (authority, None),
    }
}

/// An entity as Kong shows it: with the fields that others have taken the place of.
pub(crate) fn with_shorthands(schema: &Schema, entity: &Map<String, Value>) -> Map<String, Value> {
    let mut shown = entity.clone();
    for (name, field) in &schema.fields {
        if let (Kind::Record(inner), Some(Value::Object(map))) = (&field.kind, entity.get(name)) {
            shown.insert(name.clone(), Value::Object(with_shorthands(inner, map)));
        }
    }
    for (name, shorthand) in &schema.shorthands {
        if let Meaning::Moved(path) = &shorthand.meaning {
            let value = at(entity, &path.join(".")).cloned();
            shown.insert(name.clone(), value.unwrap_or(Value::Null));
        }
    }
    shown
}
