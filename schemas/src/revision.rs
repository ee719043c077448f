//! Revisions: immutable, numbered snapshots of an API. Only revisions are deployed.

mod build;
mod expand;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    api::{ApiType, Direction, OperationMatch, Traffic, Upstream},
    canonical::Fingerprint,
    identity::ResourceName,
    policy::Policy,
};

pub use self::build::{build, to_spec};

/// Everything a revision says, canonical: operations derived from the definition, defaults written out,
/// lists that are sets sorted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RevisionContent {
    /// The name people see.
    pub display_name: String,
    /// The version consumers see.
    pub version: String,
    /// The style of the API.
    pub r#type: ApiType,
    /// Which way its traffic goes.
    pub direction: Direction,
    /// The machine-readable description, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<DefinitionSummary>,
    /// Host names it answers to, sorted; empty means any.
    #[serde(default)]
    pub hostnames: Vec<String>,
    /// The path below which it is reached: `/` or `/a/b`, never with a slash at the end.
    pub base_path: String,
    /// Where requests go.
    pub upstreams: BTreeMap<String, Upstream>,
    /// What must hold for every operation, in order.
    #[serde(default)]
    pub policies: Vec<Policy>,
    /// What it serves, sorted by path and method; empty means every path and method below the base path.
    #[serde(default)]
    pub operations: Vec<Operation>,
}

impl RevisionContent {
    /// Every policy, of the whole API and of its operations.
    pub fn all_policies(&self) -> impl Iterator<Item = &Policy> {
        let of_operations = self.operations.iter().flat_map(|operation| &operation.policies);
        self.policies.iter().chain(of_operations)
    }

    /// The secrets that its policies and its upstreams refer to.
    pub fn secret_names(&self) -> BTreeSet<&ResourceName> {
        let of_upstreams = self.upstreams.values().flat_map(Upstream::secret_references);
        let of_upstreams = of_upstreams.map(|reference| reference.name);
        let of_policies = self.all_policies().flat_map(Policy::secret_names);
        of_policies.chain(of_upstreams).collect()
    }
}

/// What is known of a revision's definition without reading it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DefinitionSummary {
    /// The fingerprint under which the control plane holds the document.
    pub fingerprint: Fingerprint,
    /// The language it was written in.
    pub format: DefinitionFormat,
    /// Its title.
    pub title: String,
    /// Its own version.
    pub version: String,
}

/// The language of a definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum DefinitionFormat {
    /// Swagger 2.0.
    #[serde(rename = "swagger-2.0")]
    Swagger20,
    /// OpenAPI 3.0.x.
    #[serde(rename = "openapi-3.0")]
    OpenApi30,
    /// OpenAPI 3.1.x.
    #[serde(rename = "openapi-3.1")]
    OpenApi31,
}

/// One operation of a revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Operation {
    /// The definition's `operationId`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Which requests it is about; `path` is below the base path.
    pub r#match: OperationMatch,
    /// One line for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// Whether consumers should stop using it.
    #[serde(default)]
    pub deprecated: bool,
    /// What must hold beyond the API's policies, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<Policy>,
    /// The upstream, if it is not `main`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream: Option<String>,
    /// Several upstreams in place of one, and upstreams that get copies of requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traffic: Option<Traffic>,
}

impl Operation {
    /// What operations are sorted by: path, method, then what else tells them apart.
    pub fn order(&self) -> impl Ord + '_ {
        let it = &self.r#match;
        (
            &it.path,
            &it.method,
            &it.headers,
            &it.query,
            &it.path_regex,
            it.exact_slash,
            &it.header_regex,
            &it.query_regex,
        )
    }

    /// What of it goes beyond method, path, headers, query and one upstream, for gateways that have no words for
    /// it.
    pub fn beyond_one_upstream(&self) -> Option<&'static str> {
        let it = &self.r#match;
        if it.path_regex.is_some() {
            return Some("operations by regular expression");
        }
        if !it.header_regex.is_empty() || !it.query_regex.is_empty() {
            return Some("headers or query parameters by regular expression");
        }
        if it.exact_slash {
            return Some("operations for which a slash at the end makes a difference");
        }
        let traffic = self.traffic.as_ref()?;
        match traffic.split.is_empty() {
            true => Some("copies of requests"),
            false => Some("requests that several upstreams share"),
        }
    }
}

#[cfg(test)]
mod tests;
