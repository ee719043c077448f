//! Kept answers: bounded in bytes, process-wide, and gone at once when they are purged.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName};
use quick_cache::{Weighter, sync::Cache};
use tokio::sync::watch;

use super::rules::{Lifetime, Use};
use crate::policy::api_key::{Hash, sha256};

/// What an answer is kept under.
pub(crate) type Key = Hash;

/// How many purges of APIs, and of tags, can be told apart. Two with the same place only purge more than they were asked to.
const PLACES: usize = 16 * 1024;

/// How many purges of targets can be told apart: every successful write is one.
const TARGET_PLACES: usize = 64 * 1024;

/// The share of the store that one answer may have, and the most bytes of a body, whatever the share.
const ENTRY_SHARE: u64 = 64;
const MAX_BODY: u64 = 1024 * 1024;

/// How long requests for what is not kept go their way without waiting for each other.
const PASS_TIME: Duration = Duration::from_secs(10);

/// All kept answers of the process.
pub(crate) struct Store {
    kept: Cache<Key, Kept, ByBytes>,
    max_body: u64,
    /// Rises with every purge.
    purges: AtomicU64,
    /// When what is named by the text that belongs to the place was last purged. Each kind of name has places of its own,
    /// so that writes to one API leave the others alone.
    purged: Box<[AtomicU64]>,
    flights: Mutex<HashMap<Key, Flight>>,
}

impl fmt::Debug for Store {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "Store({} answers, {} bytes)",
            self.kept.len(),
            self.kept.weight()
        )
    }
}

/// What is kept under a key.
#[derive(Debug, Clone)]
enum Kept {
    Answer(Arc<Entry>),
    /// Answers differ by these request headers and are kept under keys of their own.
    Varying(Arc<[HeaderName]>),
    /// The last answer could not be kept.
    Passing(Instant),
}

/// One answer, as the upstream gave it.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) lifetime: Lifetime,
    pub(crate) received: Instant,
    pub(crate) names: Names,
}

impl Entry {
    /// How old it is.
    pub(crate) fn age(&self, now: Instant) -> Duration {
        self.lifetime.age + now.saturating_duration_since(self.received)
    }

    pub(crate) fn usable(&self, now: Instant) -> Use {
        self.lifetime.after(now.saturating_duration_since(self.received))
    }

    fn weight(&self) -> u64 {
        let headers = self.headers.iter();
        let headers: usize = headers
            .map(|(name, value)| name.as_str().len() + value.len() + 64)
            .sum();
        (self.body.len() + headers + self.names.places.len() * 4 + 512) as u64
    }
}

/// By what an answer can be purged, and how many purges there had been when it was asked for.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    asked: u64,
    places: Vec<u32>,
}

impl Names {
    /// Adds a name.
    pub(crate) fn add(&mut self, name: &Name<'_>) {
        self.places.push(name.place());
    }
}

/// A question to the upstream that others wait for.
#[derive(Debug)]
struct Flight {
    ended: watch::Receiver<()>,
    since: Instant,
}

/// What can be purged.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Name<'a> {
    /// Everything of an API.
    Api(&'a str),
    /// What an API's upstream has marked so.
    Tag(&'a str, &'a str),
    /// What an API answers for this target.
    Target(&'a str, &'a str),
}

impl Name<'_> {
    fn place(&self) -> u32 {
        let (first, places, api, rest) = match self {
            Self::Api(api) => (0, PLACES, *api, ""),
            Self::Tag(api, tag) => (PLACES, PLACES, *api, *tag),
            Self::Target(api, target) => (2 * PLACES, TARGET_PLACES, *api, *target),
        };
        let [a, b, c, d, ..] = sha256(format!("{}:{api}{rest}", api.len()).as_bytes());
        first as u32 + u32::from_le_bytes([a, b, c, d]) % places as u32
    }
}

#[derive(Debug, Clone)]
struct ByBytes;

impl Weighter<Key, Kept> for ByBytes {
    fn weight(&self, _: &Key, kept: &Kept) -> u64 {
        match kept {
            Kept::Answer(entry) => entry.weight(),
            Kept::Varying(names) => names.len() as u64 * 64 + 128,
            Kept::Passing(_) => 128,
        }
    }
}

/// What is there for a request.
#[derive(Debug)]
pub(crate) enum Found {
    Nothing,
    /// Nothing, and the last answer could not be kept.
    Passing,
    Answer(Arc<Entry>),
}

/// Whether to ask the upstream, or to wait for somebody who does.
pub(crate) enum Turn {
    Lead(Leader),
    Wait(watch::Receiver<()>),
}

/// Asks the upstream for all who wait; when it goes away, they look again.
#[derive(Debug)]
pub(crate) struct Leader {
    store: Arc<Store>,
    key: Key,
    ended: watch::Sender<()>,
}

