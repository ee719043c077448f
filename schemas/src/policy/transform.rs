//! Changes of bodies.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// Parameters of `transform`: other bodies than were sent, whole or not at all. What cannot be changed is refused: a
/// request with 400, a response with 502.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TransformPolicy {
    /// What becomes of the request's body before the upstream gets it. One of another type is answered 415.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<BodyTransform>,
    /// What becomes of the response's body before the caller gets it. One of another type stays as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<BodyTransform>,
}

/// What becomes of a body, in this order: it is read, `remove`, `set`, `template`, it is written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BodyTransform {
    /// What the body is. Default `json`.
    #[serde(default, skip_serializing_if = "BodyFormat::is_json")]
    pub from: BodyFormat,
    /// What it becomes. Default `json`.
    #[serde(default, skip_serializing_if = "BodyFormat::is_json")]
    pub to: BodyFormat,
    /// JSON Pointers (RFC 6901) to what is taken away, one after the other. What is not there is no error.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(example = json!(["/internal", "/items/0"]))]
    pub remove: Vec<String>,
    /// Values by JSON Pointer, put in place of what is there. Objects on the way there are made; `-` is the place after
    /// the last item of a list.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = Object)]
    pub set: BTreeMap<String, Value>,
    /// What the body is replaced by. A text `{/a/b}` in it stands for what the body has there, of whatever type; within a
    /// longer text, for its text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Value)]
    pub template: Option<Value>,
    /// The name of the XML document's element, if the value does not name one. Default `root`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<String>,
}

/// How a body is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the names say it")]
pub enum BodyFormat {
    #[default]
    Json,
    Xml,
}

impl BodyFormat {
    fn is_json(&self) -> bool {
        *self == Self::Json
    }
}

/// The places in a text of a template: each with where it begins, where it ends, and the JSON Pointer in it.
pub fn placeholders(text: &str) -> impl Iterator<Item = (usize, usize, &str)> {
    let mut from = 0;
    std::iter::from_fn(move || {
        let begin = from + text.get(from..)?.find("{/")?;
        let end = begin + text.get(begin..)?.find('}')? + 1;
        from = end;
        Some((begin, end, text.get(begin + 1..end - 1)?))
    })
}
