//! Looking together: a thousand agents that are woken by one commit need one look at the database, not a thousand.
//!
//! Every look begins after its asker asked; only one in which there is nothing is kept for a moment. Who asks while
//! another look runs waits for its turn together with all who ask meanwhile, whatever their positions are: the look
//! covers the oldest of them. Only those who want everything wait apart, as it is much more.

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

/// Who looks together: the agents of a gateway type, those that ask for everything apart.
type Key = (GatewayType, bool);

/// One look that several wait for.
#[derive(Default)]
struct Look {
    /// The oldest position of those who wait.
    oldest: Mutex<Option<Generation>>,
    /// What was seen; none inside if looking failed.
    view: OnceCell<Option<Arc<WorkView>>>,
}

/// The looks that wait for their turn.
pub(crate) struct Looks {
    waiting: Mutex<HashMap<Key, Arc<Look>>>,
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
        let key = (gateway_type.clone(), after == Generation(0));
        let look = self.join(&key, after);
        let mut failure = None;
        let begun = look.view.get_or_init(|| async {
            let looked = self.take_turn(store, &key, &look).await;
            looked.map_err(|error| failure = Some(error)).ok()
        });
        let view = begun.await.clone();
        // Who looked knows why it failed; who waited for it is told to try again.
        view.ok_or_else(|| failure.unwrap_or(StoreError::Unavailable(sqlx::Error::PoolTimedOut)))
    }

    fn join(&self, key: &Key, after: Generation) -> Arc<Look> {
        let mut waiting = lock(&self.waiting);
        let look = waiting.entry(key.clone()).or_default();
        let mut oldest = lock(&look.oldest);
        *oldest = Some(oldest.map_or(after, |oldest| oldest.min(after)));
        drop(oldest);
        look.clone()
    }

    async fn take_turn(&self, store: &Store, key: &Key, look: &Arc<Look>) -> Result<Arc<WorkView>> {
        let turn = self.turns.acquire().await;
        let oldest = self.close(key, look);
        let gateway_type = &key.0;
        let mut snapshot = store.snapshot().await?;
        let view = WorkView::load(snapshot.connection(), gateway_type, oldest).await;
        drop(turn);
        let view = Arc::new(view?);
        if view.is_resting() {
            let seen = (Instant::now(), view.clone());
            lock(&self.resting).insert(gateway_type.clone(), seen);
        }
        Ok(view)
    }

    /// A look of a moment ago that ended at this position and in which there was nothing.
    pub(super) fn recent(&self, gateway_type: &GatewayType, after: Generation) -> Option<Arc<WorkView>> {
        let resting = lock(&self.resting);
        let (at, view) = resting.get(gateway_type)?;
        (view.ends_at(after) && at.elapsed() < MOMENT).then(|| view.clone())
    }

    /// From now on it may be too old for who asks. Gives the position it has to cover.
    fn close(&self, key: &Key, look: &Arc<Look>) -> Generation {
        let mut waiting = lock(&self.waiting);
        if waiting.get(key).is_some_and(|other| Arc::ptr_eq(other, look)) {
            waiting.remove(key);
        }
        lock(&look.oldest).unwrap_or_default()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
