//! The settings of an environment that is a Kong.
//!
//! People write them in `Environment.spec.settings`. The schema that the control plane checks them against comes
//! from the type; its comments are the descriptions that people read.

use gatehouse_connector_sdk::{
    context::{Context, EnvironmentContext},
    error::{Error, ErrorKind, Result},
    schemas::identity::GatewayType,
    settings,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The gateway type that the agent announces.
pub const GATEWAY_TYPE: &str = "kong";

/// [`GATEWAY_TYPE`] as a type.
#[expect(clippy::expect_used, reason = "a constant that every test parses")]
pub(crate) fn gateway_type() -> GatewayType {
    GATEWAY_TYPE.parse().expect("the gateway type is a name")
}

/// The credential with which the Admin API is called: a `Kong-Admin-Token`, or a token of Konnect.
pub const ADMIN_TOKEN: &str = "adminToken";

/// The credential with which the agent itself is known to the Admin API's TLS: a certificate and its private key, both
/// in one PEM text.
pub const CLIENT_CERTIFICATE: &str = "clientCertificate";

/// `Environment.spec.settings` of gateway type `kong`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KongSettings {
    /// Whose Kong it is: `self-managed`, with an Admin API of its own, or `konnect`.
    #[schema(pattern = "^(self-managed|konnect)$", example = "self-managed")]
    pub deployment: String,
    /// Self-managed: where the Admin API is, with the path prefix if it is behind one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(
        format = "uri",
        pattern = "^https?://",
        example = "https://kong-admin.internal:8444"
    )]
    pub admin_url: Option<String>,
    /// Self-managed: the header that carries the credential `adminToken`.
    #[serde(default = "default_token_header")]
    #[schema(pattern = "^[A-Za-z0-9-]+$")]
    pub token_header: String,
    /// Self-managed, Enterprise only: the workspace. Absent means the default one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^[A-Za-z0-9._~-]+$", example = "payments")]
    pub workspace: Option<String>,
    /// The certificate of the authority that vouches for the Admin API, in PEM. Absent means those of the system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_authority: Option<String>,
    /// Konnect: the region, such as `us`, `eu`, `au`, `me`, `in` or `sg`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^[a-z]{2,8}$", example = "eu")]
    pub region: Option<String>,
    /// Konnect: its URL, in place of the region's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = "uri", pattern = "^https?://", example = "https://eu.api.konghq.com")]
    pub konnect_url: Option<String>,
    /// Konnect: the control plane's id or name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, example = "production")]
    pub control_plane: Option<String>,
    /// Where consumers reach Kong's proxy. After a deploy it is asked until it serves the new revision; absent means
    /// that nobody asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = "uri", pattern = "^https?://", example = "https://api.example.com")]
    pub proxy_url: Option<String>,
    /// How long the proxy may take to serve what was deployed, in milliseconds.
    #[serde(default = "default_propagation_ms")]
    #[schema(minimum = 1_000, maximum = 240_000)]
    pub propagation_timeout_ms: u32,
    /// How long one call of the Admin API may take, in milliseconds.
    #[serde(default = "default_timeout_ms")]
    #[schema(minimum = 100, maximum = 600_000)]
    pub timeout_ms: u32,
}

fn default_token_header() -> String {
    "Kong-Admin-Token".to_owned()
}

/// Nodes look for changes every 5 s unless told otherwise (`db_update_frequency`).
fn default_propagation_ms() -> u32 {
    30_000
}

fn default_timeout_ms() -> u32 {
    10_000
}

/// Which Kong an environment is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Deployment {
    SelfManaged {
        admin_url: String,
        workspace: Option<String>,
    },
    Konnect {
        url: String,
        control_plane: String,
    },
}

/// The settings of an operation's environment.
pub(crate) fn read(context: &Context) -> Result<KongSettings> {
    settings::read(&context.environment)
}

/// Which Kong it is; refused if what leads there is missing.
pub(crate) fn deployment(settings: &KongSettings, environment: &EnvironmentContext) -> Result<Deployment> {
    let needs = |value: &Option<String>, field: &str| {
        value
            .clone()
            .ok_or_else(|| missing(environment, &settings.deployment, field))
    };
    match settings.deployment.as_str() {
        "self-managed" => Ok(Deployment::SelfManaged {
            admin_url: needs(&settings.admin_url, "adminUrl")?,
            workspace: settings.workspace.clone(),
        }),
        "konnect" => Ok(Deployment::Konnect {
            url: match &settings.konnect_url {
                Some(url) => url.clone(),
                None => format!("https://{}.api.konghq.com", needs(&settings.region, "region")?),
            },
            control_plane: needs(&settings.control_plane, "controlPlane")?,
        }),
        other => Err(Error::new(
            ErrorKind::Invalid,
            format!(
                "`{other}` is no deployment of Kong; write `self-managed` or `konnect` as `spec.settings.deployment` of environment `{}`",
                environment.name
            ),
        )),
    }
}

fn missing(environment: &EnvironmentContext, deployment: &str, field: &str) -> Error {
    Error::new(
        ErrorKind::Invalid,
        format!(
            "a Kong that is `{deployment}` needs `{field}`; add it to `spec.settings` of environment `{}`",
            environment.name
        ),
    )
}
