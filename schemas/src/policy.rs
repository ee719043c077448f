//! Canonical policies: what must hold for requests to an API, in our words.
//!
//! Gateways differ; a connector translates these and says how faithfully. Each policy type has one
//! strict schema; its name in JSON is `area.word`, for example `auth.apiKey`. How policies of several
//! places come together is [`merge`].

mod canonical;
mod conditions;
mod expanded;
mod explain;
mod external;
mod keys;
mod limits;
mod merge;
mod messages;
mod native;
mod network;
mod requests;
mod responses;
mod secrets;
mod tokens;
mod transform;
mod wasm;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub(crate) use self::canonical::certificates;
pub use self::{
    conditions::{ConditionsPolicy, condition, mentioned, patterns, strange_pattern},
    expanded::{
        DefinitionPart, ExpandedAnswer, ExpandedAnswers, ExpandedBody, ExpandedExample, ExpandedParameter,
        ExpandedRequest, ExpandedRequests, ParameterLocation, ParameterStyle,
    },
    explain::{ExplainedPolicy, Explanation, OverriddenPolicy, explain},
    external::ExtAuthzPolicy,
    keys::{ApiKeyConsumer, ApiKeyPolicy, BasicPolicy, BasicUser, CredentialLocation},
    limits::{
        Period, QuotaPeriod, QuotaPolicy, RateLimit, RateLimitKey, RateLimitPolicy, RequestSizePolicy,
        RetryCondition, RetryPolicy, TimeoutPolicy,
    },
    merge::{Layer, Lockable, MergeRule, Origin, merge},
    messages::{
        CALLERS_HOST, CorsPolicy, ExampleChoice, HeaderChanges, HeadersPolicy, QueryChanges, Redirect,
        RedirectScheme, RespondPolicy, RewritePolicy,
    },
    native::NativePolicy,
    network::Network,
    requests::{IpFilterPolicy, RequestValidatePolicy},
    responses::{CachePolicy, LogPolicy},
    secrets::{SecretReference, SecretVersion},
    tokens::{JwtAlgorithm, JwtPolicy, MtlsPolicy, OAuth2Policy, TrustedIssuer},
    transform::{BodyFormat, BodyTransform, TransformPolicy, placeholders},
    wasm::{ExtWasmPolicy, OnFailure},
};

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
    /// Callers sign in with a user name and a password. A security policy.
    #[serde(rename = "auth.basic")]
    AuthBasic(BasicPolicy),
    /// Callers present a token that an authorization server calls active. A security policy.
    #[serde(rename = "auth.oauth2")]
    AuthOAuth2(OAuth2Policy),
    /// Callers present a client certificate of a trusted authority. A security policy.
    #[serde(rename = "auth.mtls")]
    AuthMtls(MtlsPolicy),
    /// Expressions hold of each request. A security policy.
    #[serde(rename = "auth.conditions")]
    AuthConditions(ConditionsPolicy),
    /// A service decides about each request. A security policy.
    #[serde(rename = "ext.authz")]
    ExtAuthz(ExtAuthzPolicy),
    /// A WebAssembly module decides about each request, changes its answer, or both. A security policy.
    #[serde(rename = "ext.wasm")]
    ExtWasm(ExtWasmPolicy),
    /// Callers come from certain networks. A security policy.
    #[serde(rename = "ip.filter")]
    IpFilter(IpFilterPolicy),
    /// What requests must have, and what their bodies must look like.
    #[serde(rename = "request.validate")]
    RequestValidate(RequestValidatePolicy),
    /// The largest request body let through.
    #[serde(rename = "request.size")]
    RequestSize(RequestSizePolicy),
    /// The highest rate of requests let through.
    #[serde(rename = "ratelimit")]
    RateLimit(RateLimitPolicy),
    /// How many requests are let through in a calendar period.
    #[serde(rename = "quota")]
    Quota(QuotaPolicy),
    /// Cross-origin resource sharing (Fetch standard), preflight requests included.
    #[serde(rename = "cors")]
    Cors(CorsPolicy),
    /// Changes of request and response headers.
    #[serde(rename = "headers")]
    Headers(HeadersPolicy),
    /// Another path or query at the upstream.
    #[serde(rename = "rewrite")]
    Rewrite(RewritePolicy),
    /// Another body than was sent, of requests or responses.
    #[serde(rename = "transform")]
    Transform(TransformPolicy),
    /// A fixed answer of the gateway itself.
    #[serde(rename = "respond")]
    Respond(RespondPolicy),
    /// How long the upstream may take.
    #[serde(rename = "timeout")]
    Timeout(TimeoutPolicy),
    /// What is sent again after a failure.
    #[serde(rename = "retry")]
    Retry(RetryPolicy),
    /// Which answers are kept and given again.
    #[serde(rename = "cache")]
    Cache(CachePolicy),
    /// What is written of each request.
    #[serde(rename = "log")]
    Log(LogPolicy),
    /// A fragment in the language of one gateway type.
    #[serde(rename = "native")]
    Native(NativePolicy),
}

