//! One document of a portal, and reading it.

use gatehouse_connector_sdk::schemas::openapi::{self, Definition};
use serde_json::Value;

/// A document that a portal keeps for a service.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Document {
    /// Where it is, for people.
    pub(crate) place: String,
    /// What it says.
    pub(crate) content: Content,
}

/// What a document says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Content {
    /// An OpenAPI definition.
    Definition(Box<Definition>),
    /// Something in another language.
    Other(String),
    /// It could not be read, and why.
    Unreadable(String),
}

impl Content {
    /// What comes first when there are several.
    pub(super) fn rank(&self) -> u8 {
        match self {
            Self::Definition(_) => 0,
            Self::Unreadable(_) => 1,
            Self::Other(_) => 2,
        }
    }

    /// Reads the text of a document at a place.
    pub(super) fn read(place: &str, text: &str) -> Self {
        let document = match openapi::parse(text) {
            Ok(document) => document,
            Err(_) if is_prose(place) => return Self::Other("prose".to_owned()),
            Err(error) => {
                return Self::Unreadable(format!(
                    "{place} is neither JSON nor YAML: {error}; correct it there"
                ));
            }
        };
        if let Some(language) = other_language(&document) {
            return Self::Other(language.to_owned());
        }
        match openapi::read(&document) {
            Ok(definition) => Self::Definition(Box::new(definition)),
            Err(_) if is_prose(place) => Self::Other("prose".to_owned()),
            Err(issues) => {
                let issues: Vec<String> = issues.iter().map(ToString::to_string).collect();
                Self::Unreadable(format!("{place} cannot be read: {}", issues.join("; ")))
            }
        }
    }
}

fn other_language(document: &Value) -> Option<&'static str> {
    let has = |field: &str| document.get(field).is_some();
    match () {
        () if has("asyncapi") => Some("AsyncAPI"),
        () if has("arazzo") => Some("Arazzo"),
        () => None,
    }
}

/// Portals keep pages beside definitions.
fn is_prose(place: &str) -> bool {
    let place = place.trim_end_matches('`');
    [".md", ".markdown", ".txt", ".html"]
        .iter()
        .any(|end| place.ends_with(end))
}
