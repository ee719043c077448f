//! What the Admin API does to the configuration: insert, replace, change, remove, find.

mod credentials;
mod references;
mod unique;
mod write;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Map, Value};

pub(crate) use self::credentials::{hash, hex, prepare};
pub(crate) use self::write::Key;
use crate::collections::Collection;
use crate::configuration::{Configuration, Entity};
use crate::options::{Database, FakeKongOptions};
use crate::schema::{Registry, with_shorthands};

/// A configuration with the rules that Kong keeps over it.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) configuration: Configuration,
    pub(crate) registry: Registry,
    pub(crate) database: Database,
    /// When entities with a time to live end.
    deadlines: BTreeMap<String, Instant>,
}

impl Store {
    pub(crate) fn new(registry: Registry, options: &FakeKongOptions) -> Self {
        Self {
            configuration: Configuration::default(),
            registry,
            database: options.database,
            deadlines: BTreeMap::new(),
        }
    }

    /// The entity that a path names: by its id, or by the field that stands for the id.
    pub(crate) fn find(&self, collection: &Collection, key: &str) -> Option<&Entity> {
        if crate::schema::is_id(key) {
            return self.configuration.get(collection.name, key);
        }
        let field = collection.key.filter(|field| *field != "id")?;
        let mut all = self.configuration.all(collection.name);
        all.find(|(_, entity)| entity.get(field).and_then(Value::as_str) == Some(key))
            .map(|(_, entity)| entity)
    }

    /// As [`find`](Self::find), among the entities that refer to another by a field.
    pub(crate) fn find_within(
        &self,
        collection: &Collection,
        key: &str,
        within: (&str, &str),
    ) -> Option<&Entity> {
        let belongs = |entity: &Entity| reference(entity, within.0) == Some(within.1);
        let by_key =
            |entity: &Entity| collection.key.and_then(|field| entity.get(field)?.as_str()) == Some(key);
        if crate::schema::is_id(key) {
            return self
                .configuration
                .get(collection.name, key)
                .filter(|entity| belongs(entity));
        }
        let mut all = self.configuration.all(collection.name).map(|(_, entity)| entity);
        all.find(|entity| by_key(entity) && belongs(entity))
    }

    /// An entity as Kong shows it.
    pub(crate) fn shown(&self, collection: &str, entity: &Entity) -> Map<String, Value> {
        let mut shown = match self.registry.of(collection, entity) {
            Ok(schema) => with_shorthands(schema, entity),
            Err(_) => entity.clone(),
        };
        match collection {
            "keyauth_credentials" => self.show_time_to_live(&mut shown),
            "certificates" => self.show_snis(&mut shown),
            _ => {}
        }
        shown
    }

    /// How long a key has yet to live; without a database keys live for ever and do not speak of it.
    fn show_time_to_live(&self, shown: &mut Entity) {
        if self.database == Database::Off {
            shown.remove("ttl");
            return;
        }
        let left = id_of(shown).and_then(|id| self.deadlines.get(id)).map(|end| {
            let left = end.saturating_duration_since(Instant::now());
            left.as_secs()
        });
        shown.insert("ttl".to_owned(), left.map_or(Value::Null, Value::from));
    }

    fn show_snis(&self, shown: &mut Entity) {
        let id = id_of(shown).unwrap_or_default().to_owned();
        let all = self.configuration.all("snis").map(|(_, sni)| sni);
        let mine = all.filter(|sni| reference(sni, "certificate") == Some(&id));
        let mut names: Vec<Value> = mine.filter_map(|sni| sni.get("name").cloned()).collect();
        names.sort_by_key(ToString::to_string);
        shown.insert("snis".to_owned(), Value::Array(names));
    }

    /// Notes when a key ends; without a time it lives for ever.
    pub(crate) fn live_for(&mut self, id: &str, seconds: Option<u64>) {
        match seconds {
            Some(seconds) => self
                .deadlines
                .insert(id.to_owned(), Instant::now() + Duration::from_secs(seconds)),
            None => self.deadlines.remove(id),
        };
    }

    /// Takes away what has come to its end, and says whether there was any.
    pub(crate) fn expire(&mut self) -> bool {
        let now = Instant::now();
        let over: Vec<String> = self
            .deadlines
            .iter()
            .filter(|(_, end)| **end <= now)
            .map(|(id, _)| id.clone())
            .collect();
        for id in &over {
            self.deadlines.remove(id);
            self.configuration.remove("keyauth_credentials", id);
        }
        !over.is_empty()
    }
}

/// The id of an entity.
pub(crate) fn id_of(entity: &Entity) -> Option<&str> {
    entity.get("id").and_then(Value::as_str)
}

/// The id that a field of an entity refers to.
pub(crate) fn reference<'a>(entity: &'a Entity, field: &str) -> Option<&'a str> {
    entity.get(field)?.get("id")?.as_str()
}
