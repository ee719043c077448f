//! Credentials that somebody else vouches for: signed tokens, opaque tokens, client certificates.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::identity::ResourceName;

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
    /// Other issuers whose tokens are as good; each vouches with its own keys, for its own audiences. If there are any, the
    /// consumer is `ISSUER|SUB` in place of the `sub`, since each gives out subjects as it likes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also_trusted: Vec<TrustedIssuer>,
}

/// Another issuer of tokens. All else that `auth.jwt` says holds for its tokens, too.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TrustedIssuer {
    /// The exact `iss` claim.
    #[schema(min_length = 1)]
    pub issuer: String,
    /// One of these must be in the `aud` claim.
    #[schema(min_items = 1)]
    pub audiences: Vec<String>,
    /// Where the issuer publishes its keys (RFC 7517).
    #[schema(format = "uri", min_length = 1)]
    pub jwks_uri: String,
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

/// Parameters of `auth.oauth2`: bearer tokens that the authorization server is asked about (RFC 7662). Requests
/// without an active token are answered 401, those whose token lacks a required scope 403.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OAuth2Policy {
    /// Where the authorization server is asked about a token.
    #[schema(format = "uri", min_length = 1)]
    pub introspection_url: String,
    /// As whom the gateway asks.
    #[schema(min_length = 1)]
    pub client_id: String,
    /// The `Secret` that holds this client's secret.
    pub client_secret_ref: ResourceName,
    /// One of these must be in the answer's `aud`; empty means any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub audiences: Vec<String>,
    /// All of these must be in the answer's `scope`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub required_scopes: Vec<String>,
    /// How long an answer may be kept, in seconds; a token that is revoked is let in for so long. Default 0: never.
    #[serde(default)]
    #[schema(maximum = 3600)]
    pub cache_seconds: u32,
}

/// Parameters of `auth.mtls`: callers present a client certificate in the TLS handshake. Connections or requests
/// without a valid one are refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MtlsPolicy {
    /// The certificates of the authorities that callers' certificates come from, each in PEM.
    #[schema(min_items = 1)]
    pub authorities: Vec<String>,
    /// Subject alternative names (DNS, URI or e-mail) of which a certificate must have one; empty means that any
    /// certificate of the authorities will do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed_names: Vec<String>,
}
