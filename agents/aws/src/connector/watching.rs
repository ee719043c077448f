//! What a discovery need not look at again, where AWS tells of changes: no event named it since it was looked at.
//!
//! Listings do not say whether a stage was changed, so that each API costs one look at its stage. Events spare those looks, and
//! are trusted no further: only while the queue is read and is known to be filled, and never for longer than [`LONGEST`].
//! A late event leads to a look when it comes; a lost one is made up for by then.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use gatehouse_connector_sdk::{
    connector::Hint,
    schemas::{
        canonical::Fingerprint,
        identity::{EnvironmentId, ExternalRef},
    },
};

/// For how long a look is good without another one, whatever was heard.
const LONGEST: Duration = Duration::from_secs(6 * 3_600);
/// How long ago the queue may have been read last. Reading waits for twenty seconds.
const LISTENING: Duration = Duration::from_secs(90);

/// Of how many APIs it is remembered singly that they were heard of: whoever can fill the queue can name any number.
const MOST: usize = 10_000;

/// One look at an API.
#[derive(Debug, Clone)]
pub(super) struct Look {
    /// When it began: what was heard afterwards may be later than what it saw.
    pub(super) began: Instant,
    /// Of everything that the listing said.
    pub(super) listed: Fingerprint,
    /// The version that was told.
    pub(super) version: String,
}

/// What is known of one environment by looking and listening.
#[derive(Debug, Default)]
struct Watch {
    queue: String,
    /// When the queue was read last.
    listened: Option<Instant>,
    /// Whether anything ever came: a queue that no rule fills is silent, too.
    is_filled: bool,
    looks: BTreeMap<ExternalRef, Look>,
    /// What was heard of since it was looked at.
    heard: BTreeMap<ExternalRef, Instant>,
    /// When something was heard that may be about any API.
    heard_of_all: Option<Instant>,
}

impl Watch {
    fn hear(&mut self, hints: &[Hint], now: Instant) {
        self.listened = Some(now);
        self.is_filled |= !hints.is_empty();
        for hint in hints {
            match hint {
                Hint::Api(api) => drop(self.heard.insert(api.clone(), now)),
                Hint::Something => self.heard_of_all = Some(now),
            }
        }
        if self.heard.len() > MOST {
            self.heard.clear();
            self.heard_of_all = Some(now);
        }
    }

    fn spares(&self, api: &ExternalRef, listed: &Fingerprint, version: &str, now: Instant) -> bool {
        let since = |time: Instant| now.saturating_duration_since(time);
        let listens = self.is_filled && self.listened.is_some_and(|last| since(last) < LISTENING);
        let Some(look) = self.looks.get(api).filter(|_| listens) else {
            return false;
        };
        let is_as_seen = look.listed == *listed && look.version == version;
        let was_heard_of = [self.heard.get(api).copied(), self.heard_of_all]
            .into_iter()
            .flatten()
            .any(|heard| heard >= look.began);
        is_as_seen && !was_heard_of && since(look.began) < LONGEST
    }
}

/// What is known by looking and listening, by environment.
#[derive(Debug, Default)]
pub(super) struct Watches {
    kept: Mutex<BTreeMap<EnvironmentId, Watch>>,
}

impl Watches {
    /// Takes note of what the queue told.
    pub(super) fn hear(&self, environment: EnvironmentId, queue: &str, hints: &[Hint]) {
        let mut kept = self.lock();
        let watch = kept.entry(environment).or_default();
        if watch.queue != queue {
            *watch = Watch {
                queue: queue.to_owned(),
                ..Watch::default()
            };
        }
        watch.hear(hints, Instant::now());
    }

    /// Nothing is known any more: nobody listens.
    pub(super) fn forget(&self, environment: EnvironmentId) {
        self.lock().remove(&environment);
    }

