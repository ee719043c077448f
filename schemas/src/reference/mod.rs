//! The schemas of all resources as documents: JSON Schema for programs, Markdown for people.
//!
//! Both come from the types that documents are read into, so they cannot say anything else. The files
//! under `schemas/generated/` and `docs/reference/resources.md` are checked in; a test keeps them current.

mod defaults;
mod examples;
mod markdown;
mod types;

pub(crate) use markdown::{description, first_type};
use serde_json::{Map, Value, json};

pub use self::{examples::EXAMPLES, markdown::markdown};
use crate::resource::{API_VERSION, Kind};

/// Where the schemas say they live; nothing needs to be fetched from there.
const BASE: &str = "https://gatehouse.dev/schemas/";

/// The JSON Schema (2020-12) of a kind of resource, as documents are written.
pub fn json_schema(kind: Kind) -> Value {
    let types = types::of(kind);
    let spec = format!("#/$defs/{}", types::spec_name(kind));
    let mut required = vec!["kind", "metadata"];
    if kind != Kind::Project {
        required.push("spec");
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": format!("{BASE}{kind}.schema.json"),
        "title": kind.as_str(),
        "type": "object",
        "properties": {
            "apiVersion": {"const": API_VERSION, "description": "The version of the schema; may be left out."},
            "kind": {"const": kind.as_str(), "description": "The kind of resource."},
            "metadata": {"$ref": "#/$defs/Metadata"},
            "spec": {"$ref": spec},
            "status": {"readOnly": true, "description": "What is so. Ignored in documents."},
        },
        "required": required,
        "additionalProperties": false,
        "$defs": Map::from_iter(types),
    })
}
