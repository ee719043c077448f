//! Queues of SQS, each the target of an EventBridge rule for the events of API Gateway.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use uuid::Uuid;

use crate::cloud::PlaceName;

/// A message, and until when it is hidden from others.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) id: String,
    pub(crate) handle: String,
    pub(crate) body: String,
    hidden_until: Option<Instant>,
}

impl Message {
    fn is_visible(&self, now: Instant) -> bool {
        self.hidden_until.is_none_or(|until| until <= now)
    }
}

type Held = BTreeMap<(PlaceName, String), VecDeque<Message>>;

/// All queues.
#[derive(Debug, Default)]
pub(crate) struct Queues {
    held: Mutex<Held>,
    /// Woken when a message arrives.
    pub(crate) news: Notify,
}

impl Queues {
    /// Makes a queue, unless it is there.
    pub(crate) fn make(&self, place: &PlaceName, name: &str) {
        self.lock().entry((place.clone(), name.to_owned())).or_default();
    }

    pub(crate) fn exists(&self, place: &PlaceName, name: &str) -> bool {
        self.lock().contains_key(&(place.clone(), name.to_owned()))
    }

    /// Puts a message into one queue.
    pub(crate) fn send(&self, place: &PlaceName, name: &str, body: &str) {
        self.put(|(of, named)| of == place && named == name, body);
    }

    /// Puts a message into every queue of an account and region.
    pub(crate) fn deliver(&self, place: &PlaceName, body: &str) {
        self.put(|(of, _)| of == place, body);
    }

    fn put(&self, is_meant: impl Fn(&(PlaceName, String)) -> bool, body: &str) {
        for (_, messages) in self.lock().iter_mut().filter(|(key, _)| is_meant(key)) {
            messages.push_back(Message {
                id: Uuid::new_v4().to_string(),
                handle: Uuid::new_v4().simple().to_string(),
                body: body.to_owned(),
                hidden_until: None,
            });
        }
        self.news.notify_waiters();
    }

    /// Gives messages out, and hides them for a while.
    pub(crate) fn take(&self, place: &PlaceName, name: &str, most: usize, hidden: Duration) -> Vec<Message> {
        let now = Instant::now();
        let mut held = self.lock();
        let messages = held.get_mut(&(place.clone(), name.to_owned()));
        let visible = messages
            .into_iter()
            .flatten()
            .filter(|message| message.is_visible(now));
        let mut taken = Vec::new();
        for message in visible.take(most) {
            message.hidden_until = Some(now + hidden);
            taken.push(message.clone());
        }
        taken
    }

    /// Removes a message; says whether there was one.
    pub(crate) fn remove(&self, place: &PlaceName, name: &str, handle: &str) -> bool {
        let mut held = self.lock();
        let Some(messages) = held.get_mut(&(place.clone(), name.to_owned())) else {
            return false;
        };
        let before = messages.len();
        messages.retain(|message| message.handle != handle);
        messages.len() < before
    }

    /// How many messages a queue holds, hidden ones included.
    pub(crate) fn count(&self, place: &PlaceName, name: &str) -> usize {
        let held = self.lock();
        held.get(&(place.clone(), name.to_owned()))
            .map_or(0, VecDeque::len)
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
