//! The scheduler: when a vendor's operation may be called.
//!
//! All work of this agent on one vendor account shares its quotas: deploys, discoveries, looks, of all environments.
//! A connector asks for a permit before every call and tells what came of it; a call that the vendor refused for its
//! rate is tried again, never told to anybody. [`call`] does all of that around one call.
//!
//! ```
//! # mod acme { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/acme.rs")); }
//! # acme::run(async {
//! use gatehouse_connector_sdk::{
//!     memory::{MemoryConnector, MemoryGateway},
//!     connector::Connector,
//!     scheduler::{Priority, Scheduler, call},
//!     schemas::{identity::EnvironmentId, quota::Quota},
//! };
//! use serde_json::Map;
//! use tokio_util::sync::CancellationToken;
//!
//! // Two calls at once, and one more each second.
//! let quota = Quota { operation: "CreateRoute".to_owned(), burst: 2, interval_ms: 1_000 };
//! let connector = MemoryConnector::new(MemoryGateway::new()).with_descriptor(|it| it.quotas.push(quota));
//! let scheduler = Scheduler::new(connector.descriptor());
//!
//! let environment = EnvironmentId(uuid::Uuid::from_u128(1));
//! let quotas = scheduler.quotas(environment, &Map::new(), Priority::Normal, CancellationToken::new());
//! let made = call(quotas.as_ref(), "CreateRoute", || async { Ok("route/42") }).await?;
//! assert_eq!(made, "route/42");
//! # Ok(())
//! # });
//! ```

mod account;
mod bucket;
mod call;
mod operations;
mod permit;
mod queue;
mod waiting;

pub use call::call;
pub(crate) use waiting::WaitingClock;

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use account::Account;
use async_trait::async_trait;
pub use gatehouse_control_plane_api::agent::Priority;
use gatehouse_schemas::{
    descriptor::Descriptor,
    identity::EnvironmentId,
    quota::{Quota, VendorCalls},
};
use serde_json::{Map, Value};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{error::Result, monitor::TypeMonitor};

/// The name under which a vendor publishes a quota for all operations of an account together.
const ALL_OPERATIONS: &str = "*";

/// Gives out permits for calls on one vendor account, for one piece of work.
///
/// A connector asks before each call; most do so with [`call`]:
///
/// ```
/// # mod acme { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/acme.rs")); }
/// # acme::run(async {
/// use std::time::Duration;
///
/// use gatehouse_connector_sdk::{
///     scheduler::{NoQuotas, Quotas},
///     schemas::quota::VendorCalls,
/// };
///
/// let quotas: &dyn Quotas = &NoQuotas;
/// quotas.acquire("CreateRoute").await?;
/// // The call was made, and Acme answered 429 with `Retry-After: 2`.
/// quotas.throttled("CreateRoute", Some(Duration::from_secs(2)));
/// quotas.acquire("CreateRoute").await?;
/// quotas.succeeded("CreateRoute");
///
/// let rest = VendorCalls::from([("CreateRoute".to_owned(), 3)]);
/// assert_eq!(quotas.eta_ms(&rest), 0, "without quotas nothing waits");
/// # Ok(())
/// # });
/// ```
#[async_trait]
pub trait Quotas: fmt::Debug + Send + Sync {
    /// Waits until this operation, by the vendor's name for it, may be called once. An operation that no quota names is
    /// limited by the account's quota `*`, or not at all until the vendor refuses a call.
    ///
    /// # Errors
    ///
    /// `Unavailable` when the work is cancelled, and nothing else.
    async fn acquire(&self, operation: &str) -> Result<()>;

    /// Tells that the vendor refused a call of this operation for its rate (429), and when it said to come back
    /// (`Retry-After`). Without a time, the pause is a second; a time of more than an hour counts as an hour.
    fn throttled(&self, operation: &str, retry_after: Option<Duration>);

    /// Tells that the vendor took a call of this operation.
    fn succeeded(&self, operation: &str);

    /// How long until these calls would be made if they were asked for now, behind what is waiting already, in
    /// milliseconds.
    fn eta_ms(&self, calls: &VendorCalls) -> u64;
}

/// For gateways without quotas, and tests.
///
/// ```
/// # mod acme { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/acme.rs")); }
/// # acme::run(async {
/// use gatehouse_connector_sdk::scheduler::{NoQuotas, Quotas};
///
/// for _ in 0..1_000 {
///     NoQuotas.acquire("CreateRoute").await?;
/// }
/// # Ok(())
/// # });
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct NoQuotas;

#[async_trait]
impl Quotas for NoQuotas {
    async fn acquire(&self, _operation: &str) -> Result<()> {
        Ok(())
    }

    fn throttled(&self, _operation: &str, _retry_after: Option<Duration>) {}

    fn succeeded(&self, _operation: &str) {}

    fn eta_ms(&self, _calls: &VendorCalls) -> u64 {
        0
    }
}