impl Policy {
    /// Every canonical policy type there is.
    pub const TYPES: [&'static str; 23] = [
        "auth.apiKey",
        "auth.jwt",
        "auth.basic",
        "auth.oauth2",
        "auth.mtls",
        "auth.conditions",
        "ext.authz",
        "ext.wasm",
        "ip.filter",
        "request.validate",
        "request.size",
        "ratelimit",
        "quota",
        "cors",
        "headers",
        "rewrite",
        "transform",
        "respond",
        "timeout",
        "retry",
        "cache",
        "log",
        "native",
    ];

    /// The type as written in documents.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::AuthApiKey(_) => "auth.apiKey",
            Self::AuthJwt(_) => "auth.jwt",
            Self::AuthBasic(_) => "auth.basic",
            Self::AuthOAuth2(_) => "auth.oauth2",
            Self::AuthMtls(_) => "auth.mtls",
            Self::AuthConditions(_) => "auth.conditions",
            Self::ExtAuthz(_) => "ext.authz",
            Self::ExtWasm(_) => "ext.wasm",
            Self::IpFilter(_) => "ip.filter",
            Self::RequestValidate(_) => "request.validate",
            Self::RequestSize(_) => "request.size",
            Self::RateLimit(_) => "ratelimit",
            Self::Quota(_) => "quota",
            Self::Cors(_) => "cors",
            Self::Headers(_) => "headers",
            Self::Rewrite(_) => "rewrite",
            Self::Transform(_) => "transform",
            Self::Respond(_) => "respond",
            Self::Timeout(_) => "timeout",
            Self::Retry(_) => "retry",
            Self::Cache(_) => "cache",
            Self::Log(_) => "log",
            Self::Native(_) => "native",
        }
    }

    /// The parameter by which it refers to the definition of its API, if it does.
    pub fn definition_field(&self) -> Option<&'static str> {
        match self {
            Self::RequestValidate(policy) if !policy.definition.is_empty() => Some("definition"),
            Self::Respond(policy) if policy.example.is_some() => Some("example"),
            _ => None,
        }
    }

    /// The policy as people wrote it: without what a revision took out of the definition for it.
    #[must_use]
    pub fn as_written(&self) -> Self {
        let mut written = self.clone();
        match &mut written {
            Self::RequestValidate(policy) => policy.expanded = None,
            Self::Respond(policy) => policy.expanded = None,
            _ => {}
        }
        written
    }

    /// Whether leaving it out would let somebody in who must stay out.
    pub fn is_security(&self) -> bool {
        Self::is_security_type(self.type_name())
    }

    /// Whether policies of this type are security policies: all of `auth`, all of `ext` and
    /// `ip.filter`.
    pub fn is_security_type(policy: &str) -> bool {
        policy.starts_with("auth.") || policy.starts_with("ext.") || policy == "ip.filter"
    }
}

#[cfg(test)]
mod tests;
