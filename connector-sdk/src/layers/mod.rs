//! Wrappers around a connector, never inside it. Each is a connector itself, so they can be put around
//! each other in any order; [`reading`] and [`writing`] are the orders the runtime uses.

mod capability;
mod deadline;
mod mode;
mod retry;
mod trace;

pub use capability::CapabilityLayer;
pub use deadline::{DeadlineLayer, Deadlines};
pub use mode::ModeLayer;
pub use retry::{RetryLayer, RetryPolicy};
pub use trace::TraceLayer;

use std::sync::Arc;

use crate::connector::Connector;

/// Around operations that only look: short trouble is retried at once, a few times.
pub fn reading(
    connector: Arc<dyn Connector>,
    deadlines: Deadlines,
    retry: RetryPolicy,
) -> Arc<dyn Connector> {
    let attempt = TraceLayer::new(DeadlineLayer::new(connector, deadlines));
    Arc::new(ModeLayer::new(CapabilityLayer::new(RetryLayer::new(
        attempt, retry,
    ))))
}

/// Around the steps of a deploy. No retry layer: between attempts, whoever drives it looks again at what
/// is desired and what is there.
pub fn writing(connector: Arc<dyn Connector>, deadlines: Deadlines) -> Arc<dyn Connector> {
    let attempt = TraceLayer::new(DeadlineLayer::new(connector, deadlines));
    Arc::new(ModeLayer::new(CapabilityLayer::new(attempt)))
}

#[cfg(test)]
mod tests;
