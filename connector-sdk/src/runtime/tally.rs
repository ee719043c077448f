//! How much of a piece of work is left: the vendor's calls that it was estimated to take, less those it made.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use gatehouse_schemas::quota::VendorCalls;

use crate::{error::Result, scheduler::Quotas};

/// Quotas that count what one piece of work takes of them.
#[derive(Debug)]
pub(super) struct Tally {
    quotas: Arc<dyn Quotas>,
    /// None as long as nothing was estimated.
    left: Mutex<Option<VendorCalls>>,
}

impl Tally {
    pub(super) fn new(quotas: Arc<dyn Quotas>) -> Self {
        Self {
            quotas,
            left: Mutex::default(),
        }
    }

    /// What the work was estimated to take from now on.
    pub(super) fn expect(&self, calls: VendorCalls) {
        *self.left.lock().unwrap_or_else(PoisonError::into_inner) = Some(calls);
    }

    /// How long the rest takes, if it was estimated.
    pub(super) fn remaining_ms(&self) -> Option<u64> {
        let left = self.left.lock().unwrap_or_else(PoisonError::into_inner).clone();
        left.map(|calls| self.quotas.eta_ms(&calls))
    }

    fn count(&self, operation: &str) {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(calls) = left.as_mut().and_then(|calls| calls.get_mut(operation)) {
            *calls = calls.saturating_sub(1);
        }
    }
}

#[async_trait]
impl Quotas for Tally {
    async fn acquire(&self, operation: &str) -> Result<()> {
        self.quotas.acquire(operation).await?;
        self.count(operation);
        Ok(())
    }

    fn throttled(&self, operation: &str, retry_after: Option<Duration>) {
        self.quotas.throttled(operation, retry_after);
    }

    fn succeeded(&self, operation: &str) {
        self.quotas.succeeded(operation);
    }

    fn eta_ms(&self, calls: &VendorCalls) -> u64 {
        self.quotas.eta_ms(calls)
    }
}