/// The quotas of all vendor accounts that this agent works on. One for the whole process.
///
/// The runtime has one for each connector; a connector's tests may want their own:
///
/// ```
/// use gatehouse_connector_sdk::{
///     connector::Connector,
///     memory::{MemoryConnector, MemoryGateway},
///     scheduler::{Priority, Scheduler},
///     schemas::{
///         identity::EnvironmentId,
///         quota::{Quota, VendorCalls},
///     },
/// };
/// use serde_json::{Map, json};
/// use tokio_util::sync::CancellationToken;
///
/// let connector = MemoryConnector::new(MemoryGateway::new()).with_descriptor(|descriptor| {
///     descriptor.quotas.push(Quota { operation: "CreateRoute".to_owned(), burst: 1, interval_ms: 60_000 });
///     descriptor.account_settings.push("account".to_owned());
/// });
/// let scheduler = Scheduler::new(connector.descriptor());
///
/// let settings = Map::from_iter([("account".to_owned(), json!("acme-42"))]);
/// let quotas = |environment: u128| {
///     let id = EnvironmentId(uuid::Uuid::from_u128(environment));
///     scheduler.quotas(id, &settings, Priority::Normal, CancellationToken::new())
/// };
/// // Two environments of one account wait for each other: the second call comes a minute after the first.
/// let calls = VendorCalls::from([("CreateRoute".to_owned(), 2)]);
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// quotas(1).acquire("CreateRoute").await.unwrap();
/// assert!(quotas(2).eta_ms(&calls) > 60_000);
/// # });
/// ```
#[derive(Debug)]
pub struct Scheduler {
    published: Vec<Quota>,
    account_settings: Vec<String>,
    accounts: Mutex<HashMap<AccountKey, Arc<Account>>>,
    monitor: Option<TypeMonitor>,
}

/// What tells one account of the vendor from another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum AccountKey {
    /// The values of the settings that name it.
    Settings(String),
    /// The connector names none: each environment is taken for an account of its own.
    Environment(EnvironmentId),
}

impl Scheduler {
    /// For a connector's published quotas.
    pub fn new(descriptor: &Descriptor) -> Self {
        Self {
            published: descriptor.quotas.clone(),
            account_settings: descriptor.account_settings.clone(),
            accounts: Mutex::default(),
            monitor: None,
        }
    }

    /// Counts waits and refusals, too.
    pub(crate) fn counted(mut self, monitor: TypeMonitor) -> Self {
        self.monitor = Some(monitor);
        self
    }

    /// The quotas of an environment's account, for one piece of work there. Waiting ends with the cancellation.
    pub fn quotas(
        &self,
        environment: EnvironmentId,
        settings: &Map<String, Value>,
        priority: Priority,
        cancellation: CancellationToken,
    ) -> Arc<dyn Quotas> {
        Arc::new(AccountQuotas {
            account: self.account(self.key(environment, settings)),
            environment,
            priority,
            cancellation,
            monitor: self.monitor.clone(),
        })
    }

    fn key(&self, environment: EnvironmentId, settings: &Map<String, Value>) -> AccountKey {
        let values: Vec<_> = self
            .account_settings
            .iter()
            .map(|name| settings.get(name))
            .collect();
        if values.iter().all(Option::is_none) {
            return AccountKey::Environment(environment);
        }
        AccountKey::Settings(serde_json::json!(values).to_string())
    }

    fn account(&self, key: AccountKey) -> Arc<Account> {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Account::new(&self.published);
        accounts.entry(key).or_insert_with(new).clone()
    }
}

/// The quotas of one account, for one piece of work.
#[derive(Debug)]
struct AccountQuotas {
    account: Arc<Account>,
    environment: EnvironmentId,
    priority: Priority,
    cancellation: CancellationToken,
    monitor: Option<TypeMonitor>,
}

#[async_trait]
impl Quotas for AccountQuotas {
    async fn acquire(&self, operation: &str) -> Result<()> {
        let turn = self.account.turn(operation, self.priority, self.environment);
        let asked = Instant::now();
        let permit = self.cancellation.run_until_cancelled(turn).await;
        if let Some(monitor) = &self.monitor {
            monitor.waited(operation, asked.elapsed());
        }
        permit.ok_or_else(|| cancelled(operation))
    }

    fn throttled(&self, operation: &str, retry_after: Option<Duration>) {
        self.account.throttled(operation, retry_after);
        if let Some(monitor) = &self.monitor {
            monitor.throttled(operation);
        }
    }

    fn succeeded(&self, operation: &str) {
        self.account.succeeded(operation);
    }

    fn eta_ms(&self, calls: &VendorCalls) -> u64 {
        let eta = self.account.eta(calls, self.priority);
        u64::try_from(eta.as_millis()).unwrap_or(u64::MAX)
    }
}

fn cancelled(operation: &str) -> crate::error::Error {
    crate::error::Error::new(
        crate::error::ErrorKind::Unavailable,
        format!(
            "the work was cancelled while it waited for the vendor's quota of `{operation}`; nothing was called"
        ),
    )
}

#[cfg(test)]
mod tests;
