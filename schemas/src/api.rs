//! `Api`: a catalogue entry. Identity that outlives its revisions.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

pub use crate::upstream::{
    ActiveCheck, BalancingAlgorithm, HashKey, HealthCheck, LoadBalancing, NamedSecret, OutlierEjection,
    UpstreamEndpoint, UpstreamProtocol, UpstreamTls,
};
use crate::{
    canonical::Fingerprint,
    policy::{HeaderChanges, Policy},
    route::normalise,
};

/// What people want of an API. Every change of it makes a new revision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApiSpec {
    /// The name people see. Default: the definition's title, else the resource's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// The version consumers see. Default `v1`.
    #[serde(default = "default_version")]
    #[schema(min_length = 1)]
    pub version: String,
    /// The style of the API.
    #[serde(default)]
    pub r#type: ApiType,
    /// Which way its traffic goes.
    #[serde(default)]
    pub direction: Direction,
    /// The machine-readable description; operations are derived from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<DefinitionSource>,
    /// Host names it answers to: exact or `*.example.com`. Empty means any host.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hostnames: Vec<String>,
    /// The path below which it is reached, for example `/orders/v1`; taken away before the upstream.
    #[schema(pattern = "^/")]
    pub base_path: String,
    /// Where requests go, by name. `main` is required.
    pub upstreams: BTreeMap<String, Upstream>,
    /// What must hold for every operation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<Policy>,
    /// Operations that have policies of their own or, without a definition, all operations. Without
    /// either, every path and method below the base path is served.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub operations: Vec<OperationSpec>,
}

fn default_version() -> String {
    "v1".to_owned()
}

/// The style of an API.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the names say it")]
pub enum ApiType {
    #[default]
    Rest,
    GraphQl,
    Grpc,
    WebSocket,
    Llm,
    Mcp,
}

/// Which way an API's traffic goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// From consumers outside to services inside.
    #[default]
    Ingress,
    /// From inside to services outside.
    Egress,
    /// Between services.
    EastWest,
}

/// Where the description comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DefinitionSource {
    /// An OpenAPI document: 3.0, 3.1 or Swagger 2.0.
    pub openapi: DocumentSource,
}

/// A document: given in place, or one that the control plane already holds. In files, the command line
/// also takes `file: PATH` and puts the content in place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum DocumentSource {
    /// The document itself.
    #[schema(value_type = Object)]
    Inline(Value),
    /// The fingerprint of a document that the control plane holds; this is how it reads back.
    Fingerprint(Fingerprint),
}

/// Where the gateway sends requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Upstream {
    /// `http` or `https`, host, optional port, optional path put before the request's. Where there are `endpoints`,
    /// it is one of them, with the weight 1 unless they name it again.
    #[schema(format = "uri", example = "https://orders.internal:8443")]
    pub url: String,
    /// From the request's first byte sent to the response's head received, in milliseconds; then 504.
    #[serde(default = "default_timeout_ms")]
    #[schema(minimum = 1, maximum = 3_600_000)]
    pub timeout_ms: u32,
    /// To establish a connection, TLS included, in milliseconds; then 502.
    #[serde(default = "default_connect_timeout_ms")]
    #[schema(minimum = 1, maximum = 600_000)]
    pub connect_timeout_ms: u32,
    /// What is spoken to it. Absent means `http1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<UpstreamProtocol>,
    /// Whom it is to be, and as whom the gateway comes, where its URL begins with `https`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    // In a box: a map of upstreams has room for eleven, most have one, and hardly any has this.
    pub tls: Option<Box<UpstreamTls>>,
    /// Further places that serve the same; requests are spread over all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub endpoints: Vec<UpstreamEndpoint>,
    /// How requests are spread over several endpoints.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load_balancing: Option<LoadBalancing>,
    /// How it is found out which endpoints work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_check: Option<HealthCheck>,
    /// When one of several endpoints is left out for how it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outlier: Option<OutlierEjection>,
    /// The most requests that each endpoint has at the same time, from each gateway; further ones wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub max_connections: Option<u32>,
    /// The most requests that wait for an endpoint with `maxConnections`, `connectTimeoutMs` at most; then 503.
    /// Default 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 1_000_000)]
    pub max_pending: Option<u32>,
    /// How long an unused connection is kept, in milliseconds. Write less than what the upstream itself allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 3_600_000)]
    pub idle_timeout_ms: Option<u32>,
}

pub(crate) const DEFAULT_TIMEOUT_MS: u32 = 30_000;
pub(crate) const DEFAULT_CONNECT_TIMEOUT_MS: u32 = 5_000;

