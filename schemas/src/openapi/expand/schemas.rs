//! Schemas of three languages, in one: JSON Schema 2020-12, with only the words that can refuse a value.
//!
//! What schemas refer to is taken along once, under a name; circles stay circles.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::{ISSUES_MAX, nowhere};
use crate::{issue::Issue, openapi::references, pointer, revision::DefinitionFormat};

/// The deepest schema inside schemas.
const DEPTH_MAX: usize = 64;

/// The most schemas taken out of one document.
const SCHEMAS_MAX: usize = 200_000;

/// How far parts of schemas are followed to find what is read-only.
const LOOK_MAX: usize = 8;

/// How many schemas are looked at for that in one document: those that are made of one another in many ways never end.
const LOOKS_MAX: usize = 2_000_000;

/// The types of JSON Schema.
const TYPES: [&str; 7] = [
    "array", "boolean", "integer", "null", "number", "object", "string",
];

/// Schemas on their way out of a document.
pub(super) struct Schemas<'a> {
    document: &'a Value,
    format: DefinitionFormat,
    /// What was referred to, by where it is.
    names: BTreeMap<String, String>,
    taken: BTreeSet<String>,
    /// How many names begin alike, to find the next one soon.
    alike: BTreeMap<String, usize>,
    /// Referred to, and not yet read.
    waiting: Vec<(String, String)>,
    read: BTreeMap<String, Value>,
    count: usize,
    looks: usize,
    pub(super) issues: Vec<Issue>,
}

impl<'a> Schemas<'a> {
    pub(super) fn new(document: &'a Value, format: DefinitionFormat) -> Self {
        Self {
            document,
            format,
            names: BTreeMap::new(),
            taken: BTreeSet::new(),
            alike: BTreeMap::new(),
            waiting: Vec::new(),
            read: BTreeMap::new(),
            count: 0,
            looks: 0,
            issues: Vec::new(),
        }
    }

    pub(super) fn issue(&mut self, at: &str, detail: impl Into<String>) {
        if self.issues.len() < ISSUES_MAX {
            self.issues.push(Issue::new(at, detail.into()));
        }
    }

    /// Reads what was referred to; all of it by name.
    pub(super) fn settle(&mut self) -> BTreeMap<String, Value> {
        while let Some((at, name)) = self.waiting.pop() {
            let document = self.document;
            let Some(schema) = document.pointer(&at) else {
                continue;
            };
            let converted = self.convert(schema, &at);
            self.read.insert(name, converted);
        }
        if self.looks > LOOKS_MAX {
            self.issue(
                "",
                "its schemas are made of one another in too many ways (`allOf`, `$ref`)",
            );
        }
        std::mem::take(&mut self.read)
    }

    /// A schema in the one dialect.
    pub(super) fn convert(&mut self, schema: &Value, at: &str) -> Value {
        self.part(schema, at, 0, &BTreeSet::new())
    }

    /// `read_only` are the properties that the schemas around this one say to be read-only.
    fn part(&mut self, schema: &Value, at: &str, depth: usize, read_only: &BTreeSet<String>) -> Value {
        self.count += 1;
        if depth > DEPTH_MAX || self.count > SCHEMAS_MAX || self.looks > LOOKS_MAX {
            self.issue(
                at,
                "the schema is too large or too deep to be taken into a revision",
            );
            return Value::Bool(true);
        }
        let fields = match schema {
            Value::Object(fields) => fields,
            Value::Bool(_) => return schema.clone(),
            _ => {
                self.issue(at, "expected a schema");
                return Value::Bool(true);
            }
        };
        let mut converted = Map::new();
        if let Some(reference) = fields.get("$ref").and_then(Value::as_str) {
            converted.extend(self.refer(reference, at));
            if self.format != DefinitionFormat::OpenApi31 {
                // What stands beside a reference counts only since 3.1.
                return Value::Object(converted);
            }
        }
        let mut read_only = read_only.clone();
        self.find_read_only(fields, LOOK_MAX, &mut read_only);
        for (word, value) in fields {
            let place = pointer::join(at, word);
            if let Some(value) = self.word(word, value, &place, depth, &read_only) {
                converted.insert(word.clone(), value);
            }
        }
        self.limits_of_old(fields, &mut converted);
        match self.format != DefinitionFormat::OpenApi31 && super::is_true(schema, "nullable") {
            true => nullable(converted),
            false => Value::Object(converted),
        }
    }

