//! What is wrong with a document, and where.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One wrong place in a document.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Issue {
    /// Where: a JSON Pointer (RFC 6901); empty for the document as a whole.
    pub pointer: String,
    /// What is wrong there and what would be right.
    pub detail: String,
}

impl Issue {
    /// An issue at a place.
    pub fn new(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            pointer: pointer.into(),
            detail: detail.into(),
        }
    }
}

impl fmt::Display for Issue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.pointer.is_empty() {
            formatter.write_str(&self.detail)
        } else {
            write!(formatter, "{}: {}", self.pointer, self.detail)
        }
    }
}
