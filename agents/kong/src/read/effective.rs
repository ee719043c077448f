//! Which plugins act on a route.

use std::collections::BTreeMap;

use super::Index;
use crate::entities::Entity;

/// The plugins that act on a route, whoever calls, by name: of several of one name, the one that is bound closest
/// to the route. Disabled ones do not count.
pub(super) fn plugins<'a>(
    index: &Index<'a>,
    service: Option<&Entity>,
    route: &Entity,
) -> BTreeMap<&'a str, &'a Entity> {
    let of_service = service
        .map(|service| index.service_plugins(service))
        .unwrap_or_default();
    let closer_and_closer = [index.global_plugins(), of_service, index.route_plugins(route)];
    let mut found: BTreeMap<&str, &Entity> = BTreeMap::new();
    for plugin in closer_and_closer
        .into_iter()
        .flatten()
        .copied()
        .filter(|it| acts(it, service))
    {
        let name = plugin.name().unwrap_or_default();
        let known = found.get(name);
        let closer = |known: &&Entity| known.owner("route").is_some() && known.owner("service").is_some();
        if !known.is_some_and(closer) {
            found.insert(name, plugin);
        }
    }
    found
}

/// Whether a plugin takes part for every caller of a service.
fn acts(plugin: &Entity, service: Option<&Entity>) -> bool {
    let of_somebody = plugin.owner("consumer").is_some() || plugin.owner("consumer_group").is_some();
    let of_another = plugin
        .owner("service")
        .is_some_and(|id| service.is_none_or(|service| service.id() != id));
    plugin.is_enabled() && !of_somebody && !of_another
}

/// Whether a plugin acts on every service.
pub(super) fn is_global(plugin: &Entity) -> bool {
    plugin.owner("service").is_none() && plugin.owner("route").is_none()
}

/// What is to be noted of plugins that act for some callers only.
pub(super) fn for_some(index: &Index<'_>, service: Option<&Entity>, routes: &[&Entity]) -> Vec<String> {
    let of_service = service
        .map(|service| index.service_plugins(service))
        .unwrap_or_default();
    let of_routes = routes.iter().flat_map(|route| index.route_plugins(route));
    let plugins = of_service
        .iter()
        .chain(of_routes)
        .filter(|plugin| plugin.is_enabled());
    plugins.filter_map(|plugin| for_somebody(index, plugin)).collect()
}

fn for_somebody(index: &Index<'_>, plugin: &Entity) -> Option<String> {
    let name = plugin.name().unwrap_or_default();
    if let Some(id) = plugin.owner("consumer") {
        let consumer = index.consumer(id).and_then(consumer_name).unwrap_or(id);
        return Some(format!(
            "plugin `{name}` acts for consumer `{consumer}` alone; it is not taken along"
        ));
    }
    let group = plugin.owner("consumer_group")?;
    Some(format!(
        "plugin `{name}` acts for consumer group `{group}` alone; it is not taken along"
    ))
}

/// What people call a consumer.
pub(super) fn consumer_name(consumer: &Entity) -> Option<&str> {
    consumer.text("username").or_else(|| consumer.text("custom_id"))
}
