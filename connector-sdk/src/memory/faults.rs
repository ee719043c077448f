//! Faults that can be put into an in-memory gateway.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use gatehouse_schemas::identity::ExternalRef;

use crate::{error::ErrorKind, operation::Operation};

/// What goes wrong with one call.
///
/// ```
/// # mod acme { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/acme.rs")); }
/// # acme::run(async {
/// use gatehouse_connector_sdk::{
///     connector::Connector,
///     error::ErrorKind,
///     memory::{Fault, MemoryConnector, MemoryGateway},
///     operation::Operation,
///     schemas::environment::Mode,
/// };
///
/// # let context = acme::context(Mode::ReadWrite);
/// # let request = acme::first_deploy();
/// let gateway = MemoryGateway::new();
/// let connector = MemoryConnector::new(gateway.clone());
/// gateway.inject(Operation::Deploy, [Fault::LoseReply]);
///
/// let lost = connector.deploy(&context, &request).await.unwrap_err();
/// assert_eq!(lost.kind(), ErrorKind::Unavailable);
/// assert_eq!(gateway.apis().len(), 1, "it had its effect all the same");
///
/// connector.deploy(&context, &request).await?;
/// assert_eq!(gateway.apis().len(), 1, "and the next attempt finds it");
/// # Ok(())
/// # });
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// It fails with this kind and has no effect.
    Fail(ErrorKind),
    /// It is refused for the rate of calls, and told when to come back.
    SlowDown(Duration),
    /// It has its effect, and then its answer is lost: the caller sees `Unavailable`.
    LoseReply,
    /// It takes this long, and then goes on.
    Delay(Duration),
    /// It cannot tell: an observation is `Unknown`.
    Unknown,
    /// A deploy has its effect and tells of something else.
    Misreport,
    /// A deploy has no effect, and tells so only by what it says that the gateway holds.
    Ignore,
    /// Right before a deploy has its effect, somebody else changes what the API is.
    EditFirst,
    /// A deploy in several steps fails when this step (from 1) is recorded and not taken.
    FailBeforeStep(u32),
    /// A deploy in several steps fails when this step is taken and not recorded as done.
    FailAfterStep(u32),
    /// A deploy in several steps does not go on when this step is recorded and not taken.
    HangBeforeStep(u32),
    /// A deploy in several steps does not go on when this step is taken and not recorded as done.
    HangAfterStep(u32),
}

/// What will go wrong.
#[derive(Debug, Default)]
pub(super) struct Faults {
    queued: BTreeMap<Operation, VecDeque<Fault>>,
    unreadable: BTreeSet<ExternalRef>,
    /// Whether nothing can be observed.
    pub(super) blind: bool,
}

impl Faults {
    pub(super) fn queue(&mut self, operation: Operation, fault: Fault) {
        self.queued.entry(operation).or_default().push_back(fault);
    }

    pub(super) fn next(&mut self, operation: Operation) -> Option<Fault> {
        self.queued.get_mut(&operation)?.pop_front()
    }

    pub(super) fn set_readable(&mut self, api: &ExternalRef, readable: bool) {
        if readable {
            self.unreadable.remove(api);
        } else {
            self.unreadable.insert(api.clone());
        }
    }

    pub(super) fn is_readable(&self, api: &ExternalRef) -> bool {
        !self.unreadable.contains(api)
    }
}
