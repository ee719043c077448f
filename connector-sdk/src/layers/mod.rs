//! Wrappers around a connector, never inside it. Each is a connector itself, so they can be put around
//! each other in any order; `Layered` holds the orders that the runtime uses.
//!
//! ```
//! # mod acme { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/acme.rs")); }
//! # acme::run(async {
//! use std::time::Duration;
//!
//! use gatehouse_connector_sdk::{
//!     connector::Connector,
//!     error::ErrorKind,
//!     layers::{DeadlineLayer, Deadlines, ModeLayer, RetryLayer, RetryPolicy},
//!     memory::{Fault, MemoryConnector, MemoryGateway},
//!     operation::Operation,
//!     schemas::environment::Mode,
//! };
//!
//! let gateway = MemoryGateway::new();
//! let acme = MemoryConnector::new(gateway.clone());
//! let deadlines = Deadlines { check: Duration::from_secs(5), ..Deadlines::default() };
//! let layered = ModeLayer::new(RetryLayer::new(DeadlineLayer::new(acme, deadlines), RetryPolicy::default()));
//!
//! gateway.inject(Operation::Check, [Fault::Fail(ErrorKind::Unavailable)]);
//! layered.check(&acme::context(Mode::ReadOnly)).await?;
//! assert_eq!(gateway.calls(Operation::Check), 2, "the second attempt succeeded");
//! # Ok(())
//! # });
//! ```

mod capability;
mod deadline;
mod isolation;
mod mode;
mod pure;
mod retry;
mod trace;

pub use capability::CapabilityLayer;
pub use deadline::{DeadlineLayer, Deadlines};
pub use isolation::{Isolation, IsolationLayer};
pub use mode::ModeLayer;
pub use pure::PureFunctions;
pub use retry::{RetryLayer, RetryPolicy};
pub use trace::TraceLayer;

use std::sync::Arc;

use crate::{connector::Connector, monitor::TypeMonitor, runtime::Tuning};

/// A connector in the layers that the runtime uses.
#[derive(Debug)]
pub(crate) struct Layered {
    /// For operations that only look: short trouble is retried at once, a few times.
    pub(crate) reading: Arc<dyn Connector>,
    /// For the steps of a deploy. No retry layer: between attempts, whoever drives it looks again at what is
    /// desired and what is there.
    pub(crate) writing: Arc<dyn Connector>,
    /// For `translate` and `estimate`.
    pub(crate) pure: PureFunctions,
}

impl Layered {
    /// Around a connector.
    pub(crate) fn new(
        connector: &Arc<dyn Connector>,
        tuning: &Tuning,
        isolation: &Isolation,
        monitor: &TypeMonitor,
    ) -> Self {
        let attempt = || {
            let isolated = IsolationLayer::new(connector.clone(), isolation.clone());
            TraceLayer::new(DeadlineLayer::new(isolated, tuning.deadlines)).counted(monitor.clone())
        };
        let retried = RetryLayer::new(attempt(), tuning.retry);
        Self {
            reading: Arc::new(ModeLayer::new(CapabilityLayer::new(retried))),
            writing: Arc::new(ModeLayer::new(CapabilityLayer::new(attempt()))),
            pure: PureFunctions::new(connector.clone(), isolation.clone(), tuning.deadlines.translate),
        }
    }
}

#[cfg(test)]
mod tests;