    /// One word of a schema; none if it refuses nothing.
    fn word(
        &mut self,
        word: &str,
        value: &Value,
        at: &str,
        depth: usize,
        read_only: &BTreeSet<String>,
    ) -> Option<Value> {
        let none = BTreeSet::new();
        match word {
            "type" => self.type_of(value, at),
            "enum" => self.expected(value.is_array(), value, at, "a list"),
            "const" => Some(value.clone()),
            "multipleOf" | "maximum" | "minimum" => self.expected(value.is_number(), value, at, "a number"),
            // The older languages say with truth values whether the limit itself is left out.
            "exclusiveMaximum" | "exclusiveMinimum" if value.is_boolean() => None,
            "exclusiveMaximum" | "exclusiveMinimum" => {
                self.expected(value.is_number(), value, at, "a number")
            }
            "maxLength" | "minLength" | "maxItems" | "minItems" | "maxProperties" | "minProperties"
            | "maxContains" | "minContains" => {
                self.expected(value.is_u64(), value, at, "a whole number from 0")
            }
            "pattern" => self.expected(value.is_string(), value, at, "a regular expression"),
            "uniqueItems" => self.expected(value.is_boolean(), value, at, "`true` or `false`"),
            "required" => required(value, read_only),
            "properties" => self.properties(value, at, depth),
            "patternProperties" | "dependentSchemas" => self.by_name(value, at, depth),
            "dependentRequired" => self.expected(value.is_object(), value, at, "an object"),
            "items" if value.is_array() => None,
            "allOf" => self.list(value, at, depth, read_only),
            "anyOf" | "oneOf" | "prefixItems" => self.list(value, at, depth, &none),
            "items"
            | "additionalProperties"
            | "unevaluatedProperties"
            | "unevaluatedItems"
            | "contains"
            | "propertyNames"
            | "not"
            | "if"
            | "then"
            | "else" => Some(self.part(value, at, depth + 1, &none)),
            "$dynamicRef" | "$recursiveRef" => {
                self.issue(
                    at,
                    "references that depend on where they are read from are not followed; use `$ref`",
                );
                None
            }
            _ => None,
        }
    }

    fn expected(&mut self, holds: bool, value: &Value, at: &str, what: &str) -> Option<Value> {
        if !holds {
            self.issue(at, format!("expected {what}"));
            return None;
        }
        Some(value.clone())
    }

