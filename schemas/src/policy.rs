//! Canonical policies: what must hold for requests to an API, in our words.
//!
//! Gateways differ; a connector translates these and says how faithfully. Each policy type has one
//! strict schema; its name in JSON is `area.word`, for example `auth.apiKey`.

mod canonical;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::identity::{ResourceName, ResourceVersion};

/// One rule: its type and, in `with`, its parameters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", content = "with", deny_unknown_fields)]
pub enum Policy {
    /// Callers present one of the listed keys. A security policy.
    #[serde(rename = "auth.apiKey")]
    AuthApiKey(ApiKeyPolicy),
    /// Callers present a signed token of a trusted issuer. A security policy.
    #[serde(rename = "auth.jwt")]
    AuthJwt(JwtPolicy),
    /// Cross-origin resource sharing (Fetch standard), preflight requests included.
    #[serde(rename = "cors")]
    Cors(CorsPolicy),
    /// Changes of request and response headers.
    #[serde(rename = "headers")]
    Headers(HeadersPolicy),
    /// The largest request body let through.
    #[serde(rename = "request.size")]
    RequestSize(RequestSizePolicy),
    /// The highest rate of requests let through.
    #[serde(rename = "ratelimit")]
    RateLimit(RateLimitPolicy),
}

impl Policy {
    /// The type as written in documents.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::AuthApiKey(_) => "auth.apiKey",
            Self::AuthJwt(_) => "auth.jwt",
            Self::Cors(_) => "cors",
            Self::Headers(_) => "headers",
            Self::RequestSize(_) => "request.size",
            Self::RateLimit(_) => "ratelimit",
        }
    }

    /// Whether leaving it out would let somebody in who must stay out.
    pub fn is_security(&self) -> bool {
        Self::is_security_type(self.type_name())
    }

    /// Whether policies of this type are security policies: all of `auth`, and `ip.filter`.
    pub fn is_security_type(policy: &str) -> bool {
        policy.starts_with("auth.") || policy == "ip.filter"
    }

    /// The secrets it refers to.
    pub fn secret_names(&self) -> Vec<&ResourceName> {
        match self {
            Self::AuthApiKey(policy) => policy.keys.iter().map(|key| &key.secret_ref).collect(),
            _ => Vec::new(),
        }
    }
}

/// The policies in force for an operation, in the order in which they act: the API's, then the
/// operation's. All hold together, except that of several `cors` only the last, the most specific, does.
pub fn effective<'a>(api: &'a [Policy], operation: &'a [Policy]) -> Vec<&'a Policy> {
    let all: Vec<&Policy> = api.iter().chain(operation).collect();
    let is_cors = |policy: &Policy| matches!(policy, Policy::Cors(_));
    let last_cors = all.iter().rposition(|policy| is_cors(policy));
    all.into_iter()
        .enumerate()
        .filter(|(position, policy)| !is_cors(policy) || Some(*position) == last_cors)
        .map(|(_, policy)| policy)
        .collect()
}

/// Where a caller puts a credential.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum CredentialLocation {
    /// A request header.
    #[default]
    Header,
    /// A query parameter.
    Query,
}

/// Parameters of `auth.apiKey`. Requests without a known key are answered 401.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApiKeyPolicy {
    /// Where the key is looked for.
    #[serde(default)]
    pub r#in: CredentialLocation,
    /// The header's or query parameter's name. Default `x-api-key`.
    #[serde(default = "default_api_key_name")]
    #[schema(min_length = 1)]
    pub name: String,
    /// The keys that open the API, and whose they are.
    #[schema(min_items = 1)]
    pub keys: Vec<ApiKeyConsumer>,
    /// Whether the key travels on to the upstream. Default false.
    #[serde(default)]
    pub forward: bool,
}

fn default_api_key_name() -> String {
    "x-api-key".to_owned()
}

/// One consumer's key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApiKeyConsumer {
    /// Who calls with this key; rate limits can count by it.
    pub consumer: ResourceName,
    /// The `Secret` that holds the key.
    pub secret_ref: ResourceName,
}

