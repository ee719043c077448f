//! The right to make one call. Whoever goes away without having made it gives it back.

use std::sync::{Arc, Weak};

use super::{account::Account, queue::Place};

/// One call of one operation.
#[derive(Debug)]
pub(super) struct Permit {
    account: Weak<Account>,
    operation: Arc<str>,
    used: bool,
}

impl Permit {
    pub(super) fn new(account: Weak<Account>, operation: Arc<str>) -> Self {
        Self {
            account,
            operation,
            used: false,
        }
    }

    /// The call is made.
    pub(super) fn spend(mut self) {
        self.used = true;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if !self.used
            && let Some(account) = self.account.upgrade()
        {
            account.give_back(&self.operation);
        }
    }
}

/// A place in a queue. Whoever goes away leaves it.
#[derive(Debug)]
pub(super) struct Waiter {
    pub(super) account: Arc<Account>,
    pub(super) operation: Arc<str>,
    pub(super) place: Place,
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.account.leave(&self.operation, self.place);
    }
}
