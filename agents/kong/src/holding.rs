//! What a Kong holds of one API of ours.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde_json::{Map, Value};

use crate::{
    entities::{Collection, Entity},
    record::{Record, is_record},
    translate::{HIDDEN, Part},
};

/// The tag of a service that is not yet whole.
pub(crate) const STAGED: &str = "gatehouse-staged";

/// The services that carry the marks of an API, with everything below them, and the consumers of its environment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Holding {
    entities: Entities,
    /// What other APIs hold, too: of many APIs, each has all who may call.
    shared: Arc<Entities>,
}

/// Entities by what they are.
pub(crate) type Entities = BTreeMap<(Collection, String), Entity>;

/// Services, routes and plugins that were made together.
#[derive(Debug, Clone)]
pub(crate) struct Generation {
    pub(crate) record: Record,
    pub(crate) is_intact: bool,
}

impl Holding {
    /// Puts entities in, in place of what is there under their identities.
    pub(crate) fn extend(&mut self, collection: Collection, entities: impl IntoIterator<Item = Entity>) {
        self.entities.extend(by_id(collection, entities));
    }

    /// Puts in what other holdings have, too.
    pub(crate) fn share(&mut self, shared: &Arc<Entities>) {
        self.shared = shared.clone();
    }

    pub(crate) fn get(&self, collection: Collection, id: &str) -> Option<&Entity> {
        let key = (collection, id.to_owned());
        self.entities.get(&key).or_else(|| self.shared.get(&key))
    }

    pub(crate) fn all(&self, collection: Collection) -> impl Iterator<Item = &Entity> {
        let all = self.entities.iter().chain(self.shared.iter());
        let of = all.filter(move |((other, _), _)| *other == collection);
        of.map(|(_, entity)| entity)
    }

    /// Everything that is its own.
    pub(crate) fn own(&self) -> impl Iterator<Item = &Entity> {
        self.entities.values()
    }

    /// What other holdings have, too.
    pub(crate) fn shared(&self) -> impl ExactSizeIterator<Item = &Entity> {
        self.shared.values()
    }

    /// What belongs to a service: its plugins, its routes, and theirs.
    pub(crate) fn below_service(&self, service: &str) -> Vec<(Collection, &Entity)> {
        let routes = self
            .all(Collection::Routes)
            .filter(|route| route.owner("service") == Some(service));
        let routes: Vec<&Entity> = routes.collect();
        let ids: BTreeSet<&str> = routes.iter().map(|route| route.id()).collect();
        let plugins = self.all(Collection::Plugins).filter(|plugin| {
            plugin.owner("service") == Some(service)
                || plugin.owner("route").is_some_and(|route| ids.contains(route))
        });
        let plugins = plugins.map(|plugin| (Collection::Plugins, plugin));
        routes
            .iter()
            .map(|route| (Collection::Routes, *route))
            .chain(plugins)
            .collect()
    }

    /// Every generation that has a record, whole or not.
    fn recorded(&self) -> impl Iterator<Item = Record> {
        self.all(Collection::Plugins)
            .filter(|plugin| is_record(plugin))
            .filter_map(Record::of)
    }

    /// The generation that the API is now: the newest one that was ever switched on.
    pub(crate) fn current(&self) -> Option<Generation> {
        let was_on = |record: &Record| {
            let main = record
                .form
                .services()
                .next()
                .and_then(|id| self.get(Collection::Services, id));
            main.is_some_and(|main| !main.has_tag(STAGED))
        };
        let record = self
            .recorded()
            .filter(was_on)
            .max_by_key(|record| record.number)?;
        let is_intact = self.is_intact(&record);
        Some(Generation { record, is_intact })
    }

    /// A service of ours that was switched on and whose record is gone or broken.
    pub(crate) fn unrecorded(&self) -> Option<&Entity> {
        let known: BTreeSet<String> = self
            .recorded()
            .flat_map(|record| record.form.services().map(str::to_owned).collect::<Vec<_>>())
            .collect();
        let mut services = self.all(Collection::Services);
        services.find(|service| !service.has_tag(STAGED) && !known.contains(service.id()))
    }

