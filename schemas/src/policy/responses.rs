//! What is kept of answers: in a cache, in a log.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Parameters of `cache`: answers of 200 to GET and HEAD are kept and given again, to callers who pass every check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CachePolicy {
    /// How long, in seconds. `Cache-Control: no-store` and `private` of an answer keep it out.
    #[schema(minimum = 1, maximum = 31_536_000)]
    pub ttl_seconds: u32,
    /// Query parameters that make a difference; absent means all, empty means none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vary_query: Option<Vec<String>>,
    /// Request headers that make a difference.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub vary_headers: Vec<String>,
    /// Whether every consumer has answers of their own. Default true.
    #[serde(default = "default_per_consumer")]
    pub per_consumer: bool,
}

fn default_per_consumer() -> bool {
    true
}

/// Parameters of `log`: what is written of each request beyond method, path, status and time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LogPolicy {
    /// Of how many requests in a hundred. Default all.
    #[serde(default = "default_percent")]
    #[schema(minimum = 0, maximum = 100)]
    pub percent: u8,
    /// Request headers whose values are written; never one that carries a credential.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub request_headers: Vec<String>,
    /// Response headers whose values are written; never one that carries a credential.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub response_headers: Vec<String>,
}

fn default_percent() -> u8 {
    100
}
