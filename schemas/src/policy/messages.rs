//! Changes of messages: cross-origin headers, other headers, rewritten targets, fixed answers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ExpandedAnswers;

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

/// Headers that belong to the connection or to the framing of the message. Changing them would let two
/// parties disagree on where a request ends or whom it is for.
const UNCHANGEABLE: [&str; 10] = [
    "connection",
    "content-length",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
];

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

    /// Whether a policy may change a header, whatever its case.
    pub fn may_change(header: &str) -> bool {
        !UNCHANGEABLE.contains(&header.to_ascii_lowercase().as_str())
    }
}

/// Parameters of `rewrite`: the upstream is asked for another path or with another query than the caller wrote.
/// Which operation a request is for, and its policies, are decided by what the caller wrote.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RewritePolicy {
    /// The path in place of the caller's, below the upstream's own. `{name}` stands for what the operation's path
    /// has there, and can be used only in a policy of an operation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^/", example = "/v2/orders/{id}")]
    pub path: Option<String>,
    /// The host in place of the upstream's own; `{host}` is the one that the caller asked, port included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "{host}")]
    pub host: Option<String>,
    /// Changes of the query.
    #[serde(default, skip_serializing_if = "QueryChanges::is_empty")]
    pub query: QueryChanges,
}

/// What stands for the caller's host in a `rewrite`.
pub const CALLERS_HOST: &str = "{host}";

/// Changes of query parameters, carried out in this order: remove, set. What is set comes last.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct QueryChanges {
    /// Parameters to take away, however often they are there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<String>,
    /// Parameters that replace whatever is there.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub set: BTreeMap<String, String>,
}

impl QueryChanges {
    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.remove.is_empty() && self.set.is_empty()
    }
}

/// Parameters of `respond`: the gateway answers itself, once every check is passed; the upstream is not asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RespondPolicy {
    /// The status code.
    #[serde(default = "default_status")]
    #[schema(minimum = 200, maximum = 599)]
    pub status: u16,
    /// The headers, `content-type` among them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// The body as text; absent means none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// Sends the caller elsewhere, with a status of 301, 302, 303, 307 or 308.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redirect: Option<Redirect>,
    /// Answers with the examples of the API's definition, in place of a `status` and `body` written here. Only in policies
    /// of an API that has one. Callers choose with `Accept`, and with `Prefer: code=404` or `Prefer: example=NAME`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub example: Option<ExampleChoice>,
    /// The examples. Revisions have them; they are never written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(read_only)]
    pub expanded: Option<Box<ExpandedAnswers>>,
}

fn default_status() -> u16 {
    200
}

/// Which example is the usual one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExampleChoice {
    /// The status whose example is given; absent means the lowest one that is a success.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 200, maximum = 599)]
    pub status: Option<u16>,
}

/// Where callers are sent: the URL that they asked for, with other parts. The query stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Redirect {
    /// Another scheme; without a `port`, that scheme's usual one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheme: Option<RedirectScheme>,
    /// Another host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Another port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 65_535)]
    pub port: Option<u16>,
    /// Another path, whole: the base path is not put before it. `{name}` stands for what the operation's path has
    /// there, and can be used only in a policy of an operation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^/", example = "/new/{rest}")]
    pub path: Option<String>,
}

/// The scheme of a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the names say it")]
pub enum RedirectScheme {
    Http,
    Https,
}
