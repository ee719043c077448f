//! Answers without what differs from one run to the next: ids, times, random keys, ports.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Map, Value};

pub(crate) static UUID: LazyLock<Regex> =
    LazyLock::new(|| pattern("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"));
static RANDOM: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^([A-Za-z0-9]{32}|\$pbkdf2.*|(?s:_transform:.*|_format_version:.*))$"));
static OFFSET: LazyLock<Regex> = LazyLock::new(|| pattern("offset=[^&]+"));

/// Fields whose values a node makes up.
const MADE_UP: [&str; 16] = [
    "created_at",
    "updated_at",
    "request_id",
    "access_token",
    "expires_in",
    "Kong-Request-ID",
    "hostname",
    "node_id",
    "pids",
    "timers",
    "memory",
    "server",
    "configuration_hash",
    "lua_version",
    "password",
    "cert_digest",
];

/// Headers to the upstream that carry the addresses of this run.
const MADE_UP_HEADERS: [&str; 3] = ["host", "x-forwarded-port", "x-kong-request-id"];

/// Headers that belong to one connection, or that the client of the recording did not send.
const LEFT_OUT: [&str; 2] = ["connection", "accept"];

fn pattern(text: &str) -> Regex {
    Regex::new(text).unwrap()
}

/// A value without what a node makes up. Lists of objects and objects by id have no order.
pub(crate) fn normal(value: &Value) -> Value {
    match value {
        Value::Object(map) if !map.is_empty() && map.keys().all(|key| is_id(key)) => sorted(map.values()),
        Value::Object(map) => Value::Object(normal_object(map)),
        Value::Array(list) if list.iter().all(Value::is_object) => sorted(list.iter()),
        Value::Array(list) => list.iter().map(normal).collect(),
        Value::String(text) if RANDOM.is_match(text) => Value::from("<random>"),
        Value::String(text) => {
            Value::from(OFFSET.replace_all(&UUID.replace_all(text, "<id>"), "offset=<offset>"))
        }
        other => other.clone(),
    }
}

fn is_id(text: &str) -> bool {
    text.len() == 36 && UUID.is_match(text)
}

fn sorted<'a>(values: impl Iterator<Item = &'a Value>) -> Value {
    let mut values: Vec<Value> = values.map(normal).collect();
    values.sort_by_key(ToString::to_string);
    Value::Array(values)
}

fn normal_object(map: &Map<String, Value>) -> Map<String, Value> {
    let each = map.iter().map(|(key, value)| match (key.as_str(), value) {
        // Names of headers have no case, and Kong's node and its client put their own addresses into some.
        ("headers", Value::Object(headers))
            if headers.contains_key("Host") || headers.contains_key("host") =>
        {
            let lower = headers
                .iter()
                .map(|(name, value)| (name.to_lowercase(), value.clone()));
            (key.clone(), Value::Object(normal_headers(&lower.collect())))
        }
        (name, _) if MADE_UP.contains(&name) => (key.clone(), Value::from("<made up>")),
        _ => (key.clone(), normal(value)),
    });
    each.collect()
}

fn normal_headers(headers: &Map<String, Value>) -> Map<String, Value> {
    let each = headers
        .iter()
        .filter(|(name, _)| !LEFT_OUT.contains(&name.as_str()));
    let each = each.map(|(name, value)| {
        let made_up = MADE_UP_HEADERS.contains(&name.as_str());
        (
            name.clone(),
            if made_up {
                Value::from("<made up>")
            } else {
                normal(value)
            },
        )
    });
    each.collect()
}
