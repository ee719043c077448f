//! A schema with what it is composed of put together: `allOf` laid over each other, types in one spelling.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde_json::Value;

use crate::{canonical::canonical_json, openapi::references::resolve};

/// What a schema says, as far as it is compared.
#[derive(Debug, Default)]
pub(super) struct View<'a> {
    /// Its types; none means any.
    pub(super) types: Option<BTreeSet<String>>,
    /// The values it allows, as canonical texts; none means any.
    pub(super) values: Option<BTreeSet<String>>,
    pub(super) properties: BTreeMap<&'a str, &'a Value>,
    pub(super) required: BTreeSet<&'a str>,
    /// Whether properties beside the named ones are refused.
    pub(super) closed: bool,
    pub(super) items: Option<&'a Value>,
    /// The schema of properties beside the named ones.
    pub(super) others: Option<&'a Value>,
    /// Of which one or any must hold, by name.
    pub(super) alternatives: BTreeMap<String, &'a Value>,
    /// Everything else that restricts, by keyword.
    pub(super) limits: BTreeMap<&'a str, &'a Value>,
    /// What was laid over already: compositions in circles come to an end.
    laid: HashSet<*const Value>,
}

/// What says nothing to a program.
const DECORATION: [&str; 14] = [
    "title",
    "description",
    "example",
    "examples",
    "externalDocs",
    "default",
    "deprecated",
    "xml",
    "$comment",
    "$id",
    "$schema",
    "$defs",
    "definitions",
    "discriminator",
];

/// Compositions nested deeper than this say nothing any more.
const DEPTH_MAX: usize = 32;

impl<'a> View<'a> {
    pub(super) fn of(document: &'a Value, schema: &'a Value) -> Self {
        let mut view = Self::default();
        view.lay(document, schema, DEPTH_MAX);
        view.infer_types();
        view
    }

    fn lay(&mut self, document: &'a Value, schema: &'a Value, depth: usize) {
        let Some(depth) = depth.checked_sub(1) else {
            return;
        };
        if !self.laid.insert(std::ptr::from_ref(schema)) {
            return;
        }
        if schema.get("$ref").is_some()
            && let Some(target) = resolve(document, schema)
        {
            self.lay(document, target, depth);
        }
        for (keyword, value) in schema.as_object().into_iter().flatten() {
            self.keyword(document, keyword, value, depth);
        }
    }

    fn keyword(&mut self, document: &'a Value, keyword: &'a str, value: &'a Value, depth: usize) {
        match (keyword, value) {
            ("$ref" | "readOnly" | "writeOnly" | "in" | "name", _) => {}
            // `required: true` of a Swagger 2.0 parameter is not the schema's.
            ("required", Value::Array(names)) => self.required.extend(names.iter().filter_map(Value::as_str)),
            ("required", _) => {}
            ("type", Value::String(name)) => self.types = Some([name.clone()].into()),
            ("type", Value::Array(names)) => {
                self.types = Some(
                    names
                        .iter()
                        .filter_map(Value::as_str)
                        .map(str::to_owned)
                        .collect(),
                );
            }
            ("nullable", Value::Bool(true)) => {
                self.limits.insert("nullable", value);
            }
            ("nullable", _) => {}
            ("enum", Value::Array(values)) => self.values = Some(values.iter().map(canonical_json).collect()),
            ("const", value) => self.values = Some([canonical_json(value)].into()),
            ("properties", Value::Object(fields)) => {
                self.properties
                    .extend(fields.iter().map(|(name, schema)| (name.as_str(), schema)));
            }
            ("items", value) => self.items = Some(value),
            ("additionalProperties", Value::Bool(open)) => self.closed |= !open,
            ("additionalProperties", value) => self.others = Some(value),
            ("allOf", Value::Array(parts)) => {
                for part in parts {
                    self.lay(document, part, depth);
                }
            }
            ("oneOf" | "anyOf", Value::Array(parts)) => {
                for part in parts {
                    let name = self.name_for(part);
                    self.alternatives.insert(name, part);
                }
            }
            (keyword, _) if DECORATION.contains(&keyword) || keyword.starts_with("x-") => {}
            (keyword, value) => {
                self.limits.insert(keyword, value);
            }
        }
    }

    /// What an alternative is called: what it refers to, its title or its type; with a number if another one is
    /// called so.
    fn name_for(&self, part: &Value) -> String {
        let text = |field: &str| part.get(field).and_then(Value::as_str);
        let reference = text("$ref").and_then(|reference| reference.rsplit('/').next());
        let name = reference
            .or_else(|| text("title"))
            .or_else(|| text("type"))
            .unwrap_or("value");
        let count = self
            .alternatives
            .keys()
            .filter(|other| other.split(' ').next() == Some(name))
            .count();
        match count {
            0 => name.to_owned(),
            count => format!("{name} {}", count + 1),
        }
    }

    /// The type that documents leave out where it goes without saying; `nullable` is the type `null`.
    fn infer_types(&mut self) {
        let inferred = match (self.properties.is_empty(), self.items) {
            (false, _) => Some("object"),
            (true, Some(_)) => Some("array"),
            (true, None) => None,
        };
        if self.types.is_none() {
            self.types = inferred.map(|name| [name.to_owned()].into());
        }
        if self.limits.remove("nullable").is_some()
            && let Some(types) = &mut self.types
        {
            types.insert("null".to_owned());
        }
    }
}
