//! The reference of resources as a page of the book.

use std::{collections::BTreeSet, fmt::Write as _};

use serde_json::Value;

use super::{
    examples,
    types::{self, Types},
};
use crate::resource::Kind;

/// The page `docs/reference/resources.md`.
pub fn markdown() -> String {
    let types = types::all();
    let mut page = Page {
        types: &types,
        text: INTRODUCTION.to_owned(),
        shown: BTreeSet::from(["Policy".to_owned()]),
    };
    page.section(2, "Metadata", "Metadata");
    for kind in [
        Kind::Project,
        Kind::Environment,
        Kind::Api,
        Kind::Policy,
        Kind::Secret,
    ] {
        page.section(2, kind.as_str(), &types::spec_name(kind));
    }
    page.policies();
    page.text
}

const INTRODUCTION: &str = "\
<!-- Generated from the schemas. `UPDATE_GENERATED=1 cargo test -p gatehouse-schemas --test generated` writes it. -->

# Resources

People tell Gatehouse what they want in documents, in YAML or JSON, with `gatehouse apply -f FILE` or over the Admin
API. Every document has a `kind`, `metadata` and a `spec`; `apiVersion` is `gatehouse.dev/v1` and may be left out. What
reads back has a `status` as well, which is ignored when it is applied again. An unknown field is an error that names
the nearest known one.

A field is **required** unless its default is given; a default of `–` means that the field may be left out and then
says nothing.
";

struct Page<'a> {
    types: &'a Types,
    text: String,
    shown: BTreeSet<String>,
}

impl Page<'_> {
    /// A type under a heading, its example, and then the types it is made of that were not shown before.
    fn section(&mut self, level: usize, title: &str, name: &str) {
        let Some(schema) = self.types.get(name) else {
            return;
        };
        if !self.shown.insert(name.to_owned()) {
            return;
        }
        self.heading(level, title, &description(schema));
        self.example(title);
        self.table(schema);
        for inner in types::all_referred(schema) {
            if self.types.get(&inner).is_some_and(is_shown_apart) {
                self.section(3, &format!("Type `{inner}`"), &inner);
            }
        }
    }

    fn heading(&mut self, level: usize, title: &str, description: &str) {
        self.line(&format!("\n{} {title}\n\n{description}", "#".repeat(level)));
    }

    fn line(&mut self, text: &str) {
        self.text.push_str(text);
        self.text.push('\n');
    }

    fn example(&mut self, name: &str) {
        if let Some(example) = examples::of(name) {
            self.line(&format!("\n```yaml\n{example}```"));
        }
    }

    fn table(&mut self, schema: &Value) {
        if let Some(choices) = schema.get("oneOf").and_then(Value::as_array) {
            self.line("\n| One of | Type | Meaning |\n|---|---|---|");
            for choice in choices {
                self.choice(choice);
            }
            return;
        }
        let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
            return;
        };
        let required: Vec<&str> = schema
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        self.line("\n| Field | Type | Default | Meaning |\n|---|---|---|---|");
        for (field, property) in properties {
            let default = match property.get("default") {
                Some(default) => format!("`{}`", shown_default(default)),
                None if required.contains(&field.as_str()) => "**required**".to_owned(),
                None => "–".to_owned(),
            };
            let (kind, meaning) = (self.type_of(property), description(property));
            self.line(&format!("| `{field}` | {kind} | {default} | {meaning} |"));
        }
    }

    /// One of several choices: a word, or an object with one field.
    fn choice(&mut self, choice: &Value) {
        let words = choice.get("enum").and_then(Value::as_array);
        for word in words.into_iter().flatten().filter_map(Value::as_str) {
            self.line(&format!("| `{word}` | – | {} |", description(choice)));
        }
        let fields = choice.get("properties").and_then(Value::as_object);
        for (field, property) in fields.into_iter().flatten() {
            let (kind, meaning) = (self.type_of(property), description(choice));
            self.line(&format!("| `{field}: …` | {kind} | {meaning} |"));
        }
    }

    /// The section of policy types.
    fn policies(&mut self) {
        let Some(policy) = self.types.get("Policy") else {
            return;
        };
        self.heading(2, "Policies", &description(policy));
        self.line("\nPolicies stand in `spec.policies` of an `Api` or a `Policy`, and in an operation.");
        let variants = policy.get("oneOf").and_then(Value::as_array);
        for variant in variants.into_iter().flatten() {
            let name = variant.pointer("/properties/type/enum/0").and_then(Value::as_str);
            let with = variant.pointer("/properties/with").and_then(types::referred);
            let (Some(name), Some(with)) = (name, with) else {
                continue;
            };
            self.policy(name, with, &description(variant));
        }
    }

    fn policy(&mut self, name: &str, with: &str, meaning: &str) {
        let Some(schema) = self.types.get(with) else {
            return;
        };
        self.heading(3, name, meaning);
        self.example(name);
        self.line(&format!("\n{}", description(schema)));
        self.table(schema);
        for inner in types::all_referred(schema) {
            if self.types.get(&inner).is_some_and(is_shown_apart) {
                self.section(4, &format!("Type `{inner}`"), &inner);
            }
        }
    }

    fn type_of(&self, schema: &Value) -> String {
        if let Some(name) = types::referred(schema) {
            return self.named(name);
        }
        let choices = schema.get("oneOf").and_then(Value::as_array);
        if let Some(inner) = choices.and_then(|choices| choices.iter().find(|choice| is_something(choice))) {
            return self.type_of(inner);
        }
        match first_type(schema) {
            "array" => format!(
                "list of {}",
                schema
                    .get("items")
                    .map_or_else(String::new, |items| self.type_of(items))
            ),
            "object" => match schema
                .get("additionalProperties")
                .filter(|inner| inner.is_object())
            {
                Some(inner) => format!("map of {}", self.type_of(inner)),
                None => "object".to_owned(),
            },
            "string" => text_type(schema),
            "integer" => number_type(schema),
            "boolean" => "`true` or `false`".to_owned(),
            _ => "any".to_owned(),
        }
    }

    fn named(&self, name: &str) -> String {
        if name == "Policy" {
            return "[policy](#policies)".to_owned();
        }
        match self.types.get(name) {
            Some(schema) if is_shown_apart(schema) => {
                // As sites make anchors of headings.
                format!("[{name}](#type-{})", name.to_lowercase())
            }
            Some(schema) if name == "ResourceName" || schema.get("pattern").is_some() => "name".to_owned(),
            Some(schema) => self.type_of(schema),
            None => name.to_owned(),
        }
    }
}

