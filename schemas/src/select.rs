//! Choosing findings by what they are: `status=new,tag=public,name=orders-*`.

use crate::{environment::DiscoveryFilter, observed::Classification};

/// A choice of findings. Different keys hold together; a key given twice means either.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {}

/// Why a text is not a selection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at character {position} of the selection: {detail}")]
pub struct SelectionError {
    /// Where, in characters, from 1.
    pub position: usize,
    /// What is wrong there, and what would be right.
    pub detail: String,
}

/// What a selection looks at.
#[derive(Debug, Clone, Copy)]
pub struct Selectable<'a> {
    /// The gateway's name for it.
    pub name: &'a str,
    /// The gateway's tags.
    pub tags: &'a [String],
    /// Whether Gatehouse deployed it.
    pub managed: bool,
    /// How it compares with the catalog.
    pub classification: &'a Classification,
}

impl Selection {
    /// Reads a selection.
    pub fn parse(text: &str) -> Result<Self, SelectionError> {
        let _ = text;
        Ok(Self {})
    }

    /// Whether a finding is chosen.
    pub fn matches(&self, finding: &Selectable<'_>) -> bool {
        let _ = finding;
        false
    }
}

impl DiscoveryFilter {
    /// Whether it lets an API with this name and these tags through, as far as anybody but the connector can tell.
    pub fn admits(&self, name: &str, tags: &[String]) -> bool {
        let _ = (name, tags);
        true
    }
}
