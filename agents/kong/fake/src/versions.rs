//! What versions before 3.9 did not have.

use serde_json::{Value, json};

/// Whether a version is older than another: `3.4.2` is older than `3.9`.
pub(crate) fn is_before(version: &str, other: &str) -> bool {
    numbers(version) < numbers(other)
}

fn numbers(version: &str) -> Vec<u32> {
    let digits = version.split('-').next().unwrap_or_default();
    digits.split('.').map_while(|part| part.parse().ok()).collect()
}

/// Takes the fields from a plugin's schema that a version does not have.
pub(crate) fn reduce_plugin(version: &str, name: &str, document: &mut Value) {
    for (_, path, since) in ADDED_TO_PLUGINS.iter().filter(|(plugin, ..)| *plugin == name) {
        if is_before(version, since) {
            remove(document, path);
        }
    }
    if is_before(version, "3.6") && matches!(name, "rate-limiting" | "response-ratelimiting") {
        with_flat_redis(document);
    }
}

/// Plugin, field, the version that brought it.
const ADDED_TO_PLUGINS: &[(&str, &[&str], &str)] = &[
    ("acl", &["config", "always_use_authenticated_groups"], "3.6"),
    ("basic-auth", &["config", "realm"], "3.6"),
    ("cors", &["config", "private_network"], "3.5"),
    ("hmac-auth", &["config", "realm"], "3.7"),
    ("jwt", &["config", "realm"], "3.8"),
    ("key-auth", &["config", "realm"], "3.7"),
    ("ldap-auth", &["config", "realm"], "3.8"),
    ("oauth2", &["config", "realm"], "3.8"),
    ("prometheus", &["config", "ai_metrics"], "3.8"),
    ("prometheus", &["config", "wasm_metrics"], "3.6"),
    ("http-log", &["config", "queue", "concurrency_limit"], "3.8"),
    ("statsd", &["config", "queue", "concurrency_limit"], "3.8"),
    ("datadog", &["config", "queue", "concurrency_limit"], "3.8"),
    ("zipkin", &["config", "queue", "concurrency_limit"], "3.8"),
    ("zipkin", &["config", "propagation"], "3.7"),
    ("opentelemetry", &["config", "queue", "concurrency_limit"], "3.8"),
    ("opentelemetry", &["config", "propagation"], "3.7"),
    ("opentelemetry", &["config", "sampling_rate"], "3.7"),
    ("opentelemetry", &["config", "logs_endpoint"], "3.8"),
];

fn remove(document: &mut Value, path: &[&str]) {
    let Some((first, rest)) = path.split_first() else {
        return;
    };
    let Some(fields) = document["fields"].as_array_mut() else {
        return;
    };
    if rest.is_empty() {
        fields.retain(|field| field.get(*first).is_none());
        return;
    }
    for field in fields.iter_mut().filter_map(|field| field.get_mut(*first)) {
        remove(field, rest);
    }
}

/// Before 3.6 the settings of Redis stood beside the others: `redis_host` for `redis.host`.
fn with_flat_redis(document: &mut Value) {
    let text = document.to_string().replace("config.redis.", "config.redis_");
    let Ok(mut whole) = serde_json::from_str::<Value>(&text) else {
        return;
    };
    let Some(config) = whole["fields"]
        .as_array_mut()
        .into_iter()
        .flatten()
        .find_map(|one| one.get_mut("config"))
    else {
        return;
    };
    let fields = config["fields"]
        .as_array_mut()
        .map(std::mem::take)
        .unwrap_or_default();
    let flat = fields.into_iter().flat_map(|field| match field.get("redis") {
        Some(redis) => flattened(redis),
        None => vec![field],
    });
    config["fields"] = Value::Array(flat.collect());
    config["shorthand_fields"] = json!([]);
    *document = whole;
}

fn flattened(redis: &Value) -> Vec<Value> {
    let fields = redis["fields"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_object);
    let named = fields.flat_map(|field| field.iter());
    named
        .map(|(name, field)| json!({ format!("redis_{name}"): field }))
        .collect()
}
