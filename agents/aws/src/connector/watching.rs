//! What a discovery need not look at again, where AWS tells of changes: no event named it since it was looked at.
//!
//! Listings do not say whether a stage was changed, so that each API costs one look at its stage. Events spare those looks, and
//! are trusted no further: only while the queue is read without a gap and is known to be filled, and never for longer than
//! [`LONGEST`]. A late event leads to a look when it comes; a lost one is made up for by then.

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
/// How long nobody here may have waited for messages between two reads. The runtime reads again at once, and five seconds
/// after a failure; in a longer gap, another agent may have had the environment, taken an event and ended.
const LONGEST_GAP: Duration = Duration::from_secs(10);
/// How long a change may take to show after its event: a stage that deploys by itself does so a while after its API was
/// changed.
const SETTLING: Duration = Duration::from_secs(120);

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
    /// When the last wait for messages ended, whatever came of it.
    paused: Option<Instant>,
    /// Whether anything ever came: a queue that no rule fills is silent, too.
    is_filled: bool,
    looks: BTreeMap<ExternalRef, Look>,
    /// What was heard of since it was looked at.
    heard: BTreeMap<ExternalRef, Instant>,
    /// When something was heard that may be about any API.
    heard_of_all: Option<Instant>,
}

impl Watch {
    /// Begins to wait for messages. After a gap, nobody knows what was missed.
    fn listen(&mut self, now: Instant) {
        let gap = self.paused.map(|paused| now.saturating_duration_since(paused));
        if gap.is_none_or(|gap| gap > LONGEST_GAP) {
            self.looks.clear();
        }
    }

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
        let heard = self.heard.get(api).map(|heard| *heard + SETTLING);
        let mut heard = heard.into_iter().chain(self.heard_of_all);
        let was_heard_of = heard.any(|heard| heard >= look.began);
        is_as_seen && !was_heard_of && since(look.began) < LONGEST
    }

    /// Lets go of what is too old to spare anything: of APIs that are gone, nobody asks any more.
    fn forget_old(&mut self, now: Instant) {
        let is_new = |time: Instant| now.saturating_duration_since(time) < LONGEST;
        self.looks.retain(|_, look| is_new(look.began));
        self.heard.retain(|_, heard| is_new(*heard));
    }
}

/// What is known by looking and listening, by environment.
#[derive(Debug, Default)]
pub(super) struct Watches {
    kept: Mutex<BTreeMap<EnvironmentId, Watch>>,
}

impl Watches {
    /// Takes note that somebody begins to wait for messages of the queue.
    pub(super) fn listen(&self, environment: EnvironmentId, queue: &str) {
        let mut kept = self.lock();
        let watch = kept.entry(environment).or_default();
        if watch.queue != queue {
            *watch = Watch {
                queue: queue.to_owned(),
                ..Watch::default()
            };
        }
        watch.listen(Instant::now());
    }

    /// Takes note of what the queue told.
    pub(super) fn hear(&self, environment: EnvironmentId, hints: &[Hint]) {
        if let Some(watch) = self.lock().get_mut(&environment) {
            watch.hear(hints, Instant::now());
        }
    }

    /// Takes note that the wait for messages is over.
    pub(super) fn pause(&self, environment: EnvironmentId) {
        if let Some(watch) = self.lock().get_mut(&environment) {
            watch.paused = Some(Instant::now());
        }
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

    /// Lets go of what is too old to spare a look.
    pub(super) fn forget_old(&self, environment: EnvironmentId) {
        if let Some(watch) = self.lock().get_mut(&environment) {
            watch.forget_old(Instant::now());
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
mod tests;
