//! Idle upstream connections of one worker. Workers share none, so there is nothing to lock.

use std::{
    cell::RefCell,
    collections::HashMap,
    time::{Duration, Instant},
};

use hyper::client::conn::http1::SendRequest;

use crate::proxy::body::RequestBody;

/// The most idle connections a worker keeps to one endpoint.
const IDLE_PER_ENDPOINT: usize = 256;

/// How long a connection may stay idle. Shorter than what most servers allow, so that we close first.
const IDLE_TIME: Duration = Duration::from_secs(50);

/// Idle connections by the endpoint they lead to, the most recently used last.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    idle: RefCell<HashMap<u64, Vec<Idle>>>,
}

#[derive(Debug)]
struct Idle {
    sender: SendRequest<RequestBody>,
    since: Instant,
}

impl Pool {
    /// The connection that was used last and is still open.
    pub(crate) fn take(&self, endpoint: u64) -> Option<SendRequest<RequestBody>> {
        let mut idle = self.idle.borrow_mut();
        let connections = idle.get_mut(&endpoint)?;
        std::iter::from_fn(|| connections.pop())
            .map(|idle| idle.sender)
            .find(|sender| !sender.is_closed())
    }

    /// Keeps a connection whose answer has been read to its end.
    pub(crate) fn put(&self, endpoint: u64, sender: SendRequest<RequestBody>, now: Instant) {
        if sender.is_closed() {
            return;
        }
        let mut idle = self.idle.borrow_mut();
        let connections = idle.entry(endpoint).or_default();
        if connections.len() < IDLE_PER_ENDPOINT {
            connections.push(Idle { sender, since: now });
        }
    }

    /// Closes what has been idle for too long and forgets endpoints without connections.
    pub(crate) fn prune(&self, now: Instant) {
        self.idle.borrow_mut().retain(|_, connections| {
            connections.retain(|idle| !idle.sender.is_closed() && now.duration_since(idle.since) < IDLE_TIME);
            !connections.is_empty()
        });
    }
}