    fn type_of(&mut self, value: &Value, at: &str) -> Option<Value> {
        let names: Vec<&str> = match value {
            Value::String(name) => vec![name],
            Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        // Swagger 2.0's files are bytes, which nothing is said of.
        if names == ["file"] && self.format == DefinitionFormat::Swagger20 {
            return None;
        }
        if names.is_empty() || names.iter().any(|name| !TYPES.contains(name)) {
            self.issue(at, format!("expected a type: one of {}", TYPES.join(", ")));
            return None;
        }
        Some(value.clone())
    }

    /// What the caller must not set is refused: an upstream that took it over would let callers set anything.
    fn properties(&mut self, value: &Value, at: &str, depth: usize) -> Option<Value> {
        let Some(properties) = value.as_object() else {
            self.issue(at, "expected an object with one schema for each property");
            return None;
        };
        let mut converted = Map::new();
        for (name, schema) in properties {
            let schema = match self.is_read_only(schema, LOOK_MAX) {
                true => Value::Bool(false),
                false => self.part(schema, &pointer::join(at, name), depth + 1, &BTreeSet::new()),
            };
            converted.insert(name.clone(), schema);
        }
        Some(Value::Object(converted))
    }

    fn by_name(&mut self, value: &Value, at: &str, depth: usize) -> Option<Value> {
        let Some(schemas) = value.as_object() else {
            self.issue(at, "expected an object with schemas");
            return None;
        };
        let converted = schemas.iter().map(|(name, schema)| {
            let place = pointer::join(at, name);
            (
                name.clone(),
                self.part(schema, &place, depth + 1, &BTreeSet::new()),
            )
        });
        let converted: Map<String, Value> = converted.collect();
        Some(Value::Object(converted))
    }

    fn list(&mut self, value: &Value, at: &str, depth: usize, read_only: &BTreeSet<String>) -> Option<Value> {
        let Some(schemas) = value.as_array().filter(|schemas| !schemas.is_empty()) else {
            self.issue(at, "expected a list of schemas");
            return None;
        };
        let converted = schemas
            .iter()
            .enumerate()
            .map(|(index, schema)| self.part(schema, &format!("{at}/{index}"), depth + 1, read_only));
        let converted: Vec<Value> = converted.collect();
        Some(Value::Array(converted))
    }

    /// A reference to what is taken along.
    fn refer(&mut self, reference: &str, at: &str) -> Option<(String, Value)> {
        let here = json!({ "$ref": reference });
        let Some(target) = references::target(self.document, reference) else {
            self.issue(at, nowhere(reference));
            return None;
        };
        // Through a chain of references, which must end somewhere.
        if references::resolve(self.document, &here).is_none() {
            self.issue(at, nowhere(reference));
            return None;
        }
        if !target.is_object() && !target.is_boolean() {
            self.issue(at, format!("`{reference}` is no schema"));
            return None;
        }
        let name = self.name(reference);
        Some(("$ref".to_owned(), Value::String(format!("#/$defs/{name}"))))
    }

    /// The name under which something is taken along: the last step of where it is, as far as that is free.
    fn name(&mut self, reference: &str) -> String {
        let at = references::pointer(self.document, reference);
        if let Some(name) = self.names.get(&at) {
            return name.clone();
        }
        let last = at.rsplit('/').next().unwrap_or_default();
        let plain = |character: char| match character.is_ascii_alphanumeric() || "._-".contains(character) {
            true => character,
            false => '_',
        };
        let stem: String = last.chars().map(plain).collect();
        let mut name = stem.clone();
        while !self.taken.insert(name.clone()) {
            let number = self.alike.entry(stem.clone()).or_insert(1);
            *number += 1;
            name = format!("{stem}_{number}");
        }
        self.names.insert(at.clone(), name.clone());
        self.waiting.push((at, name.clone()));
        name
    }

    /// `exclusiveMaximum: true` and its like, and lists with a schema for each item.
    fn limits_of_old(&self, fields: &Map<String, Value>, converted: &mut Map<String, Value>) {
        for (limit, exclusive) in [("maximum", "exclusiveMaximum"), ("minimum", "exclusiveMinimum")] {
            if fields.get(exclusive) == Some(&Value::Bool(true))
                && let Some(value) = converted.remove(limit)
            {
                converted.insert(exclusive.to_owned(), value);
            }
        }
    }

    /// The properties that are read-only, in a schema and in those that it is made of.
    fn find_read_only(&mut self, fields: &Map<String, Value>, depth: usize, found: &mut BTreeSet<String>) {
        let Some(depth) = self.look(depth) else {
            return;
        };
        let properties = fields.get("properties").and_then(Value::as_object);
        for (name, schema) in properties.into_iter().flatten() {
            if self.is_read_only(schema, LOOK_MAX) {
                found.insert(name.clone());
            }
        }
        let parts = fields.get("allOf").and_then(Value::as_array);
        let document = self.document;
        for part in parts.into_iter().flatten() {
            let part = references::resolve(document, part).and_then(Value::as_object);
            if let Some(part) = part {
                self.find_read_only(part, depth, found);
            }
        }
    }

    /// How deep may be looked from here; none if this is too deep, or was done too often. Then the document is refused.
    fn look(&mut self, depth: usize) -> Option<usize> {
        self.looks += 1;
        depth.checked_sub(1).filter(|_| self.looks <= LOOKS_MAX)
    }

    fn is_read_only(&mut self, schema: &Value, depth: usize) -> bool {
        let Some(depth) = self.look(depth) else {
            return false;
        };
        if super::is_true(schema, "readOnly") {
            return self.format == DefinitionFormat::OpenApi31 || schema.get("$ref").is_none();
        }
        if schema.get("$ref").is_some() {
            let document = self.document;
            let target = references::resolve(document, schema);
            return target.is_some_and(|target| self.is_read_only(target, depth));
        }
        let parts = schema.get("allOf").and_then(Value::as_array);
        parts
            .into_iter()
            .flatten()
            .any(|part| self.is_read_only(part, depth))
    }
}

/// Nobody is asked for what must not be sent. Where each property says for itself that it is required, as some
/// documents have it, nothing is.
fn required(value: &Value, read_only: &BTreeSet<String>) -> Option<Value> {
    let names = value.as_array()?.iter().filter_map(Value::as_str);
    let asked: Vec<&str> = names.filter(|name| !read_only.contains(*name)).collect();
    (!asked.is_empty()).then(|| json!(asked))
}

/// The schema or null.
fn nullable(mut schema: Map<String, Value>) -> Value {
    let combines = ["$ref", "allOf", "anyOf", "oneOf", "not", "const", "if"];
    if combines.iter().any(|word| schema.contains_key(*word)) {
        return json!({"anyOf": [Value::Object(schema), {"type": "null"}]});
    }
    if let Some(Value::String(name)) = schema.get("type") {
        let both = json!([name, "null"]);
        schema.insert("type".to_owned(), both);
    }
    if let Some(Value::Array(values)) = schema.get_mut("enum")
        && !values.contains(&Value::Null)
    {
        values.push(Value::Null);
    }
    Value::Object(schema)
}
