//! What the proxy remembers over configurations: connections to upstreams and turns among targets.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

/// Everything that outlives one request.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    clients: Mutex<HashMap<Timeouts, reqwest::Client>>,
    turns: Mutex<HashMap<String, u64>>,
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
}

/// A lock whose former holder may have died: what it holds is counters, which stay usable.
fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
