//! Credentials that Gatehouse itself holds: API keys, and user names with passwords.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{identity::ResourceName, time::Timestamp};

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
    /// The `Secret` that holds the key. A consumer may have several keys; while one replaces another, both are good.
    pub secret_ref: ResourceName,
    /// From when on the key is not good any more. Default: it stays good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

/// Parameters of `auth.basic` (RFC 7617). Requests without a known user name and its password are answered 401.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BasicPolicy {
    /// What callers are told they sign in to. Default `api`.
    #[serde(default = "default_realm")]
    #[schema(min_length = 1)]
    pub realm: String,
    /// Who may call.
    #[schema(min_items = 1)]
    pub users: Vec<BasicUser>,
    /// Whether the credentials travel on to the upstream. Default false.
    #[serde(default)]
    pub forward: bool,
}

fn default_realm() -> String {
    "api".to_owned()
}

/// One user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BasicUser {
    /// The name to sign in with, without `:`; rate limits can count by it.
    #[schema(min_length = 1)]
    pub username: String,
    /// The `Secret` that holds the password.
    pub secret_ref: ResourceName,
}
