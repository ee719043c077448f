//! One account of a vendor: waiting for turns, and the one task that gives them out in time.
//!
//! The task runs only while somebody waits whose turn is not yet. It sleeps until the next turn is due or something
//! changed, so nothing polls, however many wait.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use gatehouse_control_plane_api::agent::Priority;
use gatehouse_schemas::{
    identity::EnvironmentId,
    quota::{Quota, VendorCalls},
};
use tokio::{sync::Notify, task::JoinHandle, time::Instant};

use super::{
    operations::{Next, Operations},
    permit::{Permit, Waiter},
    queue::Place,
};

/// One account.
#[derive(Debug)]
pub(super) struct Account {
    own: Weak<Self>,
    operations: Mutex<Operations>,
    changed: Arc<Notify>,
    timekeeper: Mutex<Option<JoinHandle<()>>>,
}

impl Account {
    pub(super) fn new(published: &[Quota]) -> Arc<Self> {
        Arc::new_cyclic(|own| Self {
            own: own.clone(),
            operations: Mutex::new(Operations::new(published, Instant::now())),
            changed: Arc::default(),
            timekeeper: Mutex::default(),
        })
    }

    /// Waits for the turn to call an operation once.
    pub(super) async fn turn(
        self: &Arc<Self>,
        operation: &str,
        priority: Priority,
        environment: EnvironmentId,
    ) {
        loop {
            let now = Instant::now();
            let (place, told) = self.lock().enter(operation, priority, environment, now);
            let waiter = Waiter {
                account: self.clone(),
                operation: operation.into(),
                place,
            };
            if self.give_turns().is_some() {
                self.keep_time();
            }
            let permit = told.await;
            drop(waiter);
            // A place is never lost without a permit; were it, the wait would begin anew.
            if let Ok(permit) = permit {
                return permit.spend();
            }
        }
    }

    /// The vendor refused a call for its rate.
    pub(super) fn throttled(&self, operation: &str, retry_after: Option<Duration>) {
        self.lock().refused(operation, retry_after, Instant::now());
        self.changed.notify_one();
    }

    /// The vendor took a call.
    pub(super) fn succeeded(&self, operation: &str) {
        self.lock().taken(operation, Instant::now());
    }

    /// How long until these calls would be made, behind what waits.
    pub(super) fn eta(&self, calls: &VendorCalls, priority: Priority) -> Duration {
        let now = Instant::now();
        let ready = self.lock().ready_for(calls, priority, now);
        ready.saturating_duration_since(now)
    }

    /// A call that was to be made is not.
    pub(super) fn give_back(&self, operation: &str) {
        self.lock().give_back(operation);
        self.changed.notify_one();
    }

    /// Somebody waits no longer.
    pub(super) fn leave(&self, operation: &str, place: Place) {
        if self.lock().leave(operation, place).is_some() {
            self.changed.notify_one();
        }
    }

    /// Gives out all turns that are due; says when the next one is, if anybody waits.
    fn give_turns(&self) -> Option<Instant> {
        let mut operations = self.lock();
        loop {
            let now = Instant::now();
            let (operation, place) = match operations.next(now) {
                Next::Go(operation, place) => (operation, place),
                Next::At(at) => return Some(at),
                Next::Nobody => return None,
            };
            let Some(tell) = operations.leave(&operation, place) else {
                continue;
            };
            let permit = Permit::new(self.own.clone(), operation.as_str().into());
            match tell.send(permit) {
                Ok(()) => operations.take(&operation, place.environment, now),
                // Gone meanwhile, and nothing was taken for it yet.
                Err(permit) => permit.spend(),
            }
        }
    }

    /// Starts the task that gives out turns when they are due, unless it runs.
    fn keep_time(&self) {
        let mut timekeeper = self.timekeeper.lock().unwrap_or_else(PoisonError::into_inner);
        if timekeeper.as_ref().is_some_and(|task| !task.is_finished()) {
            self.changed.notify_one();
            return;
        }
        *timekeeper = Some(tokio::spawn(keep_time(self.own.clone(), self.changed.clone())));
    }

    fn lock(&self) -> MutexGuard<'_, Operations> {
        self.operations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        let timekeeper = self.timekeeper.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(task) = timekeeper {
            task.abort();
        }
    }
}

/// Holds no account while it sleeps: an account that nobody uses any more ends it.
async fn keep_time(account: Weak<Account>, changed: Arc<Notify>) {
    loop {
        let Some(next) = account.upgrade().map(|account| account.give_turns()) else {
            return;
        };
        match next {
            Some(at) => {
                let _ = tokio::time::timeout_at(at, changed.notified()).await;
            }
            None => changed.notified().await,
        }
    }
}
