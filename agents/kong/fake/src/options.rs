//! How a fake Kong is set up: version, database, router flavour, plugins, who may ask.

use std::time::Duration;

/// How a [`FakeKong`](crate::FakeKong) is set up.
///
/// ```
/// use gatehouse_fake_kong::{Database, FakeKongOptions};
///
/// let options = FakeKongOptions { database: Database::Off, ..FakeKongOptions::default() };
/// assert_eq!(options.version, "3.9.3");
/// ```
#[derive(Debug, Clone)]
pub struct FakeKongOptions {
    /// Where Kong keeps its configuration.
    pub database: Database,
    /// The version that it says it is. Versions before 3.9 know fewer fields.
    pub version: String,
    /// How routes say what they match.
    pub router_flavor: RouterFlavor,
    /// The header and the token without which the Admin API is refused.
    pub admin_token: Option<AdminToken>,
    /// A token that may only read, in the header of [`admin_token`](Self::admin_token).
    pub read_only_token: Option<String>,
    /// A path before every path of the Admin API, as when a route of Kong leads to it: `/admin-api`.
    pub path_prefix: String,
    /// The plugins that are enabled.
    pub plugins: Plugins,
    /// How long the proxy takes to see a change.
    pub propagation_delay: Duration,
    /// What Kong Enterprise has beyond the open Kong, if it is one.
    pub enterprise: Option<Enterprise>,
    /// The port of the Admin API; 0 takes a free one.
    pub admin_port: u16,
    /// The port of the proxy; 0 takes a free one.
    pub proxy_port: u16,
}

impl Default for FakeKongOptions {
    fn default() -> Self {
        Self {
            database: Database::Postgres,
            version: "3.9.3".to_owned(),
            router_flavor: RouterFlavor::TraditionalCompatible,
            admin_token: None,
            read_only_token: None,
            path_prefix: String::new(),
            plugins: Plugins::Bundled,
            propagation_delay: Duration::from_millis(50),
            enterprise: None,
            admin_port: 0,
            proxy_port: 0,
        }
    }
}

/// Where Kong keeps its configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Database {
    /// In PostgreSQL: entities are written one by one.
    Postgres,
    /// In memory: the whole configuration is posted to `/config`.
    Off,
}

/// How routes say what they match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RouterFlavor {
    /// By paths, methods, hosts, headers.
    TraditionalCompatible,
    /// By an expression, too.
    Expressions,
}

/// What the Admin API wants to see before it answers.
#[derive(Debug, Clone)]
pub struct AdminToken {
    /// The header that carries the token.
    pub header: String,
    /// The token.
    pub token: String,
}

/// The plugins that are enabled.
#[derive(Debug, Clone)]
pub enum Plugins {
    /// All that come with Kong.
    Bundled,
    /// These alone.
    Only(Vec<String>),
}

impl Plugins {
    pub(crate) fn is_enabled(&self, name: &str) -> bool {
        match self {
            Self::Bundled => true,
            Self::Only(names) => names.iter().any(|known| known == name),
        }
    }
}

/// What Kong Enterprise has beyond the open Kong.
#[derive(Debug, Clone)]
pub struct Enterprise {
    /// The workspaces; their entities are the same ones here.
    pub workspaces: Vec<String>,
    /// The specifications of the Dev Portal.
    pub documents: Vec<PortalDocument>,
}

impl Default for Enterprise {
    fn default() -> Self {
        Self {
            workspaces: vec!["default".to_owned()],
            documents: Vec::new(),
        }
    }
}

/// A specification in the Dev Portal, and the service that it is about.
#[derive(Debug, Clone)]
pub struct PortalDocument {
    /// The workspace that it is in.
    pub workspace: String,
    /// The id or the name of the service.
    pub service: String,
    /// The path of the file: `specs/petstore.yaml`.
    pub path: String,
    /// The text of the file.
    pub contents: String,
}
