//! Which requests are let in by where they come from and what they look like.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{DefinitionPart, ExpandedRequests};

/// Parameters of `ip.filter`. Requests from other addresses are answered 403. The address is that of the connection.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IpFilterPolicy {
    /// Networks (`10.0.0.0/8`, `2001:db8::/32`) or addresses that may call; empty means all that are not denied.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<String>,
    /// Networks or addresses that may not call, even if they are allowed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deny: Vec<String>,
}

/// Parameters of `request.validate`. Requests that are otherwise are answered 400, those with another type of body 415.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RequestValidatePolicy {
    /// Headers that must be there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub required_headers: Vec<String>,
    /// Query parameters that must be there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub required_query: Vec<String>,
    /// Media types a body may have, without parameters; empty means any. A request without a body has none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(example = json!(["application/json"]))]
    pub content_types: Vec<String>,
    /// What a JSON body must satisfy: a JSON Schema (2020-12) that refers to nothing outside itself. A request
    /// without a body does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object)]
    pub body_schema: Option<Map<String, Value>>,
    /// What of requests is held against the API's definition, operation by operation. Only in policies of an API that
    /// has one. Parameters and fields that the definition does not name are let through, unless it says otherwise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(example = json!(["parameters", "body"]))]
    pub definition: Vec<DefinitionPart>,
    /// What the definition says of them. Revisions have it; it is never written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(read_only)]
    pub expanded: Option<Box<ExpandedRequests>>,
}
