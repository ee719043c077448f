//! The scheduler: when a vendor's operation may be called.
//!
//! All work of this agent on one vendor account shares its quotas: deploys, discoveries, looks, of all environments.

use std::fmt;

use async_trait::async_trait;

use crate::error::Result;

/// Gives out permits for calls on one vendor account, for one piece of work.
#[async_trait]
pub trait Quotas: fmt::Debug + Send + Sync {
    /// Waits until this operation may be called once. Fails only when the work is cancelled.
    async fn acquire(&self, operation: &str) -> Result<()>;

    /// Tells that the vendor refused a call of this operation for its rate (429), and when it said to come back.
    fn throttled(&self, operation: &str, retry_after: Option<std::time::Duration>);

    /// Tells that the vendor took a call of this operation.
    fn succeeded(&self, operation: &str);
}

/// For gateways without quotas, and tests.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoQuotas;

#[async_trait]
impl Quotas for NoQuotas {
    async fn acquire(&self, _operation: &str) -> Result<()> {
        Ok(())
    }

    fn throttled(&self, _operation: &str, _retry_after: Option<std::time::Duration>) {}

    fn succeeded(&self, _operation: &str) {}
}
