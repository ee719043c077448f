//! Idle upstream connections of one worker. Workers share none, so there is nothing to lock.

use std::{
    cell::RefCell,
    collections::HashMap,
    time::{Duration, Instant},
};

use super::{line::Line, multiplexed::Multiplexed};

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
    line: Line,
    until: Instant,
}

impl Pool {
    /// The connection that was used last, is still open and has not been idle for too long.
    pub(crate) fn take(&self, endpoint: u64, now: Instant) -> Option<Line> {
        let mut idle = self.idle.borrow_mut();
        let connections = idle.get_mut(&endpoint)?;
        std::iter::from_fn(|| connections.pop())
            .find_map(|mut idle| (now < idle.until && idle.line.is_open()).then_some(idle.line))
    }

    /// Whether there is a connection that can be taken. What cannot is closed on the way.
    pub(crate) fn has(&self, endpoint: u64, now: Instant) -> bool {
        let mut idle = self.idle.borrow_mut();
        let Some(connections) = idle.get_mut(&endpoint) else {
            return false;
        };
        while let Some(last) = connections.last_mut() {
            if now < last.until && last.line.is_open() {
                return true;
            }
            connections.pop();
        }
        false
    }

    /// Keeps a connection whose answer has been read to its end, until then at most.
    pub(crate) fn put(&self, endpoint: u64, line: Line, until: Instant) {
        if line.has_ended() {
            return;
        }
        let mut idle = self.idle.borrow_mut();
        let connections = idle.entry(endpoint).or_default();
        if connections.len() < IDLE_PER_ENDPOINT {
            connections.push(Idle { line, until });
        }
    }

    /// Closes what has been idle for too long and forgets endpoints without connections.
    pub(crate) fn prune(&self, now: Instant) {
        self.multiplexed.prune(now);
        self.idle.borrow_mut().retain(|_, connections| {
            connections.retain_mut(|idle| now < idle.until && idle.line.is_open());
            !connections.is_empty()
        });
    }
}
