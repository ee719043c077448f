//! Versions of APIs, so that what did not change need not be read again.

use std::collections::{BTreeSet, HashMap};

use gatehouse_connector_sdk::schemas::canonical::Fingerprint;
use serde_json::{Map, Value, json};

use super::{Index, effective};
use crate::entities::Entity;

/// Times change with every reload of a declarative configuration, and the time that a key has left every second.
const NO_CHANGE: [&str; 2] = ["created_at", "updated_at"];

/// Plugins that let consumers in, or tell them apart.
const ABOUT_CONSUMERS: [&str; 10] = [
    "acl",
    "basic-auth",
    "hmac-auth",
    "jwt",
    "key-auth",
    "key-auth-enc",
    "ldap-auth",
    "mtls-auth",
    "oauth2",
    "openid-connect",
];

/// A version of everything that belongs to a service: it changes whenever anything of it does, but for times.
pub fn version(index: &Index<'_>, service: &Entity) -> String {
    let upstream = index.upstream(service);
    let targets = upstream
        .map(|upstream| index.targets(upstream))
        .unwrap_or_default();
    of(
        index,
        service,
        Some(service),
        index.routes(service),
        json!({
            "upstream": upstream.map(said),
            "targets": sorted(targets.iter().copied()),
        }),
    )
}

/// A version of everything that belongs to a route without a service.
pub fn version_of_route(index: &Index<'_>, route: &Entity) -> String {
    of(index, route, None, &[route], Value::Null)
}

fn of(
    index: &Index<'_>,
    entity: &Entity,
    service: Option<&Entity>,
    routes: &[&Entity],
    upstream: Value,
) -> String {
    let of_service = service
        .map(|service| index.service_plugins(service))
        .unwrap_or_default();
    let of_routes = routes.iter().flat_map(|route| index.route_plugins(route));
    let plugins: Vec<&Entity> = of_service.iter().chain(of_routes).copied().collect();
    let value = json!({
        "entity": said(entity),
        "upstream": upstream,
        "routes": sorted(routes.iter().copied()),
        "plugins": sorted(plugins.iter().copied()),
        "global": index.fingerprints.global_plugins.get_or_init(|| global_plugins(index)),
        "consumers": consumers(index, service, routes, &plugins),
    });
    Fingerprint::of_value(&value).0
}

fn global_plugins(index: &Index<'_>) -> String {
    Fingerprint::of_value(&sorted(index.global_plugins().iter().copied())).0
}

/// The consumers that its plugins name or let in: those of the groups that are let in, or else all.
fn consumers(index: &Index<'_>, service: Option<&Entity>, routes: &[&Entity], plugins: &[&Entity]) -> Value {
    let mut everybody = false;
    let mut named: BTreeSet<String> = plugins
        .iter()
        .filter_map(|it| it.owner("consumer"))
        .map(str::to_owned)
        .collect();
    for route in routes {
        let acting = effective::plugins(index, service, route);
        if !acting.keys().any(|name| ABOUT_CONSUMERS.contains(name)) {
            continue;
        }
        let allowed: Vec<&str> = acting.get("acl").map(|acl| allowed(acl)).unwrap_or_default();
        everybody |= allowed.is_empty();
        for group in allowed {
            named.extend(index.members(group).map(str::to_owned));
        }
    }
    if everybody {
        return json!(index.fingerprints.everybody.get_or_init(|| everybody_of(index)));
    }
    let known = index.fingerprints.consumers.get_or_init(|| each(index));
    json!(named.iter().map(|id| (id, known.get(id))).collect::<Vec<_>>())
}

fn allowed(acl: &Entity) -> Vec<&str> {
    let groups = acl
        .config()
        .and_then(|config| config.get("allow"))
        .and_then(Value::as_array);
    groups.into_iter().flatten().filter_map(Value::as_str).collect()
}

fn each(index: &Index<'_>) -> HashMap<String, String> {
    index
        .snapshot
        .consumers
        .iter()
        .map(|consumer| (consumer.id().to_owned(), consumer_version(index, consumer)))
        .collect()
}

fn everybody_of(index: &Index<'_>) -> String {
    let known = index.fingerprints.consumers.get_or_init(|| each(index));
    let sorted: std::collections::BTreeMap<_, _> = known.iter().collect();
    Fingerprint::of_value(&json!(sorted)).0
}

fn consumer_version(index: &Index<'_>, consumer: &Entity) -> String {
    let value = json!({
        "consumer": said(consumer),
        "groups": sorted(index.memberships(consumer.id()).iter().copied()),
        "credentials": sorted(index.credentials(consumer.id()).iter().copied()),
        "plugins": sorted(index.consumer_plugins(consumer.id()).iter().copied()),
    });
    Fingerprint::of_value(&value).0
}

fn sorted<'e>(entities: impl Iterator<Item = &'e Entity>) -> Value {
    let mut entities: Vec<&Entity> = entities.collect();
    entities.sort_by_key(|entity| entity.id());
    Value::Array(entities.into_iter().map(said).collect())
}

/// What an entity says, but for what changes by itself.
fn said(entity: &Entity) -> Value {
    let fields = entity
        .0
        .iter()
        .filter(|(field, _)| !NO_CHANGE.contains(&field.as_str()));
    let mut fields: Map<String, Value> = fields
        .map(|(field, value)| (field.clone(), value.clone()))
        .collect();
    if let Some(left) = fields.get_mut("ttl").filter(|left| left.is_number()) {
        *left = Value::Bool(true);
    }
    Value::Object(fields)
}
