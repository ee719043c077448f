//! What a connector's operation is told about its surroundings.
//!
//! ```
//! # mod acme { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/acme.rs")); }
//! use gatehouse_connector_sdk::{context::Context, error::Result, schemas::environment::Mode};
//!
//! /// Where Acme's admin API listens, as the environment's settings say.
//! fn admin_url(context: &Context) -> &str {
//!     let settings = &context.environment.settings;
//!     settings.get("adminUrl").and_then(|url| url.as_str()).unwrap_or("http://127.0.0.1:8001")
//! }
//!
//! # let context = acme::context(Mode::ReadWrite);
//! assert_eq!(context.environment.name.as_str(), "acme-test");
//! assert_eq!(admin_url(&context), "http://127.0.0.1:8001");
//! ```

use std::{collections::BTreeMap, fmt, sync::Arc};

use async_trait::async_trait;
use gatehouse_schemas::{
    environment::{Endpoint, Mode},
    identity::{EnvironmentId, ResourceName},
};
use secrecy::SecretString;
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use crate::{error::Result, journal::Journal, scheduler::Quotas};

/// The surroundings of one operation: the environment, its secrets, and the wish to stop.
///
/// The runtime makes one for each operation. A connector's tests make their own:
///
/// ```
/// # mod acme { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/acme.rs")); }
/// use std::sync::Arc;
///
/// use gatehouse_connector_sdk::{
///     context::{Context, EnvironmentContext},
///     journal::NoJournal,
///     scheduler::NoQuotas,
///     schemas::environment::Mode,
/// };
/// use tokio_util::sync::CancellationToken;
/// # use std::collections::BTreeMap;
/// # use gatehouse_connector_sdk::{context::SecretResolver, error::Result, schemas::identity::ResourceName};
/// # #[derive(Debug)]
/// # struct NoSecrets;
/// # #[async_trait::async_trait]
/// # impl SecretResolver for NoSecrets {
/// #     async fn resolve(&self, _: &[ResourceName]) -> Result<BTreeMap<ResourceName, secrecy::SecretString>> {
/// #         Ok(BTreeMap::new())
/// #     }
/// # }
///
/// fn context(environment: EnvironmentContext) -> Context {
///     Context {
///         environment: Arc::new(environment),
///         secrets: Arc::new(NoSecrets),
///         journal: Arc::new(NoJournal),
///         quotas: Arc::new(NoQuotas),
///         cancellation: CancellationToken::new(),
///     }
/// }
///
/// let context = context(acme::environment(Mode::ReadOnly));
/// assert!(!context.environment.mode.may_write());
/// context.cancellation.cancel();
/// assert!(context.cancellation.is_cancelled(), "a long operation ends at its next step");
/// ```
#[derive(Debug, Clone)]
pub struct Context {
    /// The environment it is about.
    pub environment: Arc<EnvironmentContext>,
    /// Resolves secrets that the desired state refers to. Asked for as late as possible, and not kept.
    pub secrets: Arc<dyn SecretResolver>,
    /// Records steps before they are taken.
    pub journal: Arc<dyn Journal>,
    /// Says when the vendor's operations may be called.
    pub quotas: Arc<dyn Quotas>,
    /// Cancelled when the deadline has passed or the agent stops; long operations look at it between steps.
    pub cancellation: CancellationToken,
}

/// One environment as its connector sees it.
///
/// ```
/// use std::collections::BTreeMap;
///
/// use gatehouse_connector_sdk::{
///     context::EnvironmentContext,
///     schemas::{environment::Mode, identity::EnvironmentId},
/// };
/// use secrecy::ExposeSecret;
/// use serde_json::{Map, json};
///
/// let environment = EnvironmentContext {
///     id: EnvironmentId(uuid::Uuid::from_u128(1)),
///     name: "acme-test".parse().unwrap(),
///     mode: Mode::ReadWrite,
///     settings: Map::from_iter([("adminUrl".to_owned(), json!("http://127.0.0.1:8001"))]),
///     credentials: BTreeMap::from([("token".to_owned(), "s3cret".into())]),
///     endpoints: Vec::new(),
/// };
/// let token = environment.credentials["token"].expose_secret();
/// assert_eq!(token, "s3cret");
/// assert!(!format!("{environment:?}").contains("s3cret"), "it does not show in the log");
/// ```
#[derive(Debug, Clone)]
pub struct EnvironmentContext {
    /// Which.
    pub id: EnvironmentId,
    /// Its name.
    pub name: ResourceName,
    /// What may be done there.
    pub mode: Mode,
    /// The connection's parameters, checked by the control plane against the connector's settings schema; read them
    /// with [`settings::read`](crate::settings::read), since the schema may have been another version's.
    pub settings: Map<String, Value>,
    /// The gateway's credentials, resolved, by the connector's name for each. Those that the descriptor does not
    /// require may be missing.
    pub credentials: BTreeMap<String, SecretString>,
    /// Where consumers reach the gateway (scheme, host, optional port), if people said so.
    pub endpoints: Vec<Endpoint>,
}

/// Gives the values of secrets, just when they are needed.
///
/// For a connector's tests, one that knows a single secret:
///
/// ```
/// use std::collections::BTreeMap;
///
/// use async_trait::async_trait;
/// use gatehouse_connector_sdk::{
///     context::SecretResolver,
///     error::{Error, ErrorKind, Result},
///     schemas::identity::ResourceName,
/// };
/// use secrecy::{ExposeSecret, SecretString};
///
/// #[derive(Debug)]
/// struct OneSecret(ResourceName, SecretString);
///
/// #[async_trait]
/// impl SecretResolver for OneSecret {
///     async fn resolve(&self, names: &[ResourceName]) -> Result<BTreeMap<ResourceName, SecretString>> {
///         let value = |name: &ResourceName| match *name == self.0 {
///             true => Ok((name.clone(), self.1.clone())),
///             false => Err(Error::new(ErrorKind::Invalid, format!("there is no secret `{name}`; create it"))),
///         };
///         names.iter().map(value).collect()
///     }
/// }
/// # mod acme { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/acme.rs")); }
/// # acme::run(async {
///
/// let name: ResourceName = "shop-key".parse()?;
/// let secrets = OneSecret(name.clone(), "k-123".into());
/// let values = secrets.resolve(&[name.clone()]).await?;
/// assert_eq!(values[&name].expose_secret(), "k-123");
/// assert!(secrets.resolve(&["other".parse()?]).await.is_err());
/// # Ok(())
/// # });
/// ```
#[async_trait]
pub trait SecretResolver: fmt::Debug + Send + Sync {
    /// The values of these secrets, by name: all of them, or an error.
    ///
    /// # Errors
    ///
    /// `Invalid` if there is no such secret, `Forbidden` if the agent was revoked, `Unavailable` if the control plane
    /// cannot be asked for now. The message names the secrets.
    async fn resolve(&self, names: &[ResourceName]) -> Result<BTreeMap<ResourceName, SecretString>>;
}