fn default_timeout_ms() -> u32 {
    DEFAULT_TIMEOUT_MS
}

fn default_connect_timeout_ms() -> u32 {
    DEFAULT_CONNECT_TIMEOUT_MS
}

/// One operation and what holds for it beyond the API's policies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OperationSpec {
    /// Which requests it is about.
    pub r#match: OperationMatch,
    /// What must hold in addition.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<Policy>,
    /// The upstream, if it is not `main`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream: Option<String>,
    /// Several upstreams in place of one, and upstreams that get copies of requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traffic: Option<Traffic>,
}

/// How the requests of an operation are spread over upstreams.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Traffic {
    /// The upstreams that share the requests; empty means that `upstream` gets all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub split: Vec<Share>,
    /// Has the same caller always get the same upstream of the split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sticky: Option<Sticky>,
    /// Upstreams that get copies of requests. Nobody waits for their answers, which nobody sees.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mirror: Vec<Mirror>,
}

/// One upstream's share of the requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Share {
    /// The name of the upstream.
    pub upstream: String,
    /// Its share is this part of the sum of all weights; 0 gets no request.
    #[schema(maximum = 1_000_000)]
    pub weight: u32,
    /// Changes of the request's headers on the way to this upstream, after all others.
    #[serde(default, skip_serializing_if = "HeaderChanges::is_empty")]
    pub headers: HeaderChanges,
}

/// By what callers are told apart. A request without it goes to any upstream of the split.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Sticky {
    /// By the value of this header.
    Header(String),
    /// By the value of this cookie.
    Cookie(String),
}

/// An upstream that gets copies of requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Mirror {
    /// The name of the upstream.
    pub upstream: String,
    /// Of how many requests in 1,000,000 it gets a copy. Default all of them.
    #[serde(default = "every_request", skip_serializing_if = "is_every_request")]
    #[schema(maximum = 1_000_000)]
    pub per_million: u32,
}

/// All requests, in parts of a million.
pub const EVERY_REQUEST: u32 = 1_000_000;

fn every_request() -> u32 {
    EVERY_REQUEST
}

fn is_every_request(per_million: &u32) -> bool {
    *per_million == EVERY_REQUEST
}

/// Which requests an operation is about.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OperationMatch {
    /// The HTTP method in capitals, or `*`.
    pub method: String,
    /// Below the base path: literal segments, `{name}` for one segment or part of one (`{name}.json`),
    /// `{name...}` last for the rest.
    #[schema(pattern = "^/", example = "/orders/{id}")]
    pub path: String,
    /// A regular expression that the whole path below the base path must match, slash at its beginning included.
    /// `path` is then the literal path below which it is tried, often `/`. Any path without one is looked at
    /// first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1024, example = "/orders/[0-9]+")]
    pub path_regex: Option<String>,
    /// Whether a slash at the end of the path makes a difference. By default it makes one only between two
    /// operations of which one has it and the other has not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub exact_slash: bool,
    /// Headers that must have exactly these values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Headers that must have a value of which the whole matches this regular expression, beside those in `headers`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(example = json!({"x-version": "2|3"}))]
    pub header_regex: BTreeMap<String, String>,
    /// Query parameters that must have exactly these values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub query: BTreeMap<String, String>,
    /// Query parameters that must have a value of which the whole matches this regular expression, beside those in
    /// `query`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(example = json!({"page": "[0-9]+"}))]
    pub query_regex: BTreeMap<String, String>,
}

impl OperationMatch {
    /// Whether requests are told apart by more than method and path.
    ///
    /// ```
    /// use gatehouse_schemas::api::OperationMatch;
    ///
    /// let mut matched = OperationMatch::default();
    /// assert!(!matched.has_conditions());
    /// matched.query_regex.insert("page".to_owned(), "[0-9]+".to_owned());
    /// assert!(matched.has_conditions());
    /// ```
    pub fn has_conditions(&self) -> bool {
        let all = [&self.headers, &self.header_regex, &self.query, &self.query_regex];
        all.iter().any(|conditions| !conditions.is_empty())
    }
}

impl OperationMatch {
    /// The match in its one spelling: without the names of parameters, headers in lower case.
    #[must_use]
    pub fn normalised(&self) -> Self {
        let lower = |headers: &BTreeMap<String, String>| {
            let headers = headers.iter();
            headers
                .map(|(name, value)| (name.to_ascii_lowercase(), value.clone()))
                .collect()
        };
        Self {
            path: normalise(&self.path),
            headers: lower(&self.headers),
            header_regex: lower(&self.header_regex),
            ..self.clone()
        }
    }
}
