//! The writes: each checks first, then does all of it or nothing.

use serde_json::{Map, Value};

use super::{Store, credentials, id_of};
use crate::collections::Collection;
use crate::configuration::Entity;
use crate::errors::AdminError;
use crate::options::Database;
use crate::schema::{Kind, Purpose, Schema, Scrutiny, UnknownSchema, complete, is_id, validate};

/// What a path names an entity by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Key {
    /// By its id.
    Id(String),
    /// By the field that stands for the id.
    Field(&'static str, String),
}

impl Key {
    /// How a text in a path names an entity of a collection.
    pub(crate) fn of(collection: &'static Collection, text: &str) -> Option<Self> {
        if is_id(text) {
            return Some(Self::Id(text.to_ascii_lowercase()));
        }
        let field = collection.key.filter(|field| *field != "id")?;
        Some(Self::Field(field, text.to_owned()))
    }

    fn field(&self) -> &'static str {
        match self {
            Self::Id(_) => "id",
            Self::Field(field, _) => field,
        }
    }

    fn text(&self) -> &str {
        match self {
            Self::Id(text) | Self::Field(_, text) => text,
        }
    }

    /// Kong's refusal when there is no such entity.
    pub(crate) fn missing(&self) -> AdminError {
        AdminError::NoSuchEntity(Map::from_iter([(
            self.field().to_owned(),
            Value::from(self.text()),
        )]))
    }
}

impl Store {
    /// Stores a new entity.
    pub(crate) fn insert(
        &mut self,
        collection: &'static Collection,
        sent: Entity,
    ) -> Result<Entity, AdminError> {
        let entity = self.checked(collection, sent)?;
        if self.database == Database::Off {
            let said = format!(
                "cannot create '{}' entities when not using a database",
                collection.name
            );
            return Err(AdminError::Unsupported(said));
        }
        let id = id_of(&entity).unwrap_or_default().to_owned();
        if self.configuration.get(collection.name, &id).is_some() {
            return Err(AdminError::PrimaryKey(id));
        }
        self.keep(collection, entity)
    }

    /// Stores an entity in place of the one of that key, or as a new one.
    pub(crate) fn upsert(
        &mut self,
        collection: &'static Collection,
        key: &Key,
        mut sent: Entity,
    ) -> Result<Entity, AdminError> {
        sent.insert(key.field().to_owned(), Value::from(key.text()));
        if collection.name == "key_sets"
            && matches!(key, Key::Field(..))
            && self.database == Database::Postgres
        {
            return Err(AdminError::unexpected());
        }
        let mut entity = self.checked(collection, sent)?;
        if self.database == Database::Off {
            return Err(AdminError::Unsupported(refused_upsert(collection, key)));
        }
        if let Some(stored) = self.find(collection, key.text()) {
            for name in ["id", "created_at"] {
                entity.extend(stored.get(name).map(|value| (name.to_owned(), value.clone())));
            }
        }
        self.keep(collection, entity)
    }

    /// Lays what was sent over a stored entity.
    pub(crate) fn update(
        &mut self,
        collection: &'static Collection,
        key: &Key,
        mut sent: Entity,
    ) -> Result<Entity, AdminError> {
        let stored = self
            .find(collection, key.text())
            .cloned()
            .ok_or_else(|| key.missing())?;
        self.resolve(collection.name, &mut sent)?;
        let named: Entity = stored.clone().into_iter().chain(sent.clone()).collect();
        let schema = self
            .registry
            .of(collection.name, &named)
            .map_err(|UnknownSchema(said)| AdminError::Schema(said))?;
        credentials::prepare(collection.name, &mut sent);
        complete(schema, &mut sent, Purpose::Update);
        let same_deadline = !sent.contains_key("ttl");
        let mut entity = merged(schema, stored.clone(), sent);
        let errors = validate(schema, &entity, Scrutiny::Update);
        if !errors.is_empty() {
            return Err(AdminError::Schema(errors));
        }
        if self.database == Database::Off {
            let said = format!(
                "cannot update '{}' entities when not using a database",
                collection.name
            );
            return Err(AdminError::Unsupported(said));
        }
        if same_deadline {
            entity.remove("ttl");
        }
        credentials::hash(collection.name, &mut entity, Some(&stored));
        self.keep(collection, entity)
    }

