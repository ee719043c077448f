//! Plugins in canonical words, where these say exactly what the plugin does.

mod answers;
mod browsers;
mod callers;
mod config;
mod limits;
mod tokens;
mod transformers;

use std::collections::BTreeMap;

use gatehouse_connector_sdk::schemas::policy::Policy;

use super::{Index, effective, native};
use crate::entities::Entity;

/// What reading a plugin needs to know.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading<'r, 'a> {
    pub(super) index: &'r Index<'a>,
    /// The name of the API, as in names of secrets.
    pub(super) api: &'r str,
    /// Everything that acts on the route.
    pub(super) plugins: &'r BTreeMap<&'a str, &'a Entity>,
    /// Whether the path that a plugin writes for the upstream is said by the operations.
    pub(super) path_is_said: bool,
}

/// A plugin in canonical words, or else as it is.
pub(super) fn of_plugin(plugin: &Entity, reading: Reading<'_, '_>, notes: &mut Vec<String>) -> Vec<Policy> {
    let name = plugin.name().unwrap_or_default();
    if effective::is_global(plugin) {
        notes.push(format!(
            "plugin `{name}` is global on Kong; it is read into each API"
        ));
    }
    match plainly_bound(plugin).and_then(|()| canonical(plugin, reading, notes)) {
        Ok(policies) => policies.iter().map(Policy::canonical).collect(),
        Err(reason) => {
            notes.push(format!("plugin `{name}` is kept as a `native` policy: {reason}"));
            native::of_plugin(plugin, notes).into_iter().collect()
        }
    }
}

/// Whether a plugin may keep a caller out: unless it is known to do something else.
pub(super) fn is_guard(plugin: &Entity) -> bool {
    const HARMLESS: [&str; 14] = [
        "correlation-id",
        "cors",
        "datadog",
        "file-log",
        "http-log",
        "opentelemetry",
        "prometheus",
        "proxy-cache",
        "request-transformer",
        "response-transformer",
        "statsd",
        "syslog",
        "tcp-log",
        "zipkin",
    ];
    !HARMLESS.contains(&plugin.name().unwrap_or_default())
}

/// The path that a `request-transformer` writes for the upstream, if all that it does can be said in canonical words.
pub(super) fn path_of(plugin: &Entity) -> Option<&str> {
    let path = plugin.config()?.get("replace")?.get("uri")?.as_str()?;
    let readable = plainly_bound(plugin).is_ok() && transformers::request(plugin, true).is_ok();
    readable.then_some(path)
}

fn canonical(
    plugin: &Entity,
    reading: Reading<'_, '_>,
    notes: &mut Vec<String>,
) -> Result<Vec<Policy>, String> {
    let one = |policy: Policy| vec![policy];
    match plugin.name().unwrap_or_default() {
        "key-auth" => callers::api_key(plugin, reading, notes).map(one),
        "basic-auth" => callers::basic(plugin, reading, notes).map(one),
        "acl" => callers::groups(plugin, reading).map(|()| Vec::new()),
        "jwt" => {
            Err("it checks tokens by keys of consumers, not by those that an issuer publishes".to_owned())
        }
        "openid-connect" => tokens::tokens(plugin, reading).map(one),
        "ip-restriction" => callers::addresses(plugin).map(one),
        "rate-limiting" => limits::rate(plugin),
        "request-size-limiting" => limits::size(plugin).map(one),
        "cors" => browsers::cors(plugin).map(one),
        "request-transformer" => transformers::request(plugin, reading.path_is_said),
        "response-transformer" => transformers::response(plugin),
        "request-termination" => answers::respond(plugin).map(one),
        "proxy-cache" => answers::cache(plugin, notes).map(one),
        _ => Err("no canonical policy says what it does".to_owned()),
    }
}

/// A plugin that acts on some protocols only, or at another time than usual, is more than any policy says.
fn plainly_bound(plugin: &Entity) -> Result<(), String> {
    let protocols: Vec<&str> = plugin.list("protocols").collect();
    let web = ["http", "https"].iter().all(|it| protocols.contains(it));
    if !protocols.is_empty() && !web {
        return Err(format!("it acts on {} alone", protocols.join(" and ")));
    }
    match plugin.0.get("ordering") {
        Some(ordering) if !config::is_empty(ordering) => Err("it has an order of its own".to_owned()),
        _ => Ok(()),
    }
}