impl Drop for Leader {
    fn drop(&mut self) {
        let mut flights = self.store.flights.lock().unwrap_or_else(PoisonError::into_inner);
        // Somebody else may have taken over.
        let own = |flight: &Flight| flight.ended.same_channel(&self.ended.subscribe());
        if flights.get(&self.key).is_some_and(own) {
            flights.remove(&self.key);
        }
    }
}

impl Store {
    /// An empty store that takes up so many bytes at most.
    pub(crate) fn new(max_bytes: u64) -> Arc<Self> {
        Arc::new(Self {
            kept: Cache::with_weighter(1_024, max_bytes, ByBytes),
            max_body: (max_bytes / ENTRY_SHARE).min(MAX_BODY),
            purges: AtomicU64::new(0),
            purged: (0..2 * PLACES + TARGET_PLACES)
                .map(|_| AtomicU64::new(0))
                .collect(),
            flights: Mutex::default(),
        })
    }

    /// The largest body that is kept, in bytes.
    pub(crate) fn max_body(&self) -> u64 {
        self.max_body
    }

    /// Begins with what an answer that is asked for now can be purged by.
    pub(crate) fn names(&self) -> Names {
        Names {
            asked: self.purges.load(SeqCst),
            places: Vec::new(),
        }
    }

    /// From now on, nothing that was asked for before is given under this name.
    pub(crate) fn purge(&self, name: &Name<'_>) {
        let number = self.purges.fetch_add(1, SeqCst) + 1;
        if let Some(place) = self.purged.get(name.place() as usize) {
            place.fetch_max(number, SeqCst);
        }
    }

    fn is_purged(&self, names: &Names) -> bool {
        let purged = |place: &u32| {
            self.purged
                .get(*place as usize)
                .map_or(u64::MAX, |number| number.load(SeqCst))
        };
        names.places.iter().any(|place| purged(place) > names.asked)
    }

    /// What is kept for a request, and the key under which it is or would be. `variant` makes the key of those answers
    /// that differ by request headers.
    pub(crate) fn find(
        &self,
        key: &Key,
        variant: impl FnOnce(&[HeaderName]) -> Key,
        now: Instant,
    ) -> (Key, Found) {
        let (key, kept) = match self.kept.get(key) {
            Some(Kept::Varying(names)) => {
                let key = variant(&names);
                (key, self.kept.get(&key))
            }
            kept => (*key, kept),
        };
        let found = match kept {
            Some(Kept::Answer(entry)) if !self.is_purged(&entry.names) => Found::Answer(entry),
            Some(Kept::Answer(_)) => {
                self.kept.remove(&key);
                Found::Nothing
            }
            Some(Kept::Passing(until)) if until > now => Found::Passing,
            _ => Found::Nothing,
        };
        (key, found)
    }

    /// Keeps an answer, under a key of its own if it differs by request headers.
    pub(crate) fn keep(&self, key: &Key, variant: Option<(Arc<[HeaderName]>, Key)>, entry: Entry) {
        let entry = Kept::Answer(Arc::new(entry));
        match variant {
            None => self.kept.insert(*key, entry),
            Some((names, variant)) => {
                self.kept.insert(*key, Kept::Varying(names));
                self.kept.insert(variant, entry);
            }
        }
    }

    /// Keeps a newer form of an answer in its place.
    pub(crate) fn renew(&self, key: &Key, entry: Arc<Entry>) {
        self.kept.insert(*key, Kept::Answer(entry));
    }

    /// Remembers that an answer could not be kept, so that nobody waits for the next one.
    pub(crate) fn pass(&self, key: &Key, now: Instant) {
        if let Some(Kept::Varying(_)) = self.kept.peek(key) {
            // Other answers are found through it.
            return;
        }
        self.kept.insert(*key, Kept::Passing(now + PASS_TIME));
    }

    /// Whose turn it is to ask the upstream. Nobody leads for longer than `longest`: a caller who does not read what it
    /// asked for holds up no others.
    pub(crate) fn turn(self: &Arc<Self>, key: &Key, longest: Duration) -> Turn {
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = flights.get(key).filter(|flight| flight.since.elapsed() < longest) {
            return Turn::Wait(flight.ended.clone());
        }
        let (leader, ended) = watch::channel(());
        let since = Instant::now();
        flights.insert(*key, Flight { ended, since });
        Turn::Lead(Leader {
            store: Arc::clone(self),
            key: *key,
            ended: leader,
        })
    }