/// Whether a type has fields or choices of its own; words and texts are shown where they are used.
fn is_shown_apart(schema: &Value) -> bool {
    schema.get("properties").is_some() || schema.get("oneOf").is_some()
}

fn is_something(schema: &Value) -> bool {
    first_type(schema) != "null"
}

/// The type of a schema, if it is not null.
pub(crate) fn first_type(schema: &Value) -> &str {
    match schema.get("type") {
        Some(Value::String(name)) => name,
        Some(Value::Array(names)) => names
            .iter()
            .filter_map(Value::as_str)
            .find(|name| *name != "null")
            .unwrap_or(""),
        _ => "",
    }
}

fn text_type(schema: &Value) -> String {
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        let words: Vec<String> = words
            .iter()
            .filter_map(Value::as_str)
            .map(|word| format!("`{word}`"))
            .collect();
        return words.join(", ");
    }
    match schema.get("format").and_then(Value::as_str) {
        Some("uri") => "URL".to_owned(),
        Some("date-time") => "time".to_owned(),
        Some("uuid") => "UUID".to_owned(),
        _ => "text".to_owned(),
    }
}

fn number_type(schema: &Value) -> String {
    let mut text = "whole number".to_owned();
    // Writing to a string cannot fail.
    if let Some(least) = schema.get("minimum") {
        let _ = write!(text, " from {least}");
    }
    if let Some(most) = schema.get("maximum") {
        let _ = write!(text, " to {most}");
    }
    text
}

/// The description on one line, without what would end a table's cell.
pub(crate) fn description(schema: &Value) -> String {
    let inner = schema
        .get("oneOf")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    let own = schema.get("description").and_then(Value::as_str);
    let text = own.or_else(|| {
        inner
            .filter_map(|choice| choice.get("description")?.as_str())
            .next()
    });
    let words: Vec<&str> = text.unwrap_or_default().split_whitespace().collect();
    words.join(" ").replace('|', "\\|")
}

fn shown_default(default: &Value) -> String {
    default
        .as_str()
        .map_or_else(|| default.to_string(), str::to_owned)
}
