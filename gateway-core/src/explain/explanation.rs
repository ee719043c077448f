//! What is asked of the router, and what it answers.

use gatehouse_schemas::{
    identity::ExternalRef,
    policy::{ExplainedPolicy, OverriddenPolicy, Policy},
    revision::RevisionContent,
};
use http::{HeaderMap, Method};
use serde::{Deserialize, Serialize};

use crate::policy::support;

/// A request, as far as routing looks at it.
#[derive(Debug, Clone)]
pub struct Question {
    /// The method, in capitals.
    pub method: Method,
    /// The host, with or without a port; empty if there is none.
    pub host: String,
    /// The path, from its slash up to the query.
    pub path: String,
    /// The query, without `?`.
    pub query: Option<String>,
    /// The headers.
    pub headers: HeaderMap,
}

/// An API that is served.
#[derive(Debug, Clone, Copy)]
pub struct Served<'a> {
    /// The gateway's own identity for it, which decides between routes that are equal otherwise.
    pub reference: &'a ExternalRef,
    /// The name that people see.
    pub name: &'a str,
    /// What it is.
    pub content: &'a RevisionContent,
}

/// What becomes of a request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// In one word.
    pub outcome: Outcome,
    /// In one sentence.
    pub reason: String,
    /// The route, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<Route>,
    /// The other routes for the host and the path, in the order in which they are looked at.
    pub others: Vec<Other>,
    /// What holds for the route, in the order in which it acts.
    pub policies: Vec<EffectivePolicy>,
    /// What is written and does not hold for the route.
    pub overridden: Vec<LeftOutPolicy>,
}

/// What becomes of a request, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// It has a route.
    Found,
    /// The path is served for other methods only: 405.
    OtherMethods,
    /// The path can be read in two ways that lead to two routes: 400.
    Ambiguous,
    /// The path has no safe meaning: 400.
    Misleading,
    /// Nothing is served there: 404.
    NoRoute,
}

/// One route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Route {
    /// The name of the API.
    pub api: String,
    /// The host, a wildcard, or `*` for any.
    pub host: String,
    /// The method, or `*` for any.
    pub method: String,
    /// The whole path, base path included.
    pub path: String,
    /// The regular expression for what is below the base path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_regex: Option<String>,
    /// Headers and query parameters that it asks for, as `name=value`, or `name~expression` for what is to match a
    /// regular expression.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<String>,
    /// The operation's place in the API; none if the API has no operations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<usize>,
    /// The upstreams that its requests go to.
    pub upstreams: Vec<String>,
}

/// A route that was looked at and not taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Other {
    /// The route.
    pub route: Route,
    /// By what it lost.
    pub criterion: Criterion,
    /// The same as a sentence.
    pub reason: String,
}

/// What is looked at, in this order. Method, header and query decide first whether a route is taken at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Criterion {
    /// An exact host before the longest wildcard before any.
    Host,
    /// Literal segments before parameters before the rest, from the left; then regular expressions.
    Path,
    /// A method before any method.
    Method,
    /// More headers before fewer.
    Headers,
    /// More query parameters before fewer.
    Query,
    /// The API whose reference comes first.
    Api,
    /// The operation that is written first.
    Order,
}

/// A policy that holds for a route.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EffectivePolicy {
    /// The policy.
    pub policy: Policy,
    /// Where it is written, as `api/orders at /operations/0/policies/1`.
    pub origins: Vec<String>,
    /// Why this gateway does not enforce it, if it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_enforced: Option<String>,
}

/// A policy that does not hold for a route.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LeftOutPolicy {
    /// The policy.
    pub policy: Policy,
    /// Where it is written.
    pub origin: String,
    /// Why it does not hold.
    pub reason: String,
}

impl From<ExplainedPolicy> for EffectivePolicy {
    fn from(explained: ExplainedPolicy) -> Self {
        Self {
            not_enforced: support::lack(explained.policy.type_name()).map(str::to_owned),
            policy: explained.policy,
            origins: explained.origins.into_values().flatten().collect(),
        }
    }
}

impl From<OverriddenPolicy> for LeftOutPolicy {
    fn from(overridden: OverriddenPolicy) -> Self {
        Self {
            policy: overridden.policy,
            origin: overridden.origin,
            reason: overridden.reason,
        }
    }
}
