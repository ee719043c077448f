//! Which calls have not ended, and which of them nobody waits for any more.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use gatehouse_schemas::{identity::EnvironmentId, time::Timestamp};
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

/// How long a call that was given up may take to notice it before it counts as hanging.
const TIME_TO_NOTICE: Duration = Duration::from_secs(2);

/// A call that was given up and goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hanging {
    pub(super) name: &'static str,
    /// When it began.
    pub(super) since: Timestamp,
}

#[derive(Debug)]
struct Running {
    call: Hanging,
    /// Since when nobody waits for it.
    given_up: Option<Instant>,
}

/// All calls that have not ended.
#[derive(Debug)]
pub(super) struct Register {
    state: Mutex<State>,
    /// Counts calls that ended.
    ended: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    last: u64,
    running: BTreeMap<(EnvironmentId, u64), Running>,
}

impl Default for Register {
    fn default() -> Self {
        Self {
            state: Mutex::default(),
            ended: watch::Sender::new(0),
        }
    }
}

impl Register {
    /// Notes that a call begins. The place is for whoever carries it out, the other half for whoever waits for it.
    pub(super) fn enter(self: &Arc<Self>, environment: EnvironmentId, name: &'static str) -> (Place, GiveUp) {
        let mut state = self.lock();
        state.last += 1;
        let key = (environment, state.last);
        let call = Hanging { name, since: now() };
        let running = Running { call, given_up: None };
        state.running.insert(key, running);
        let place = Place {
            register: self.clone(),
            key,
        };
        let give_up = GiveUp {
            register: Some(self.clone()),
            key,
            token: CancellationToken::new(),
        };
        (place, give_up)
    }

    /// Waits a moment for calls of an environment that were given up just now; gives one that hangs.
    pub(super) async fn settled(&self, environment: EnvironmentId) -> Option<Hanging> {
        let (_, given_up) = self.first_given_up(environment)?;
        let mut ended = self.ended.subscribe();
        let all_ended = ended.wait_for(|_| self.first_given_up(environment).is_none());
        let _ = tokio::time::timeout_at(given_up + TIME_TO_NOTICE, all_ended).await;
        let (call, _) = self.first_given_up(environment)?;
        Some(call)
    }

    /// How many calls of an environment were given up and go on.
    pub(super) fn count(&self, environment: EnvironmentId) -> usize {
        let state = self.lock();
        let running = state.of(environment);
        running.filter(|running| running.given_up.is_some()).count()
    }

    /// The call of an environment that nobody waits for for the longest time.
    fn first_given_up(&self, environment: EnvironmentId) -> Option<(Hanging, Instant)> {
        let state = self.lock();
        let running = state.of(environment);
        let given_up = running.filter_map(|running| Some((running.call.clone(), running.given_up?)));
        given_up.min_by_key(|(_, since)| *since)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The calls of an environment.
    fn of(&self, environment: EnvironmentId) -> impl Iterator<Item = &Running> {
        let keys = (environment, 0)..=(environment, u64::MAX);
        self.running.range(keys).map(|(_, running)| running)
    }
}

/// Held for as long as a call goes on.
#[derive(Debug)]
pub(super) struct Place {
    register: Arc<Register>,
    key: (EnvironmentId, u64),
}

impl Drop for Place {
    fn drop(&mut self) {
        self.register.lock().running.remove(&self.key);
        self.register.ended.send_modify(|count| *count += 1);
    }
}

/// Held by whoever waits for a call. Dropped before the call ended, it gives the call up.
#[derive(Debug)]
pub(super) struct GiveUp {
    register: Option<Arc<Register>>,
    key: (EnvironmentId, u64),
    token: CancellationToken,
}

impl GiveUp {
    /// Cancelled when the call is given up.
    pub(super) fn token(&self) -> CancellationToken {
        self.token.clone()
    }

    /// The call ended.
    pub(super) fn disarm(mut self) {
        self.register = None;
    }
}

impl Drop for GiveUp {
    fn drop(&mut self) {
        let Some(register) = self.register.take() else {
            return;
        };
        if let Some(running) = register.lock().running.get_mut(&self.key) {
            running.given_up = Some(Instant::now());
        }
        self.token.cancel();
    }
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // Whole seconds read better, and nobody needs more.
    Timestamp(i64::try_from(since.as_secs()).map_or(i64::MAX, |seconds| seconds.saturating_mul(1_000)))
}
