//! Looking together: a thousand agents that are woken by one commit need one look at the database, not a thousand.
//!
//! Every look begins after its asker asked; only one in which there is nothing is kept for a moment. Who asks while another look runs waits for its turn together
//! with all who ask meanwhile.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use gatehouse_schemas::identity::{GatewayType, Generation};
use tokio::sync::{OnceCell, Semaphore};

use super::WorkView;
use crate::{
    database::Store,
    error::{Result, StoreError},
};

/// Looks at one time. Few, so that those who ask at once come together.
const AT_ONCE: usize = 2;

/// How long a look in which there was nothing is good for those who begin to wait.
const MOMENT: Duration = Duration::from_secs(1);

type Key = (GatewayType, Generation);

/// One look that several wait for; none inside if it failed.
type Shared = Arc<OnceCell<Option<Arc<WorkView>>>>;

/// The looks that wait for their turn.
pub(crate) struct Looks {
    waiting: Mutex<HashMap<Key, Shared>>,
    /// The last look in which there was nothing, by gateway type.
    resting: Mutex<HashMap<GatewayType, (Instant, Arc<WorkView>)>>,
    turns: Semaphore,
}

impl Default for Looks {
    fn default() -> Self {
        Self {
            waiting: Mutex::default(),
            resting: Mutex::default(),
            turns: Semaphore::new(AT_ONCE),
        }
    }
}

impl Looks {
    pub(super) async fn look(
        &self,
        store: &Store,
        gateway_type: &GatewayType,
        after: Generation,
    ) -> Result<Arc<WorkView>> {
        let key = (gateway_type.clone(), after);
        let shared = lock(&self.waiting).entry(key.clone()).or_default().clone();
        let mut failure = None;
        let begun = shared.get_or_init(|| async {
            let looked = self.take_turn(store, &key, &shared).await;
            looked.map_err(|error| failure = Some(error)).ok()
        });
        let view = begun.await.clone();
        // Who looked knows why it failed; who waited for it is told to try again.
        view.ok_or_else(|| failure.unwrap_or(StoreError::Unavailable(sqlx::Error::PoolTimedOut)))
    }

    async fn take_turn(&self, store: &Store, key: &Key, shared: &Shared) -> Result<Arc<WorkView>> {
        let turn = self.turns.acquire().await;
        self.close(key, shared);
        let (gateway_type, after) = key;
        let mut snapshot = store.snapshot().await?;
        let view = WorkView::load(snapshot.connection(), gateway_type, *after).await;
        drop(turn);
        let view = Arc::new(view?);
        if view.is_resting() {
            let seen = (Instant::now(), view.clone());
            lock(&self.resting).insert(gateway_type.clone(), seen);
        }
        Ok(view)
    }

    /// A look of a moment ago, at this position, in which there was nothing.
    pub(super) fn recent(&self, gateway_type: &GatewayType, after: Generation) -> Option<Arc<WorkView>> {
        let resting = lock(&self.resting);
        let (at, view) = resting.get(gateway_type)?;
        (view.is_of(after) && at.elapsed() < MOMENT).then(|| view.clone())
    }

    /// From now on it may be too old for who asks.
    fn close(&self, key: &Key, shared: &Shared) {
        let mut waiting = lock(&self.waiting);
        if waiting.get(key).is_some_and(|other| Arc::ptr_eq(other, shared)) {
            waiting.remove(key);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
