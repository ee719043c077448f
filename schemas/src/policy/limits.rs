//! How much and how long: rates, quotas, sizes, times, attempts.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

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

/// What a rate limit or a quota counts separately.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum RateLimitKey {
    /// The address the connection comes from.
    #[default]
    Address,
    /// The authenticated consumer (API key's consumer, user name, or the token's `sub`); the address if there is none.
    Consumer,
    /// Everything together.
    Api,
    /// The value of a request header; requests without it count together.
    Header(String),
    /// The value of a claim of the caller's token, as `auth.jwt` verified it; requests without it count together.
    Claim(String),
}

/// Parameters of `quota`: so many requests in a calendar period in UTC, over all gateways together. Requests beyond
/// it are answered 429 until the next period begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct QuotaPolicy {
    /// How many.
    #[schema(minimum = 1)]
    pub requests: u64,
    /// In what period.
    pub per: QuotaPeriod,
    /// What is counted separately. Default: the consumer.
    #[serde(default = "default_quota_key")]
    pub key: RateLimitKey,
}

fn default_quota_key() -> RateLimitKey {
    RateLimitKey::Consumer
}

/// A calendar period; weeks begin on Monday.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "the names say it")]
pub enum QuotaPeriod {
    Hour,
    Day,
    Week,
    Month,
}

/// Parameters of `timeout`. Requests whose upstream takes longer are answered 504.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TimeoutPolicy {
    /// From the request sent to the response's head received, in milliseconds. The upstream's own `timeoutMs` holds
    /// as well, so the smaller one counts.
    #[schema(minimum = 1, maximum = 3_600_000)]
    pub response_ms: u32,
}

/// Parameters of `retry`: requests that failed are sent to the upstream again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RetryPolicy {
    /// How often a request may be sent again.
    #[schema(minimum = 1, maximum = 10)]
    pub attempts: u32,
    /// After what. Default: when no connection could be made.
    #[serde(default = "default_conditions")]
    #[schema(min_items = 1)]
    pub on: Vec<RetryCondition>,
    /// After answers of which statuses as well, each from 400 to 599.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(example = json!([500, 429]))]
    pub statuses: Vec<u16>,
    /// For which methods. Default those that change nothing when repeated: GET, HEAD, OPTIONS, PUT, DELETE.
    #[serde(default = "default_methods")]
    #[schema(min_items = 1)]
    pub methods: Vec<String>,
    /// How long to wait before the first repetition, in milliseconds; each further wait is twice as long. Default 100.
    #[serde(default = "default_backoff_ms")]
    #[schema(maximum = 60_000)]
    pub backoff_ms: u32,
    /// How long each attempt may take to the response's head, connecting included, in milliseconds. All attempts and
    /// the pauses between them then take no longer than the request may take. Default: each attempt has that time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 3_600_000)]
    pub per_try_timeout_ms: Option<u32>,
}

fn default_conditions() -> Vec<RetryCondition> {
    vec![RetryCondition::ConnectFailure]
}

fn default_methods() -> Vec<String> {
    ["DELETE", "GET", "HEAD", "OPTIONS", "PUT"]
        .map(str::to_owned)
        .to_vec()
}

fn default_backoff_ms() -> u32 {
    100
}

/// After what a request is sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum RetryCondition {
    /// No connection to the upstream.
    ConnectFailure,
    /// No answer in time.
    Timeout,
    /// An answer of 502, 503 or 504.
    Unavailable,
}