/// Parameters of `auth.jwt`. Requests without a valid bearer token are answered 401, those whose
/// token lacks a required scope 403.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct JwtPolicy {
    /// The exact `iss` claim.
    #[schema(min_length = 1)]
    pub issuer: String,
    /// One of these must be in the `aud` claim.
    #[schema(min_items = 1)]
    pub audiences: Vec<String>,
    /// Where the issuer publishes its keys (RFC 7517).
    #[schema(format = "uri", min_length = 1)]
    pub jwks_uri: String,
    /// The signature algorithms accepted. Default RS256 and ES256. `none` does not exist here.
    #[serde(default = "default_algorithms")]
    #[schema(min_items = 1)]
    pub algorithms: Vec<JwtAlgorithm>,
    /// All of these must be in the `scope` (or `scp`) claim.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub required_scopes: Vec<String>,
    /// Tolerated difference of clocks in seconds. Default 60.
    #[serde(default = "default_clock_skew")]
    #[schema(maximum = 600)]
    pub clock_skew_seconds: u32,
}

fn default_algorithms() -> Vec<JwtAlgorithm> {
    vec![JwtAlgorithm::RS256, JwtAlgorithm::ES256]
}

fn default_clock_skew() -> u32 {
    60
}

/// A signature algorithm (RFC 7518, RFC 8037); asymmetric ones only, since keys come from a JWKS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[allow(missing_docs, reason = "the names are the standard's")]
pub enum JwtAlgorithm {
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
    EdDSA,
}

/// Parameters of `cors`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CorsPolicy {
    /// Origins that may call: exact, `https://*.example.com`, or `*`.
    #[schema(min_items = 1)]
    pub allow_origins: Vec<String>,
    /// Methods allowed; empty means those of the API's operations that match the path.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow_methods: Vec<String>,
    /// Request headers allowed; empty means those that the preflight asks for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow_headers: Vec<String>,
    /// Response headers that scripts may read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expose_headers: Vec<String>,
    /// Whether cookies and credentials may be sent; not together with origin `*`.
    #[serde(default)]
    pub allow_credentials: bool,
    /// How long browsers may keep a preflight answer, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age_seconds: Option<u32>,
}

/// Parameters of `headers`: changes on the way in and on the way out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HeadersPolicy {
    /// Changes of the request before it goes to the upstream.
    #[serde(default, skip_serializing_if = "HeaderChanges::is_empty")]
    pub request: HeaderChanges,
    /// Changes of the response before it goes to the caller.
    #[serde(default, skip_serializing_if = "HeaderChanges::is_empty")]
    pub response: HeaderChanges,
}

/// Header changes, carried out in this order: remove, set, add.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HeaderChanges {
    /// Headers to take away.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<String>,
    /// Headers that replace whatever is there.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub set: BTreeMap<String, String>,
    /// Headers added beside whatever is there.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub add: BTreeMap<String, String>,
}

impl HeaderChanges {
    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.remove.is_empty() && self.set.is_empty() && self.add.is_empty()
    }
}

/// Parameters of `request.size`. Larger requests are answered 413.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RequestSizePolicy {
    /// The largest body in bytes.
    pub max_bytes: u64,
}

/// Parameters of `ratelimit`. Requests over any limit are answered 429 with `Retry-After`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RateLimitPolicy {
    /// All of these hold together.
    #[schema(min_items = 1)]
    pub limits: Vec<RateLimit>,
    /// What is counted separately. Default: the client's address.
    #[serde(default)]
    pub key: RateLimitKey,
}

/// So many requests in a period; that many may also come at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RateLimit {
    /// How many.
    #[schema(minimum = 1)]
    pub requests: u32,
    /// In what time.
    pub per: Period,
}

/// A period of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "the names say it")]
pub enum Period {
    Second,
    Minute,
    Hour,
    Day,
}

impl Period {
    /// Its length in seconds.
    pub fn seconds(self) -> u64 {
        match self {
            Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 3_600,
            Self::Day => 86_400,
        }
    }
}

/// What a rate limit counts separately.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum RateLimitKey {
    /// The address the connection comes from.
    #[default]
    Address,
    /// The authenticated consumer (API key's consumer or the token's `sub`); the address if there is none.
    Consumer,
    /// Everything together.
    Api,
    /// The value of a request header; requests without it count together.
    Header(String),
}

/// A secret that a desired state refers to, at a version: a new version is a new desired state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretVersion {
    /// The secret.
    pub name: ResourceName,
    /// Its version.
    pub version: ResourceVersion,
}

#[cfg(test)]
mod tests;
