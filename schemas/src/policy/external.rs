//! Decisions that a service outside of the gateway makes.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Parameters of `ext.authz`: a service is asked about every request before it goes on.
///
/// The gateway sends `GET` to the URL, with `X-Forwarded-Method`, `X-Forwarded-Proto`, `X-Forwarded-Host`,
/// `X-Forwarded-Uri` and `X-Forwarded-For` saying what the request is, and with the headers listed here. An answer of 2xx
/// lets the request through; one of 3xx or 4xx is given to the caller as it is, with its body of up to 64 KiB and what tells
/// callers how to get in (`WWW-Authenticate`, `Location`, `Set-Cookie`). Any other answer, and none in time, is answered 503:
/// nobody gets in while nobody decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExtAuthzPolicy {
    /// Where the service is asked.
    #[schema(format = "uri", min_length = 1)]
    pub url: String,
    /// How long it may take, in milliseconds. Default 500.
    #[serde(default = "default_timeout_ms")]
    #[schema(minimum = 1, maximum = 60_000)]
    pub timeout_ms: u32,
    /// The request's headers that it sees. Default `authorization` and `cookie`.
    #[serde(default = "default_request_headers")]
    pub request_headers: Vec<String>,
    /// Headers of its answer that go on to the upstream, in place of the caller's own of the same name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub upstream_headers: Vec<String>,
    /// The header of its answer that names the consumer; rate limits can count by it. Absent means that none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consumer_header: Option<String>,
}

fn default_timeout_ms() -> u32 {
    500
}

fn default_request_headers() -> Vec<String> {
    vec!["authorization".to_owned(), "cookie".to_owned()]
}
