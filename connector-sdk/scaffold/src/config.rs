//! The settings of an environment of this gateway type.
//!
//! People write them in `Environment.spec.settings`. The schema that the control plane checks them against comes
//! from the type; its comments are the descriptions that people read.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The gateway type that the agent announces: environments that name it in `spec.gatewayType` are its own.
pub const GATEWAY_TYPE: &str = "scaffold";

/// The name of the credential in `Environment.spec.credentials`.
pub const ADMIN_TOKEN: &str = "adminToken";

/// `Environment.spec.settings` of this gateway type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScaffoldSettings {
    /// Where the gateway's Admin API listens.
    #[schema(format = "uri", pattern = "^https?://", example = "http://127.0.0.1:7001")]
    pub admin_url: String,
    /// Where consumers reach the gateway, unless the environment has `endpoints`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = "uri", pattern = "^https?://", example = "http://127.0.0.1:7000")]
    pub proxy_url: Option<String>,
    /// How long one call of the Admin API may take, in milliseconds.
    #[serde(default = "default_timeout_ms")]
    #[schema(minimum = 100, maximum = 600_000)]
    pub timeout_ms: u32,
}

fn default_timeout_ms() -> u32 {
    10_000
}
