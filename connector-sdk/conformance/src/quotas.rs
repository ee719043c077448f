//! Quotas that count what is asked for.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use gatehouse_connector_sdk::{error::Result, scheduler::Quotas};
use gatehouse_schemas::quota::VendorCalls;

/// Counts permits per operation; clones count together.
#[derive(Debug, Clone, Default)]
pub(crate) struct CountingQuotas {
    taken: Arc<Mutex<BTreeMap<String, u64>>>,
    refusals: Arc<Mutex<Vec<Option<Duration>>>>,
}

impl CountingQuotas {
    pub(crate) fn taken(&self) -> VendorCalls {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// When the gateway asked to come back, each time that it refused a call for its rate.
    pub(crate) fn refusals(&self) -> Vec<Option<Duration>> {
        self.refusals
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

#[async_trait]
impl Quotas for CountingQuotas {
    async fn acquire(&self, operation: &str) -> Result<()> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        *taken.entry(operation.to_owned()).or_default() += 1;
        Ok(())
    }

    fn throttled(&self, _operation: &str, retry_after: Option<Duration>) {
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        refusals.push(retry_after);
    }

    fn succeeded(&self, _operation: &str) {}

    fn eta_ms(&self, _calls: &VendorCalls) -> u64 {
        0
    }
}
