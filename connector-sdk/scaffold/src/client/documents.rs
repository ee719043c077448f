//! What the gateway's Admin API takes and gives, as it spells it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Who answers, and what the credential may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The gateway's version.
    pub version: String,
    /// Whether the credential may change APIs; it may look at them in any case.
    pub may_write: bool,
}

/// A page of a listing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Listing {
    /// The APIs, in the order of their ids.
    pub items: Vec<Summary>,
    /// The position of the next page; none after the last.
    pub next: Option<String>,
}

/// An API as a listing tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// The gateway's identity for it.
    pub id: String,
    /// Changes whenever anything about the API does.
    pub version: u64,
    /// Its name.
    pub name: String,
    /// Its tags.
    pub tags: Vec<String>,
}

/// An API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Api {
    /// The gateway's identity for it, which whoever makes it chooses.
    pub id: String,
    /// Changes whenever anything about the API does.
    pub version: u64,
    /// What was written.
    pub document: Document,
}

/// What is written of an API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Document {
    /// What programs remember beside it. The gateway makes nothing of it.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// What people find it by.
    #[serde(default)]
    pub tags: Vec<String>,
    /// What the gateway does.
    pub service: Service,
}

/// What the gateway does with requests for an API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// The path below which it is reached; no other API has the same.
    pub base_path: String,
    /// What it serves below the base path; empty means everything.
    #[serde(default)]
    pub routes: Vec<Route>,
    /// Where requests go.
    pub upstream_url: String,
    /// How long the upstream may take, in milliseconds.
    pub timeout_ms: u32,
    /// Who may call; without it, everybody.
    #[serde(default)]
    pub key_check: Option<KeyCheck>,
    /// Headers that are set in answers.
    #[serde(default)]
    pub response_headers: BTreeMap<String, String>,
}

/// One operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Route {
    /// The HTTP method in capitals, or `*`.
    pub method: String,
    /// The path, in which `{name}` stands for a segment or a part of one, and `{name...}` for the rest.
    pub path: String,
}

/// Who may call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeyCheck {
    /// The header that holds the key.
    pub header: String,
    /// The keys that are taken.
    pub keys: Vec<Key>,
    /// Whether the key travels on to the upstream.
    pub forward: bool,
}

/// A key that is taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Key {
    /// Whose it is.
    pub consumer: String,
    /// `sha256:` and the SHA-256 of the key in hexadecimal: the gateway never holds the key itself.
    pub digest: String,
}

/// Why the gateway refuses a call.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// One word for programs.
    #[serde(default)]
    pub code: String,
    /// A sentence for people.
    #[serde(default)]
    pub error: String,
}