    /// Takes note of a look, where somebody listens.
    pub(super) fn look(&self, environment: EnvironmentId, api: &ExternalRef, look: Look) {
        if let Some(watch) = self.lock().get_mut(&environment) {
            watch.looks.insert(api.clone(), look);
        }
    }

    /// Whether an API is certainly as it was when this version of it was told, as far as its listing and events tell.
    pub(super) fn spares(
        &self,
        environment: EnvironmentId,
        api: &ExternalRef,
        listed: &Fingerprint,
        version: &str,
    ) -> bool {
        let kept = self.lock();
        kept.get(&environment)
            .is_some_and(|watch| watch.spares(api, listed, version, Instant::now()))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<EnvironmentId, Watch>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn api(id: &str) -> ExternalRef {
        ExternalRef(format!("restapis/{id}"))
    }

    fn listed(text: &str) -> Fingerprint {
        Fingerprint::of_value(&json!(text))
    }

    /// `orders` was looked at a second after an event of another API.
    fn watch(start: Instant) -> Watch {
        let mut watch = Watch::default();
        watch.hear(&[Hint::Api(api("stock"))], start);
        let look = Look {
            began: start + SECOND,
            listed: listed("as it was"),
            version: "1".to_owned(),
        };
        watch.looks.insert(api("orders"), look);
        watch
    }

    fn spares(watch: &Watch, now: Instant) -> bool {
        watch.spares(&api("orders"), &listed("as it was"), "1", now)
    }

    #[test]
    fn what_no_event_named_is_not_looked_at_again() {
        let start = Instant::now();
        let mut watch = watch(start);
        assert!(spares(&watch, start + 2 * SECOND));
        watch.hear(&[Hint::Api(api("stock"))], start + 3 * SECOND);
        assert!(spares(&watch, start + 4 * SECOND));
        let now = start + 4 * SECOND;
        assert!(!watch.spares(&api("orders"), &listed("with another tag"), "1", now));
        assert!(!watch.spares(&api("orders"), &listed("as it was"), "2", now));
        assert!(!watch.spares(&api("stock"), &listed("as it was"), "1", now));
    }

    #[test]
    fn what_an_event_may_be_about_is_looked_at() {
        let start = Instant::now();
        for hint in [Hint::Api(api("orders")), Hint::Something] {
            let mut watch = watch(start);
            watch.hear(&[hint], start + 2 * SECOND);
            assert!(!spares(&watch, start + 3 * SECOND));
        }
    }

    #[test]
    fn an_event_that_comes_during_a_look_leads_to_another_look() {
        let start = Instant::now();
        let mut watch = watch(start);
        // What the look saw may be older than what the event tells of.
        watch.hear(&[Hint::Api(api("orders"))], start + SECOND);
        assert!(!spares(&watch, start + 2 * SECOND));
    }

    #[test]
    fn silence_is_trusted_only_from_a_queue_that_is_read_and_filled() {
        let start = Instant::now();
        let mut unread = watch(start);
        assert!(!spares(&unread, start + LISTENING));
        unread.hear(&[], start + LISTENING);
        assert!(spares(&unread, start + LISTENING));
        let silent = Watch {
            is_filled: false,
            ..watch(start)
        };
        assert!(!spares(&silent, start + 2 * SECOND));
    }

    #[test]
    fn more_names_than_anybody_has_are_as_one_that_may_be_about_any() {
        let start = Instant::now();
        let mut watch = watch(start);
        let names: Vec<Hint> = (0..=MOST)
            .map(|number| Hint::Api(api(&number.to_string())))
            .collect();
        watch.hear(&names, start + 2 * SECOND);
        assert!(watch.heard.is_empty());
        assert!(!spares(&watch, start + 3 * SECOND));
    }

    #[test]
    fn everything_is_looked_at_again_after_some_hours() {
        let start = Instant::now();
        let mut watch = watch(start);
        let late = start + SECOND + LONGEST;
        watch.hear(&[], late);
        assert!(!spares(&watch, late));
        assert!(spares(&watch, late - SECOND));
    }
}
