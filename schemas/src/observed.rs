//! Observed state: what a gateway was seen to hold.

mod catalog;
mod classify;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

pub use self::{
    catalog::{CatalogEntry, CatalogView, InventoryEntry},
    classify::{classify, classify_with, gone, needs_content, needs_definition, resource_name},
};
use crate::{
    canonical::Fingerprint,
    compatibility::{ChangeClass, ClassifiedChange},
    desired::Mark,
    diff::Change,
    duplicate::Duplicate,
    identity::ExternalRef,
    revision::RevisionContent,
};

/// What a look at one API on a gateway found. Unknown is not absent: it changes nothing and deletes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", tag = "state")]
pub enum Observation {
    /// It is there.
    Present(Box<ObservedApi>),
    /// The gateway answered, and it is not there.
    Absent,
    /// The gateway could not be asked, or its answer could not be understood.
    Unknown {
        /// Why.
        reason: String,
    },
}

/// One API as a gateway holds it, in canonical words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObservedApi {
    /// The gateway's own identity for it.
    pub external_ref: ExternalRef,
    /// The gateway's name for it.
    pub name: String,
    /// The gateway's own version of it, as its listing gives it (an ETag, a time of change): equal means that
    /// nothing about it changed. Absent if the listing gives none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The gateway's tags or labels, as it writes them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Our mark, if it carries one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<Mark>,
    /// Where consumers reach it.
    #[serde(default)]
    pub endpoint_urls: Vec<String>,
    /// What it is.
    pub content: RevisionContent,
    /// Its machine-readable description, if the gateway keeps one: an OpenAPI document whose canonical form has
    /// the fingerprint that `content` names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub definition: Option<Value>,
    /// The fingerprint of what the gateway holds. For an API with our mark, that of the desired state it
    /// expresses: the one that was deployed, as long as nobody changed anything of it, and otherwise that of
    /// the object `{"content": …, "secrets": …}`, in which a secret has version 0 if nobody knows which the
    /// gateway holds. For any other API, that of `content`.
    pub fingerprint: Fingerprint,
}

/// One finding of a discovery as an agent sends it: an API, or one that could not be read. It has at most 8 MiB
/// as JSON; one that is larger is sent as unreadable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", tag = "result")]
pub enum DiscoveredItem {
    /// An API.
    Api(Box<ObservedApi>),
    /// An API whose version in the listing is the one the control plane knows: it was not read again.
    Unchanged {
        /// The gateway's own identity for it.
        #[serde(rename = "externalRef")]
        external_ref: ExternalRef,
        /// The gateway's name for it.
        name: String,
    },
    /// Something is there, but it could not be read. It is not absent.
    Unreadable {
        /// The gateway's own identity for it.
        #[serde(rename = "externalRef")]
        external_ref: ExternalRef,
        /// The gateway's name for it, as far as known.
        name: String,
        /// Why, and what to do.
        reason: String,
    },
}

/// How a finding compares with the catalog.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", tag = "class")]
pub enum Classification {
    /// Not in the catalog.
    New {
        /// APIs of the catalog that it may be another place of.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        duplicates: Vec<Duplicate>,
    },
    /// In the catalog, and different there.
    Changed {
        /// The fields that differ: catalog before, gateway after. `/name` is the gateway's name for it: a rename.
        changes: Vec<Change>,
        /// What the change means for consumers: that of the gravest of `consumers`.
        #[serde(default, rename = "changeClass")]
        change_class: ChangeClass,
        /// Change by change, what it means for consumers; the gravest first.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        consumers: Vec<ClassifiedChange>,
    },
    /// In the catalog, and the same.
    Unchanged,
    /// In the catalog as coming from this gateway, and not seen in a complete run.
    Gone {
        /// What happens now: waits for further runs, needs approval, or counts as removed.
        #[serde(default)]
        message: String,
    },
    /// On the environment's ignore list.
    Ignored {
        /// What people said when they put it there.
        #[serde(default)]
        reason: String,
    },
    /// Its name or its place belongs to something else in the catalog.
    Conflict {
        /// With what.
        reason: String,
    },
    /// It could not be read.
    Error {
        /// Why.
        reason: String,
    },
}

impl DiscoveredItem {
    /// The gateway's own identity for it.
    pub fn external_ref(&self) -> &ExternalRef {
        match self {
            Self::Api(api) => &api.external_ref,
            Self::Unchanged { external_ref, .. } | Self::Unreadable { external_ref, .. } => external_ref,
        }
    }

    /// The gateway's name for it.
    pub fn name(&self) -> &str {
        match self {
            Self::Api(api) => &api.name,
            Self::Unchanged { name, .. } | Self::Unreadable { name, .. } => name,
        }
    }

    /// A finding that was not read again, with what was read before; others are as they are.
    pub fn with_content(self, before: ObservedApi) -> Self {
        match self {
            Self::Unchanged { external_ref, name } => Self::Api(Box::new(ObservedApi {
                external_ref,
                name,
                ..before
            })),
            Self::Api(_) | Self::Unreadable { .. } => self,
        }
    }
}

#[cfg(test)]
mod tests;
