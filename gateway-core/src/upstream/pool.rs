//! Idle upstream connections of one worker. Workers share none, so there is nothing to lock.

use std::{
    cell::RefCell,
    collections::HashMap,
    time::{Duration, Instant},
};

use hyper::client::conn::http1::SendRequest;

use super::multiplexed::Multiplexed;
use crate::proxy::body::RequestBody;

/// The most idle connections a worker keeps to one endpoint.
const IDLE_PER_ENDPOINT: usize = 256;

/// How long a connection may stay idle where the upstream says nothing else. Shorter than what most servers allow, so
/// that we close first.
pub(crate) const IDLE_TIME: Duration = Duration::from_secs(50);

/// Idle connections by the endpoint they lead to, the most recently used last.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    idle: RefCell<HashMap<u64, Vec<Idle>>>,
    /// Those that requests share.
    pub(crate) multiplexed: Multiplexed,
}

#[derive(Debug)]
struct Idle {
    sender: SendRequest<RequestBody>,
    until: Instant,
}

impl Pool {
    /// The connection that was used last, is still open and has not been idle for too long.
    pub(crate) fn take(&self, endpoint: u64, now: Instant) -> Option<SendRequest<RequestBody>> {
        let mut idle = self.idle.borrow_mut();
        let connections = idle.get_mut(&endpoint)?;
        std::iter::from_fn(|| connections.pop())
            .find(|idle| !idle.sender.is_closed() && now < idle.until)
            .map(|idle| idle.sender)
    }

    /// Whether there is a connection that can be taken.
    pub(crate) fn has(&self, endpoint: u64, now: Instant) -> bool {
        let idle = self.idle.borrow();
        let mut connections = idle.get(&endpoint).into_iter().flatten();
        connections.any(|idle| !idle.sender.is_closed() && now < idle.until)
    }

    /// Keeps a connection whose answer has been read to its end, until then at most.
    pub(crate) fn put(&self, endpoint: u64, sender: SendRequest<RequestBody>, until: Instant) {
        if sender.is_closed() {
            return;
        }
        let mut idle = self.idle.borrow_mut();
        let connections = idle.entry(endpoint).or_default();
        if connections.len() < IDLE_PER_ENDPOINT {
            connections.push(Idle { sender, until });
        }
    }

    /// Closes what has been idle for too long and forgets endpoints without connections.
    pub(crate) fn prune(&self, now: Instant) {
        self.multiplexed.prune(now);
        self.idle.borrow_mut().retain(|_, connections| {
            connections.retain(|idle| !idle.sender.is_closed() && now < idle.until);
            !connections.is_empty()
        });
    }
}