    /// Whether everything that was made is there as it was made, and nothing beside it.
    fn is_intact(&self, record: &Record) -> bool {
        let form = &record.form;
        let made: BTreeSet<&str> = form.parts.iter().map(|part| part.id.as_str()).collect();
        let is_added = |entity: &Entity| !made.contains(entity.id()) && !is_record(entity);
        let mut below = form.services().flat_map(|service| self.below_service(service));
        form.parts.iter().all(|part| self.holds(part)) && !below.any(|(_, entity)| is_added(entity))
    }

    /// Whether a part is there as it was made. What was not sent is Kong's own business.
    pub(crate) fn holds(&self, part: &Part) -> bool {
        let Some(entity) = self.get(part.collection, &part.id) else {
            return false;
        };
        let is_on = part.fields.contains_key("enabled") || entity.is_enabled();
        is_on && contains(&entity.0, &part.fields)
    }
}

/// Entities of a collection by what they are.
pub(crate) fn by_id(
    collection: Collection,
    entities: impl IntoIterator<Item = Entity>,
) -> impl Iterator<Item = ((Collection, String), Entity)> {
    let entities = entities.into_iter();
    entities.map(move |entity| ((collection, entity.id().to_owned()), entity))
}

/// Whether an object has these fields with these values: lists of texts are sets, and stand-ins of secrets are whatever
/// is there.
pub(crate) fn contains(held: &Map<String, Value>, sent: &Map<String, Value>) -> bool {
    sent.iter()
        .all(|(name, sent)| is_same(held.get(name).unwrap_or(&Value::Null), sent))
}

fn is_same(held: &Value, sent: &Value) -> bool {
    match (held, sent) {
        (_, Value::String(text)) if text.starts_with(HIDDEN) => true,
        (Value::Object(held), Value::Object(sent)) => contains(held, sent),
        (Value::Array(held), Value::Array(sent)) => is_same_list(held, sent),
        (Value::Number(held), Value::Number(sent)) => held.as_f64() == sent.as_f64(),
        // Kong says null where it holds nothing.
        (Value::Null, Value::Array(sent)) => sent.is_empty(),
        (held, sent) => held == sent,
    }
}

fn is_same_list(held: &[Value], sent: &[Value]) -> bool {
    let texts = |list: &[Value]| -> Option<BTreeSet<String>> {
        list.iter()
            .map(|value| value.as_str().map(str::to_owned))
            .collect()
    };
    match (texts(held), texts(sent)) {
        (_, Some(sent)) if sent.iter().any(|text| text.starts_with(HIDDEN)) => held.len() == sent.len(),
        (Some(held), Some(sent)) => held == sent,
        _ => held.len() == sent.len() && held.iter().zip(sent).all(|(held, sent)| is_same(held, sent)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_was_sent_is_compared() {
        let table = [
            (json!({"a": 1, "later": true}), json!({"a": 1}), true),
            (json!({"a": 1.0}), json!({"a": 1}), true),
            (
                json!({"methods": ["PUT", "GET"]}),
                json!({"methods": ["GET", "PUT"]}),
                true,
            ),
            (
                json!({"methods": ["PUT"]}),
                json!({"methods": ["GET", "PUT"]}),
                false,
            ),
            (
                json!({"config": {"key_names": ["k"], "realm": null}}),
                json!({"config": {"key_names": ["k"]}}),
                true,
            ),
            (
                json!({"config": {"key_names": ["other"]}}),
                json!({"config": {"key_names": ["k"]}}),
                false,
            ),
            (json!({"key": "k-123"}), json!({"key": "{secret shop-key}"}), true),
            (json!({}), json!({"path": null}), true),
            (json!({"tags": null}), json!({"tags": ["a"]}), false),
        ];
        for (held, sent, expected) in table {
            let (held, sent) = (Entity::of(held).0, Entity::of(sent).0);
            assert_eq!(contains(&held, &sent), expected, "{held:?} {sent:?}");
        }
    }
}
