//! Observed state: what a gateway was seen to hold.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    canonical::Fingerprint, desired::Mark, diff::Change, identity::ExternalRef, revision::RevisionContent,
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
    /// Our mark, if it carries one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<Mark>,
    /// Where consumers reach it.
    #[serde(default)]
    pub endpoint_urls: Vec<String>,
    /// What it is.
    pub content: RevisionContent,
    /// The fingerprint of what the gateway holds: for a managed API, that of the desired state it
    /// expresses; otherwise that of `content`.
    pub fingerprint: Fingerprint,
}

/// One finding of a discovery as an agent sends it: an API, or one that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", tag = "result")]
pub enum DiscoveredItem {
    /// An API.
    Api(Box<ObservedApi>),
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
    New,
    /// In the catalog, and different there.
    Changed {
        /// The fields that differ: catalog before, gateway after.
        changes: Vec<Change>,
    },
    /// In the catalog, and the same.
    Unchanged,
    /// In the catalog as coming from this gateway, and not seen in a complete run.
    Gone,
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
