//! The steps of `request-transformer` and `response-transformer`: what each changes, in Kong's order.

use serde::Deserialize;

use super::or_default;

/// What a transformer does: remove, rename, replace, add, append, one after the other.
#[derive(Debug, Deserialize)]
pub(super) struct Steps {
    #[serde(default, deserialize_with = "or_default")]
    pub(super) remove: Step,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) rename: Step,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) replace: Step,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) add: Step,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) append: Step,
}

/// What one step does, as `name` or `name:value`. Answers have headers alone.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Step {
    #[serde(default, deserialize_with = "or_default")]
    pub(super) headers: Vec<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) querystring: Vec<String>,
    pub(super) uri: Option<String>,
}

impl Steps {
    pub(super) fn all(&self) -> [&Step; 5] {
        [&self.remove, &self.rename, &self.replace, &self.add, &self.append]
    }
}

/// The name and the rest of each `name:value`.
pub(super) fn parts(entries: &[String]) -> impl Iterator<Item = (&str, &str)> {
    entries
        .iter()
        .map(|entry| entry.split_once(':').unwrap_or((entry, "")))
}
