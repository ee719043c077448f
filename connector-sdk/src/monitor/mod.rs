//! What a process tells of its agents: whether each gateway type has a session, and metrics `gatehouse_agent_*`.
//!
//! Labels are bounded: gateway types of this process, environments it serves, operations of the contract and of the
//! vendor's published quotas. An environment that is gone takes its counters with it.
//!
//! ```
//! use gatehouse_connector_sdk::monitor::Monitor;
//!
//! let monitor = Monitor::new();
//! let unready = monitor.readiness().unwrap_err();
//! assert_eq!(unready, "no gateway type is served\n");
//! ```

mod families;
mod sessions;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use families::Families;
use gatehouse_schemas::{
    descriptor::Descriptor,
    identity::{GatewayType, ResourceName},
};
pub(crate) use sessions::Session;
use sessions::Sessions;

use crate::{error::ErrorKind, operation::Operation};

/// Health and metrics of all agents of one process. Cheap to clone.
///
/// ```
/// use gatehouse_connector_sdk::{
///     memory::{MemoryConnector, MemoryGateway},
///     monitor::Monitor,
///     runtime::Agent,
/// };
///
/// let monitor = Monitor::new();
/// let agent = Agent::builder(MemoryConnector::new(MemoryGateway::new())).monitored(&monitor);
/// // Nothing is told of the agent before it runs.
/// assert!(monitor.readiness().is_err());
/// assert!(!monitor.metrics().contains("# EOF"));
/// # drop(agent);
/// ```
#[derive(Clone, Default)]
pub struct Monitor {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    families: Families,
    sessions: Mutex<Sessions>,
    /// What is counted when somebody asks, one for each running agent.
    censuses: Mutex<Vec<(GatewayType, Weak<dyn Census>)>>,
    /// One answer at a time, since gauges are set for each.
    asking: Mutex<()>,
}

impl fmt::Debug for Monitor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Monitor").finish_non_exhaustive()
    }
}

/// What is true of one environment right now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct EnvironmentCounts {
    /// Deployments that are worked on or wait to be tried again.
    pub(crate) open: usize,
    /// Deployments whose last attempt failed.
    pub(crate) failed: usize,
    /// Operations that were given up and have not ended.
    pub(crate) hanging: usize,
}

/// Counts when it is asked.
pub(crate) trait Census: Send + Sync {
    /// Each environment that is served.
    fn environments(&self) -> Vec<(ResourceName, EnvironmentCounts)>;
}

impl Monitor {
    /// Of a process without agents so far.
    pub fn new() -> Self {
        Self::default()
    }

    /// All metrics in OpenMetrics' text format, without the end mark, so that others can be put beside them.
    pub fn metrics(&self) -> String {
        let shared = &self.shared;
        let _one_at_a_time = lock(&shared.asking);
        shared.families.forget_gauges();
        for (gateway_type, session) in lock(&shared.sessions).all() {
            shared.families.session(gateway_type, session.is_up());
        }
        for (gateway_type, census) in self.censuses() {
            shared.families.census(&gateway_type, &census.environments());
        }
        shared.families.text()
    }

    /// Whether every gateway type has a session; if not, a line for each says which and why.
    pub fn readiness(&self) -> Result<(), String> {
        lock(&self.shared.sessions).readiness()
    }

    /// For the agent of one gateway type.
    pub(crate) fn of(&self, descriptor: &Descriptor) -> TypeMonitor {
        let gateway_type = &descriptor.gateway_type;
        self.shared.families.build(gateway_type, &descriptor.version);
        lock(&self.shared.sessions).set(gateway_type, Session::NotYet);
        TypeMonitor {
            monitor: self.clone(),
            gateway_type: gateway_type.clone(),
            vendor_operations: descriptor
                .quotas
                .iter()
                .map(|quota| quota.operation.clone())
                .collect(),
        }
    }

    fn censuses(&self) -> Vec<(GatewayType, Arc<dyn Census>)> {
        let mut censuses = lock(&self.shared.censuses);
        censuses.retain(|(_, census)| census.strong_count() > 0);
        let running = censuses.iter();
        running
            .filter_map(|(gateway_type, census)| Some((gateway_type.clone(), census.upgrade()?)))
            .collect()
    }
}

/// What the agent of one gateway type tells. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct TypeMonitor {
    monitor: Monitor,
    gateway_type: GatewayType,
    vendor_operations: Arc<[String]>,
}

impl TypeMonitor {
    /// Where the agent stands with its control plane.
    pub(crate) fn session(&self, session: Session) {
        lock(&self.monitor.shared.sessions).set(&self.gateway_type, session);
    }

    /// Has what is true right now counted whenever somebody asks.
    pub(crate) fn watch(&self, census: Weak<dyn Census>) {
        let mut censuses = lock(&self.monitor.shared.censuses);
        censuses.push((self.gateway_type.clone(), census));
    }

    /// An operation of the connector ended.
    pub(crate) fn operation(
        &self,
        environment: &ResourceName,
        operation: Operation,
        error: Option<ErrorKind>,
        took: Duration,
    ) {
        let families = &self.monitor.shared.families;
        families.operation(&self.gateway_type, environment, operation, error, took);
    }

    /// A call of the vendor's waited for its quota.
    pub(crate) fn waited(&self, vendor_operation: &str, waited: Duration) {
        let families = &self.monitor.shared.families;
        families.waited(&self.gateway_type, self.known(vendor_operation), waited);
    }

    /// The vendor refused a call for its rate.
    pub(crate) fn throttled(&self, vendor_operation: &str) {
        let families = &self.monitor.shared.families;
        families.throttled(&self.gateway_type, self.known(vendor_operation));
    }

    /// An environment is gone.
    pub(crate) fn forget(&self, environment: &ResourceName) {
        let families = &self.monitor.shared.families;
        families.forget(&self.gateway_type, environment);
    }

    /// A name of the vendor's that is not in the descriptor counts as `other`, so that no connector makes up labels
    /// without end.
    fn known<'a>(&self, vendor_operation: &'a str) -> &'a str {
        let is_known = self
            .vendor_operations
            .iter()
            .any(|known| known == vendor_operation);
        if is_known { vendor_operation } else { "other" }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
