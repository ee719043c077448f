//! What canonical words cannot say, in Kong's: fragments of the policy type `native`.
//!
//! The fields of a fragment are `plugins` (that act where the policy stands), `routes` (as a whole, each with its own
//! `plugins`), `route` (settings of the routes of the API or the operation), `service` (settings of the service) and
//! `upstream` (with its `targets`). Nothing in them has an id or a time, and no credential is in them.

use gatehouse_connector_sdk::schemas::policy::{NativePolicy, Policy};
use serde_json::{Map, Value, json};

use super::secrets;
use crate::entities::Entity;

/// What is the gateway's own and says nothing of what is wanted.
const BOOKKEEPING: [&str; 3] = ["id", "created_at", "updated_at"];
/// What plugins and routes belong to, which the place of the policy says.
const OWNERS: [&str; 5] = ["service", "route", "consumer", "consumer_group", "upstream"];
/// On which protocols plugins act where nobody says otherwise.
const PLUGIN_PROTOCOLS: [&str; 4] = ["grpc", "grpcs", "http", "https"];

/// A policy of one fragment; none if the gateway type cannot be named, which does not happen.
pub(super) fn policy(config: Map<String, Value>) -> Option<Policy> {
    let gateway_type = "kong".parse().ok()?;
    Some(Policy::Native(NativePolicy { gateway_type, config }).canonical())
}

/// A policy of one plugin.
pub(super) fn of_plugin(plugin: &Entity, notes: &mut Vec<String>) -> Option<Policy> {
    let mut config = Map::new();
    config.insert("plugins".to_owned(), json!([self::plugin(plugin, notes)]));
    policy(config)
}

/// A plugin, without its credentials.
pub(super) fn plugin(plugin: &Entity, notes: &mut Vec<String>) -> Map<String, Value> {
    let mut fields = fields(plugin);
    fields.remove("enabled");
    let mut protocols: Vec<&str> = plugin.list("protocols").collect();
    protocols.sort_unstable();
    if protocols == PLUGIN_PROTOCOLS {
        fields.remove("protocols");
    }
    if let Some(config) = fields.get_mut("config") {
        let places = secrets::take_out(config, "config");
        notes.extend(left_out(&format!("plugin `{}`", plugin.title()), places));
    }
    fields
}

/// What people have to put right.
fn left_out(what: &str, places: Vec<String>) -> impl Iterator<Item = String> {
    places.into_iter().map(move |place| {
        format!("{what}: `{place}` is a credential and is not taken along; put `{{secret}}` right before deploying it")
    })
}

/// A route with its own plugins.
pub(super) fn route<'p>(
    route: &Entity,
    plugins: impl Iterator<Item = &'p Entity>,
    notes: &mut Vec<String>,
) -> Map<String, Value> {
    let mut fields = fields(route);
    let places = secrets::take_out_of_route(&mut fields);
    notes.extend(left_out(&format!("route `{}`", route.title()), places));
    let plugins: Vec<_> = plugins.map(|it| plugin(it, notes)).collect();
    if !plugins.is_empty() {
        fields.insert("plugins".to_owned(), json!(plugins));
    }
    fields
}

/// An upstream with its targets.
pub(super) fn upstream(
    upstream: &Entity,
    targets: &[&Entity],
    notes: &mut Vec<String>,
) -> Map<String, Value> {
    let mut fields = fields(upstream);
    if let Some(checks) = fields.get_mut("healthchecks") {
        let places = secrets::take_out(checks, "healthchecks");
        notes.extend(left_out(&format!("upstream `{}`", upstream.title()), places));
    }
    let mut targets: Vec<_> = targets.iter().map(|target| self::fields(target)).collect();
    targets.sort_by_key(|target| target.get("target").map(Value::to_string));
    fields.insert("targets".to_owned(), json!(targets));
    fields
}

/// What an entity says of what is wanted: no ids, times and owners, and nothing that is null.
fn fields(entity: &Entity) -> Map<String, Value> {
    let said = entity.0.iter().filter(|(field, value)| {
        let field = field.as_str();
        !value.is_null() && !BOOKKEEPING.contains(&field) && !OWNERS.contains(&field) && field != "tags"
    });
    let mut fields: Map<String, Value> = said
        .map(|(field, value)| (field.clone(), value.clone()))
        .collect();
    if let Some(Value::Object(config)) = fields.get_mut("config") {
        without_nulls(config);
    }
    fields
}

/// Null is what Kong takes for what is absent.
fn without_nulls(fields: &mut Map<String, Value>) {
    fields.retain(|_, value| !value.is_null());
    for value in fields.values_mut() {
        if let Value::Object(inner) = value {
            without_nulls(inner);
        }
    }
}

/// Settings of a route that canonical words do not say, where they are not as usual.
pub(super) fn settings(route: &Entity, protocols: &[String]) -> Map<String, Value> {
    let mut protocols = protocols.to_vec();
    protocols.sort_unstable();
    let mut settings = Map::new();
    if !(protocols.is_empty() || protocols == ["http", "https"]) {
        settings.insert("protocols".to_owned(), json!(protocols));
    }
    let usual = [
        ("preserve_host", json!(false)),
        ("request_buffering", json!(true)),
        ("response_buffering", json!(true)),
        ("path_handling", json!("v0")),
        ("https_redirect_status_code", json!(426)),
    ];
    for (field, usual) in usual {
        let value = route.0.get(field).unwrap_or(&Value::Null);
        if !value.is_null() && *value != usual {
            settings.insert(field.to_owned(), value.clone());
        }
    }
    settings
}