    /// What was sent, complete and right.
    pub(crate) fn checked(
        &self,
        collection: &'static Collection,
        mut sent: Entity,
    ) -> Result<Entity, AdminError> {
        self.resolve(collection.name, &mut sent)?;
        let schema = self
            .registry
            .of(collection.name, &sent)
            .map_err(|UnknownSchema(said)| AdminError::Schema(said))?;
        credentials::prepare(collection.name, &mut sent);
        complete(schema, &mut sent, Purpose::Insert);
        let errors = validate(schema, &sent, Scrutiny::Whole);
        if !errors.is_empty() {
            return Err(AdminError::Schema(errors));
        }
        credentials::hash(collection.name, &mut sent, None);
        Ok(sent)
    }

    fn keep(&mut self, collection: &'static Collection, mut entity: Entity) -> Result<Entity, AdminError> {
        let id = id_of(&entity).unwrap_or_default().to_owned();
        let snis = (collection.name == "certificates")
            .then(|| entity.remove("snis"))
            .flatten();
        self.refuse_taken_snis(snis.as_ref(), &id)?;
        self.refuse_repetition(collection, &entity)?;
        self.refuse_dangling(collection.name, &entity)?;
        if let Some(time_to_live) = entity.get("ttl") {
            self.live_for(&id, time_to_live.as_u64());
        }
        self.configuration.put(collection.name, &id, entity.clone());
        self.put_snis(snis.as_ref(), &id);
        Ok(entity)
    }

    fn refuse_taken_snis(&self, snis: Option<&Value>, certificate: &str) -> Result<(), AdminError> {
        let names = snis
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str);
        for name in names {
            let mut all = self.configuration.all("snis").map(|(_, sni)| sni);
            let taken = all.find(|sni| sni.get("name").and_then(Value::as_str) == Some(name));
            let owner = taken
                .and_then(|sni| super::reference(sni, "certificate"))
                .filter(|id| *id != certificate);
            if let Some(owner) = owner {
                let said = format!("{name} already associated with existing certificate '{owner}'");
                return Err(AdminError::Schema(Map::from_iter([(
                    "snis".to_owned(),
                    Value::from(said),
                )])));
            }
        }
        Ok(())
    }

    /// Certificates may be sent with their names, which are entities of their own.
    fn put_snis(&mut self, snis: Option<&Value>, certificate: &str) {
        let Some(names) = snis.and_then(Value::as_array) else {
            return;
        };
        let all = self.configuration.all("snis");
        let before: Vec<String> = all
            .filter(|(_, sni)| super::reference(sni, "certificate") == Some(certificate))
            .map(|(id, _)| id.to_owned())
            .collect();
        for id in before {
            self.configuration.remove("snis", &id);
        }
        for name in names {
            let mut sni = Map::from_iter([
                ("name".to_owned(), name.clone()),
                ("certificate".to_owned(), serde_json::json!({ "id": certificate })),
            ]);
            if let Some(schema) = self.registry.collection("snis") {
                complete(schema, &mut sni, Purpose::Insert);
            }
            let id = id_of(&sni).unwrap_or_default().to_owned();
            self.configuration.put("snis", &id, sni);
        }
    }
}

fn refused_upsert(collection: &Collection, key: &Key) -> String {
    let by = match key {
        Key::Id(_) => String::new(),
        Key::Field(field, _) => format!(" by '{field}'"),
    };
    format!(
        "cannot create or update '{}' entities{by} when not using a database",
        collection.name
    )
}

/// Records are merged, everything else is replaced.
fn merged(schema: &Schema, mut below: Entity, above: Entity) -> Entity {
    for (name, value) in above {
        let kind = schema.field(&name).map(|field| &field.kind);
        let value = match (kind, below.remove(&name), value) {
            (Some(Kind::Record(inner)), Some(Value::Object(below)), Value::Object(above)) => {
                Value::Object(merged(inner, below, above))
            }
            (_, _, value) => value,
        };
        below.insert(name, value);
    }
    below
}