    /// What is kept, in Prometheus' text format.
    pub(crate) fn text(&self) -> String {
        let (answers, bytes) = (self.kept.len(), self.kept.weight());
        format!(
            "# HELP gatehouse_gateway_cache_entries Answers and notes in the cache.\n\
             # TYPE gatehouse_gateway_cache_entries gauge\n\
             gatehouse_gateway_cache_entries {answers}\n\
             # HELP gatehouse_gateway_cache_bytes What they take up, about.\n\
             # TYPE gatehouse_gateway_cache_bytes gauge\n\
             gatehouse_gateway_cache_bytes {bytes}\n"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(store: &Store, body: usize, names: &[Name<'_>]) -> Entry {
        let mut all = store.names();
        names.iter().for_each(|name| all.add(name));
        let lifetime = Lifetime {
            age: Duration::from_secs(1),
            fresh: Duration::from_secs(60),
            while_revalidate: Duration::ZERO,
            if_error: Duration::ZERO,
        };
        Entry {
            headers: HeaderMap::new(),
            body: Bytes::from(vec![0; body]),
            lifetime,
            received: Instant::now(),
            names: all,
        }
    }

    fn is_there(store: &Store, key: u8) -> bool {
        let (_, found) = store.find(&[key; 32], |_| [0; 32], Instant::now());
        matches!(found, Found::Answer(_))
    }

    #[test]
    fn a_purge_takes_what_has_the_name_and_what_is_still_on_its_way() {
        let store = Store::new(1024 * 1024);
        store.keep(
            &[1; 32],
            None,
            entry(&store, 1, &[Name::Api("a"), Name::Tag("a", "x")]),
        );
        store.keep(
            &[2; 32],
            None,
            entry(&store, 1, &[Name::Api("a"), Name::Tag("a", "y")]),
        );
        store.keep(
            &[3; 32],
            None,
            entry(&store, 1, &[Name::Api("b"), Name::Tag("b", "x")]),
        );
        let late = entry(&store, 1, &[Name::Tag("a", "x")]);
        store.purge(&Name::Tag("a", "x"));
        store.keep(&[4; 32], None, late);
        store.keep(&[5; 32], None, entry(&store, 1, &[Name::Tag("a", "x")]));
        assert_eq!(
            [1, 2, 3, 4, 5].map(|key| is_there(&store, key)),
            [false, true, true, false, true]
        );
        store.purge(&Name::Api("a"));
        assert_eq!([2, 3, 5].map(|key| is_there(&store, key)), [false, true, true]);
        for number in 0..100_000 {
            store.purge(&Name::Target("b", &number.to_string()));
        }
        assert!(is_there(&store, 3), "a target is no tag and no API");
    }

    #[test]
    fn the_store_never_takes_up_more_than_it_may() {
        let store = Store::new(256 * 1024);
        for number in 0..2_000_u32 {
            let mut key = [0; 32];
            key[..4].copy_from_slice(&number.to_le_bytes());
            store.keep(&key, None, entry(&store, 1_500, &[Name::Api("a")]));
            assert!(store.kept.weight() <= 256 * 1024);
        }
        assert!(store.kept.len() > 20, "{store:?}");
    }

    #[test]
    fn one_asks_and_the_others_wait_until_it_is_gone() {
        let store = Store::new(1024 * 1024);
        let turn = |key| store.turn(&[key; 32], Duration::from_secs(60));
        let Turn::Lead(leader) = turn(1) else {
            panic!("nobody else asks");
        };
        let Turn::Wait(waiting) = turn(1) else {
            panic!("somebody asks already");
        };
        assert!(matches!(turn(2), Turn::Lead(_)));
        assert!(waiting.has_changed().is_ok());
        drop(leader);
        assert!(waiting.has_changed().is_err(), "it is gone");
        assert!(matches!(turn(1), Turn::Lead(_)));
    }

    #[test]
    fn who_leads_for_too_long_is_waited_for_no_longer() {
        let store = Store::new(1024 * 1024);
        let Turn::Lead(slow) = store.turn(&[1; 32], Duration::from_secs(60)) else {
            panic!("nobody else asks");
        };
        let Turn::Lead(_next) = store.turn(&[1; 32], Duration::ZERO) else {
            panic!("its time is over");
        };
        drop(slow);
        let turn = store.turn(&[1; 32], Duration::from_secs(60));
        assert!(matches!(turn, Turn::Wait(_)), "the next one leads");
    }

    #[test]
    fn an_answer_that_could_not_be_kept_hides_no_others() {
        let store = Store::new(1024 * 1024);
        let names: Arc<[HeaderName]> = Arc::new([http::header::ACCEPT]);
        store.keep(&[1; 32], Some((names, [2; 32])), entry(&store, 1, &[]));
        store.pass(&[1; 32], Instant::now());
        let find = |variant: u8| store.find(&[1; 32], |_| [variant; 32], Instant::now());
        assert!(matches!(find(2), (key, Found::Answer(_)) if key == [2; 32]));
        store.pass(&[3; 32], Instant::now());
        assert!(matches!(find(3), (_, Found::Passing)));
        assert!(matches!(find(4), (key, Found::Nothing) if key == [4; 32]));
    }
}
