//! The key set of a token issuer (RFC 7517): fetched when first needed, kept fresh, fetched again at once
//! when a token names a key that is not in it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::{Duration, Instant},
};

use arc_swap::ArcSwapOption;
use http::Uri;
use jsonwebtoken::{
    Algorithm, AlgorithmFamily, DecodingKey,
    jwk::{Jwk, PublicKeyUse},
};
use serde::Deserialize;
use serde_json::Value;
use tokio::{runtime::Handle, sync::watch, time::sleep};
use tracing::{info, warn};

use crate::{
    error::chain,
    upstream::{
        Endpoint, Endpoints,
        fetch::{self, FetchError},
    },
};

/// When a key set is fetched again without anybody waiting for it.
const REFRESH_AFTER: Duration = Duration::from_secs(600);

/// How long after a failed one the next such fetch begins.
const RETRY_AFTER: Duration = Duration::from_secs(30);

/// How long keys may be used when their issuer no longer answers.
const STALE_AFTER: Duration = Duration::from_secs(24 * 3_600);

/// The shortest time between two fetches, however many unknown keys are named.
const COOLDOWN: Duration = Duration::from_secs(1);

/// How long one fetch may take.
const FETCH_TIME: Duration = Duration::from_secs(5);

/// The keys of one issuer at one moment.
#[derive(Debug)]
pub(crate) struct KeySet {
    /// Rises with every set whose content differs.
    pub(crate) generation: u64,
    fetched: Instant,
    document: Value,
    keys: Vec<Key>,
}

/// One key that signatures can be checked with.
#[derive(Debug)]
pub(crate) struct Key {
    id: Option<String>,
    algorithm: Option<String>,
    family: AlgorithmFamily,
    pub(crate) key: DecodingKey,
}

impl KeySet {
    /// The keys that a token may be signed with, going by its header.
    pub(crate) fn candidates(&self, id: Option<&str>, algorithm: Algorithm) -> impl Iterator<Item = &Key> {
        let name = format!("{algorithm:?}");
        self.keys.iter().filter(move |key| {
            (id.is_none() || key.id.as_deref() == id)
                && key.family == algorithm.family()
                && key.algorithm.as_ref().is_none_or(|own| *own == name)
        })
    }

    fn read(document: Value, generation: u64, now: Instant) -> Option<Self> {
        let keys = document.get("keys")?.as_array()?;
        let keys: Vec<Key> = keys.iter().filter_map(Key::read).collect();
        (!keys.is_empty()).then_some(Self {
            generation,
            fetched: now,
            document,
            keys,
        })
    }
}

impl Key {
    /// Reads a public key for signatures; others in the set are not for us.
    fn read(value: &Value) -> Option<Self> {
        let jwk = Jwk::deserialize(value).ok()?;
        if !matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature)) {
            return None;
        }
        let key = DecodingKey::from_jwk(&jwk).ok()?;
        // A symmetric key in a public document is known to everybody.
        (key.family() != AlgorithmFamily::Hmac).then(|| Self {
            id: jwk.common.key_id,
            algorithm: jwk.common.key_algorithm.map(|algorithm| format!("{algorithm:?}")),
            family: key.family(),
            key,
        })
    }
}

/// A key set that keeps itself current. Policies with the same URI share one.
#[derive(Debug)]
pub(crate) struct Jwks {
    uri: Uri,
    endpoint: Arc<Endpoint>,
    runtime: Handle,
    current: ArcSwapOption<KeySet>,
    fetching: Mutex<Fetching>,
}

#[derive(Debug, Default)]
struct Fetching {
    last_start: Option<Instant>,
    /// The fetch under way; it says `true` when it is done.
    running: Option<watch::Receiver<bool>>,
}

/// What someone who needs newer keys does next.
enum Step {
    /// A fetch has been made in the meantime.
    Done,
    /// The last fetch was too short ago.
    Wait(Duration),
    Join {
        running: watch::Receiver<bool>,
        /// Whether it began after the keys were asked for.
        fresh: bool,
    },
}

impl Fetching {
    /// The fetch that somebody makes. One that went away without an end is not waited for.
    fn under_way(&self) -> Option<watch::Receiver<bool>> {
        let open = |running: &&watch::Receiver<bool>| !*running.borrow() && running.has_changed().is_ok();
        self.running.as_ref().filter(open).cloned()
    }

    /// How much of a time after the last start is left.
    fn time_left(&self, time: Duration) -> Option<Duration> {
        let since = self.last_start?.elapsed();
        time.checked_sub(since).filter(|left| !left.is_zero())
    }
}

impl Jwks {
    /// The keys, if there are any young enough to use.
    pub(crate) fn current(&self) -> Option<Arc<KeySet>> {
        let keys = self.current.load_full();
        keys.filter(|keys| keys.fetched.elapsed() < STALE_AFTER)
    }

    /// Starts a fetch in the background when the keys are getting old.
    pub(crate) fn keep_fresh(self: &Arc<Self>, keys: &KeySet) {
        if keys.fetched.elapsed() <= REFRESH_AFTER {
            return;
        }
        let mut fetching = self.fetching.lock().unwrap_or_else(PoisonError::into_inner);
        if fetching.under_way().is_none() && fetching.time_left(RETRY_AFTER).is_none() {
            self.begin(&mut fetching);
        }
    }

