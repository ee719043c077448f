//! How long an operation waited for quotas: time that its deadline does not count.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use gatehouse_schemas::quota::VendorCalls;
use tokio::time::Instant;

use super::Quotas;
use crate::error::Result;

/// How precisely a deadline is kept that passes during a wait.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// Adds up the times in which everything an operation does could be waiting for permits: from the first that begins
/// to wait to the last that ends.
#[derive(Debug, Default)]
pub(crate) struct WaitingClock {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    waiting: u32,
    since: Option<Instant>,
    before: Duration,
}

impl WaitingClock {
    /// The quotas, with every wait noted.
    pub(crate) fn around(self: &Arc<Self>, quotas: Arc<dyn Quotas>) -> Arc<dyn Quotas> {
        Arc::new(Noted {
            quotas,
            clock: self.clone(),
        })
    }

    /// Lets something take this long, waits aside; none if it takes longer.
    pub(crate) async fn timeout<T>(&self, limit: Duration, something: impl Future<Output = T>) -> Option<T> {
        let begin = Instant::now();
        let mut something = std::pin::pin!(something);
        loop {
            let end = self.end(begin + limit)?;
            if let Ok(result) = tokio::time::timeout_at(end, &mut something).await {
                return Some(result);
            }
        }
    }

    /// When to look again whether it took too long; none if it has. An end without waits comes as much later as was
    /// waited; while somebody waits it is not known yet, and looked for now and then.
    fn end(&self, without_waits: Instant) -> Option<Instant> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let end = without_waits + state.before;
        match state.since {
            Some(since) => Some((end + now.saturating_duration_since(since)).max(now + LOOK_AGAIN)),
            None => (end > now).then_some(end),
        }
    }

    fn begin(self: &Arc<Self>) -> Wait {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.waiting += 1;
        state.since.get_or_insert_with(Instant::now);
        Wait(self.clone())
    }
}

struct Wait(Arc<WaitingClock>);

impl Drop for Wait {
    fn drop(&mut self) {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.waiting -= 1;
        if state.waiting == 0
            && let Some(since) = state.since.take()
        {
            state.before += since.elapsed();
        }
    }
}

#[derive(Debug)]
struct Noted {
    quotas: Arc<dyn Quotas>,
    clock: Arc<WaitingClock>,
}

#[async_trait]
impl Quotas for Noted {
    async fn acquire(&self, operation: &str) -> Result<()> {
        let _wait = self.clock.begin();
        self.quotas.acquire(operation).await
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
