//! Which of what a Kong has a Gatehouse deployed.

use std::{collections::BTreeMap, sync::Arc};

use gatehouse_connector_sdk::schemas::{canonical::Fingerprint, identity::ExternalRef};
use serde_json::json;

use super::{Entry, What, entry};
use crate::{
    entities::{Collection, Entity},
    holding::{Entities, Holding, by_id},
    read::Snapshot,
    translate::TAG,
};

/// The APIs that a Gatehouse deployed: each once, however many services it has.
pub(super) fn ours(holdings: &BTreeMap<String, Holding>) -> BTreeMap<ExternalRef, Entry> {
    let mut entries = BTreeMap::new();
    let mut callers = None;
    for (owner, holding) in holdings {
        let callers = (holding.shared().len() > 0)
            .then(|| &*callers.get_or_insert_with(|| fingerprint(holding.shared())));
        let version = Fingerprint::of_value(&json!([fingerprint(holding.own()), callers])).0;
        let main = holding.all(Collection::Services).next();
        let (external_ref, main) = match holding.current() {
            Some(current) => {
                let id = current.record.form.services().next().map(str::to_owned);
                let named = id.and_then(|id| holding.get(Collection::Services, &id));
                (current.record.external_ref, named)
            }
            // Not yet whole, or without its record: it is told by what there is.
            None => match main {
                Some(main) if holding.unrecorded().is_some() => {
                    (ExternalRef(main.id().to_owned()), Some(main))
                }
                _ => continue,
            },
        };
        if let Some(main) = main {
            entries.insert(external_ref, entry(main, version, What::Ours(owner.clone())));
        }
    }
    entries
}

/// What is held of each API with a mark, by its owner.
pub(super) fn holdings(snapshot: &Snapshot) -> BTreeMap<String, Holding> {
    let mut by_service: BTreeMap<&str, String> = BTreeMap::new();
    let mut holdings: BTreeMap<String, Holding> = BTreeMap::new();
    for service in &snapshot.services {
        if let Some(owner) = owner(service) {
            let holding = holdings.entry(owner.clone()).or_default();
            holding.extend(Collection::Services, [service.clone()]);
            by_service.insert(service.id(), owner);
        }
    }
    let mut by_route: BTreeMap<&str, &str> = BTreeMap::new();
    let mut put = |owner: &str, collection: Collection, entity: &Entity| {
        holdings
            .entry(owner.to_owned())
            .or_default()
            .extend(collection, [entity.clone()]);
    };
    for route in &snapshot.routes {
        if let Some(owner) = route.owner("service").and_then(|service| by_service.get(service)) {
            by_route.insert(route.id(), owner);
            put(owner, Collection::Routes, route);
        }
    }
    for plugin in &snapshot.plugins {
        let by_service = plugin
            .owner("service")
            .and_then(|service| by_service.get(service))
            .map(String::as_str);
        let by_route = plugin
            .owner("route")
            .and_then(|route| by_route.get(route).copied());
        if let Some(owner) = by_service.or(by_route) {
            put(owner, Collection::Plugins, plugin);
        }
    }
    with_callers(snapshot, &mut holdings);
    holdings
}

/// Those who may call are put in where groups are asked for. They are the same for all, and many times as many copies would
/// fill the memory.
fn with_callers(snapshot: &Snapshot, holdings: &mut BTreeMap<String, Holding>) {
    let has_groups = |holding: &&mut Holding| {
        holding
            .all(Collection::Plugins)
            .any(|plugin| plugin.name() == Some("acl"))
    };
    let callers = [
        (Collection::Consumers, &snapshot.consumers),
        (Collection::KeyAuths, &snapshot.key_auths),
        (Collection::BasicAuths, &snapshot.basic_auths),
        (Collection::Jwts, &snapshot.jwts),
        (Collection::Acls, &snapshot.acls),
    ];
    let callers = callers.into_iter().flat_map(|(collection, entities)| {
        let mine = entities.iter().filter(|entity| entity.has_tag(TAG));
        by_id(collection, mine.cloned())
    });
    let callers: Arc<Entities> = Arc::new(callers.collect());
    for holding in holdings.values_mut().filter(has_groups) {
        holding.share(&callers);
    }
}

/// Which API of which environment something is part of: several environments may have it on the same Kong.
pub(super) fn owner(entity: &Entity) -> Option<String> {
    let tag = |beginning: &str| entity.tags().find(|tag| tag.starts_with(beginning));
    let names = (tag("gatehouse-environment:")?, tag("gatehouse-api:")?);
    entity.has_tag(TAG).then(|| format!("{} {}", names.0, names.1))
}

fn fingerprint<'e>(entities: impl Iterator<Item = &'e Entity>) -> String {
    Fingerprint::of_value(&json!(entities.map(timeless).collect::<Vec<_>>())).0
}

/// Without the time of its last change: where there is no database, that is the time of the last load, for all.
fn timeless(entity: &Entity) -> Entity {
    let mut entity = entity.clone();
    entity.0.remove("updated_at");
    entity
}
