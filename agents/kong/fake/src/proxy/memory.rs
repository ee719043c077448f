//! What the proxy remembers over configurations: connections to upstreams, turns among targets, counters, kept answers.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};

/// Everything that outlives one request.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    clients: Mutex<HashMap<Timeouts, reqwest::Client>>,
    turns: Mutex<HashMap<String, u64>>,
    counters: Mutex<HashMap<String, u64>>,
    answers: Mutex<HashMap<String, Kept>>,
}

/// An answer that is kept.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) stored: SystemTime,
}

/// How long a service may take, and whether its certificate counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Timeouts {
    pub(crate) connect: Duration,
    pub(crate) read: Duration,
    pub(crate) verify: bool,
}

impl Memory {
    /// The client with these timeouts; connections are kept between requests.
    pub(crate) fn client(&self, timeouts: Timeouts) -> reqwest::Result<reqwest::Client> {
        let mut clients = locked(&self.clients);
        if let Some(client) = clients.get(&timeouts) {
            return Ok(client.clone());
        }
        let builder = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy();
        let builder = builder
            .connect_timeout(timeouts.connect)
            .read_timeout(timeouts.read);
        let client = builder
            .tls_danger_accept_invalid_certs(!timeouts.verify)
            .http1_only()
            .build()?;
        clients.insert(timeouts, client.clone());
        Ok(client)
    }

    /// The number of a turn: 0, 1, 2 … for each name.
    pub(crate) fn turn(&self, name: &str) -> u64 {
        let mut turns = locked(&self.turns);
        let turn = turns.entry(name.to_owned()).or_default();
        *turn += 1;
        *turn - 1
    }

    /// How often something was counted.
    pub(crate) fn counted(&self, name: &str) -> u64 {
        locked(&self.counters).get(name).copied().unwrap_or_default()
    }

    /// Counts something once more.
    pub(crate) fn count(&self, name: &str) {
        *locked(&self.counters).entry(name.to_owned()).or_default() += 1;
    }

    /// The answer that is kept under a key.
    pub(crate) fn kept(&self, key: &str) -> Option<Kept> {
        locked(&self.answers).get(key).cloned()
    }

    /// Keeps an answer under a key, in place of the one before.
    pub(crate) fn keep(&self, key: &str, answer: Kept) {
        locked(&self.answers).insert(key.to_owned(), answer);
    }
}

/// A lock whose former holder may have died: what it holds is counters, which stay usable.
fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