    /// Waits until a fetch is done. Says whether it began after `asked`: one that began before may have
    /// been answered before the key that is looked for was published. All who wait share one fetch.
    pub(crate) async fn refresh(self: &Arc<Self>, asked: Instant) -> bool {
        loop {
            match self.next_step(asked) {
                Step::Done => return true,
                Step::Wait(time) => sleep(time).await,
                Step::Join { mut running, fresh } => {
                    // An error means that the fetch is gone, so there is nothing to wait for either.
                    let _ = running.wait_for(|done| *done).await;
                    return fresh;
                }
            }
        }
    }

    fn next_step(self: &Arc<Self>, asked: Instant) -> Step {
        let mut fetching = self.fetching.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = fetching.last_start.is_some_and(|start| start >= asked);
        if let Some(running) = fetching.under_way() {
            return Step::Join { running, fresh };
        }
        if fresh {
            return Step::Done;
        }
        match fetching.time_left(COOLDOWN) {
            Some(time) => Step::Wait(time),
            None => Step::Join {
                running: self.begin(&mut fetching),
                fresh: true,
            },
        }
    }

    fn begin(self: &Arc<Self>, fetching: &mut Fetching) -> watch::Receiver<bool> {
        let (done, running) = watch::channel(false);
        fetching.last_start = Some(Instant::now());
        fetching.running = Some(running.clone());
        let this = Arc::clone(self);
        self.runtime.spawn(async move {
            this.fetch().await;
            done.send_replace(true);
        });
        running
    }

    async fn fetch(&self) {
        let fetched = tokio::time::timeout(FETCH_TIME, fetch::json(&self.endpoint, &self.uri)).await;
        match fetched.unwrap_or(Err(FetchError::Timeout)) {
            Ok(document) => self.take(document),
            Err(error) => warn!(
                jwks.uri = %self.uri, error = %chain(&error),
                "The key set `{}` cannot be fetched; keys already known stay in use", self.uri
            ),
        }
    }

    fn take(&self, document: Value) {
        let now = Instant::now();
        let old = self.current.load_full();
        let generation = match &old {
            Some(old) if old.document == document => old.generation,
            Some(old) => old.generation + 1,
            None => 0,
        };
        let Some(keys) = KeySet::read(document, generation, now) else {
            warn!(jwks.uri = %self.uri, "The key set `{}` holds no usable key; keys already known stay in use", self.uri);
            return;
        };
        if old.is_none_or(|old| old.generation != generation) {
            info!(jwks.uri = %self.uri, keys = keys.keys.len(), "Fetched the key set `{}`", self.uri);
        }
        self.current.store(Some(Arc::new(keys)));
    }
}

/// All key sets in use, by URI.
#[derive(Debug)]
pub(crate) struct KeySets {
    runtime: Handle,
    known: Mutex<HashMap<String, Weak<Jwks>>>,
}

impl KeySets {
    /// Key sets whose fetches run on this runtime.
    pub(crate) fn new(runtime: Handle) -> Self {
        Self {
            runtime,
            known: Mutex::default(),
        }
    }

    /// The key set at a URI. Nothing is fetched yet.
    pub(crate) fn get(&self, uri: &str, endpoints: &Endpoints) -> Result<Arc<Jwks>, String> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(jwks) = known.get(uri).and_then(Weak::upgrade) {
            return Ok(jwks);
        }
        let parsed: Uri = uri
            .parse()
            .map_err(|error| format!("JWKS URI `{uri}`: {error}"))?;
        let jwks = Arc::new(Jwks {
            endpoint: endpoints
                .endpoint(&parsed)
                .map_err(|reason| format!("JWKS {reason}"))?,
            uri: parsed,
            runtime: self.runtime.clone(),
            current: ArcSwapOption::empty(),
            fetching: Mutex::default(),
        });
        known.retain(|_, jwks| jwks.strong_count() > 0);
        known.insert(uri.to_owned(), Arc::downgrade(&jwks));
        Ok(jwks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fetch_that_went_away_is_not_waited_for() {
        let mut fetching = Fetching::default();
        let (done, running) = watch::channel(false);
        fetching.running = Some(running);
        assert!(fetching.under_way().is_some());
        done.send_replace(true);
        assert!(fetching.under_way().is_none(), "it is done");
        done.send_replace(false);
        drop(done);
        assert!(fetching.under_way().is_none(), "nobody makes it any more");
    }

    /// The one that is under way dies with its runtime.
    #[tokio::test]
    async fn after_a_fetch_that_died_there_is_another() {
        let dying = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let sets = KeySets::new(dying.handle().clone());
        let endpoints = Endpoints::new(Handle::current());
        let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let uri = format!("http://{}/", silent.local_addr().expect("an address"));
        let jwks = sets.get(&uri, &endpoints).expect("a key set");
        let asked = Instant::now();
        assert!(matches!(jwks.next_step(asked), Step::Join { fresh: true, .. }));
        dying.shutdown_background();
        let asked = Instant::now();
        loop {
            match jwks.next_step(asked) {
                Step::Wait(_) => break,
                Step::Join { mut running, .. } => {
                    let _ = running.wait_for(|done| *done).await;
                    tokio::task::yield_now().await;
                }
                Step::Done => panic!("none began since"),
            }
        }
    }
}
