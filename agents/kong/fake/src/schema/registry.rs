//! All schemas of one Kong: of its version, its router flavour and the plugins that it has.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::checks::Check;
use super::custom::{EntityRule, attach};
use super::model::{Field, Kind, Schema};
use super::parse;
use crate::data;
use crate::options::{FakeKongOptions, RouterFlavor};
use crate::versions;

/// The schemas that a Kong has.
#[derive(Debug)]
pub(crate) struct Registry {
    entities: BTreeMap<String, Schema>,
    plugins: BTreeMap<String, Schema>,
    documents: BTreeMap<String, Value>,
}

/// Why an entity has no schema, in Kong's words: the field that tells, and what is wrong with it.
#[derive(Debug)]
pub(crate) struct UnknownSchema(pub(crate) Map<String, Value>);

impl Registry {
    /// Reads the schemas of the entities and of the enabled plugins.
    pub(crate) fn load(folder: &Path, options: &FakeKongOptions) -> io::Result<Self> {
        let mut registry = Self {
            entities: BTreeMap::new(),
            plugins: BTreeMap::new(),
            documents: BTreeMap::new(),
        };
        for (name, document) in data::schemas(folder, "entity")? {
            registry.add_entity(name, document, options);
        }
        for (name, mut document) in data::schemas(folder, "plugin")? {
            if options.plugins.is_enabled(&name) {
                versions::reduce_plugin(&options.version, &name, &mut document);
                registry.add_plugin(name, document);
            }
        }
        if !versions::is_before(&options.version, "3.9") && options.router_flavor != RouterFlavor::Expressions
        {
            let known = recorded_documents(folder)?
                .into_iter()
                .filter(|(name, _)| registry.documents.contains_key(name));
            let known: Vec<(String, Value)> = known.collect();
            registry.documents.extend(known);
        }
        Ok(registry)
    }

    fn add_entity(&mut self, name: String, mut document: Value, options: &FakeKongOptions) {
        if name == "routes" && options.router_flavor == RouterFlavor::Expressions {
            add_expressions(&mut document);
        }
        let mut schema = parse::schema(&document);
        attach(&name, &mut schema);
        if name == "keyauth_credentials" {
            schema.fields.push(("ttl".to_owned(), time_to_live()));
        }
        if name == "routes" && options.router_flavor == RouterFlavor::Expressions {
            schema.checks.retain(|check| !matches!(check, Check::Rule(_)));
            schema.checks.push(Check::Rule(EntityRule::ExpressionOrWords));
        }
        self.documents.insert(name.clone(), as_first_shown(document));
        self.entities.insert(name, schema);
    }

    fn add_plugin(&mut self, name: String, document: Value) {
        let own = parse::schema(&document);
        let mut schema = self.entities.get("plugins").cloned().unwrap_or_default();
        for (field_name, field) in own.fields {
            if let Some(known) = schema.field_mut(&field_name) {
                *known = field;
            }
        }
        schema.checks.extend(own.checks);
        attach(&name, &mut schema);
        self.documents
            .insert(format!("plugins/{name}"), as_first_shown(document));
        self.plugins.insert(name, schema);
    }

    /// The schema of a collection, whatever the entity is.
    pub(crate) fn collection(&self, collection: &str) -> Option<&Schema> {
        self.entities.get(collection)
    }

    /// The schema of one entity: for a plugin, that of its name.
    pub(crate) fn of(&self, collection: &str, entity: &Map<String, Value>) -> Result<&Schema, UnknownSchema> {
        if collection == "plugins" {
            return self.plugin(entity.get("name"));
        }
        let unknown = || {
            UnknownSchema(Map::from_iter([(
                "collection".to_owned(),
                Value::from(collection),
            )]))
        };
        self.entities.get(collection).ok_or_else(unknown)
    }

    fn plugin(&self, name: Option<&Value>) -> Result<&Schema, UnknownSchema> {
        let said = |said: String| UnknownSchema(Map::from_iter([("name".to_owned(), Value::String(said))]));
        let name = match name {
            None | Some(Value::Null) => return Err(said("required field missing".to_owned())),
            Some(Value::String(name)) => name,
            Some(_) => return Err(said("expected a string".to_owned())),
        };
        let remedy = "add it to the 'plugins' configuration property";
        self.plugins
            .get(name)
            .ok_or_else(|| said(format!("plugin '{name}' not enabled; {remedy}")))
    }

    /// What Kong answers for `/schemas/{name}`; plugins are at `plugins/{name}`.
    pub(crate) fn document(&self, name: &str) -> Option<&Value> {
        self.documents.get(name)
    }

    /// The collections whose entities refer to this one: collection, field, whether they go with it.
    pub(crate) fn referring_to(&self, collection: &str) -> Vec<(&str, &str, bool)> {
        let mut found = Vec::new();
        for (name, schema) in &self.entities {
            for (field_name, field) in &schema.fields {
                if let Kind::Foreign {
                    collection: target,
                    cascade,
                } = &field.kind
                    && target == collection
                {
                    let with_it = *cascade || (name == "snis" && collection == "certificates");
                    found.push((name.as_str(), field_name.as_str(), with_it));
                }
            }
        }
        found
    }
}

/// Keys may live for a time only; the schema that Kong shows does not say so.
fn time_to_live() -> Field {
    parse::field(&json!({ "type": "integer", "between": [0, 100_000_000] }))
}

/// The schemas that the recording of a node shows, as it shows them.
fn recorded_documents(folder: &Path) -> io::Result<Vec<(String, Value)>> {
    let recording = data::read(folder, "transcripts/00-root-and-info.json")?;
    let exchanges = recording["exchanges"].as_array().into_iter().flatten();
    let named = exchanges.filter_map(|one| {
        let name = one["request"]["path"].as_str()?.strip_prefix("/schemas/")?;
        Some((name.to_owned(), one["response"]["json"].clone()))
    });
    Ok(named.collect())
}

/// Kong notes some rules in its schemas only when it first uses them; until then it does not show them.
fn as_first_shown(mut document: Value) -> Value {
    strip(&mut document, "");
    document
}

fn strip(value: &mut Value, place: &str) {
    match value {
        Value::Array(list) => list.iter_mut().for_each(|one| strip(one, "")),
        Value::Object(map) => {
            if map.get("len_min") == Some(&json!(1)) && map.get("type").is_none_or(|kind| kind == "string") {
                map.remove("len_min");
            }
            let tag = map.get("description") == Some(&json!("A string representing a tag."));
            if matches!(place, "elements" | "keys" | "values") && !tag {
                map.remove("required");
            }
            map.iter_mut().for_each(|(name, inner)| strip(inner, name));
        }
        _ => {}
    }
}

/// The fields that routes have with the flavour `expressions`.
fn add_expressions(document: &mut Value) {
    let fields = [
        json!({"expression": {"type": "string", "description": "Use Router Expression to perform route match."}}),
        json!({"priority": {"type": "integer", "between": [0, 70_368_744_177_663_u64], "required": true, "default": 0,
            "description": "A number used to specify the matching order for expression routes."}}),
    ];
    if let Some(known) = document["fields"].as_array_mut() {
        known.extend(fields);
    }
}
