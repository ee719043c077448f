//! Places for work, shared by environments in a way that none of them can take what the others need.
//!
//! An environment has one place of its own, always, and further ones from those that all environments share, up to a
//! number. So an environment whose gateway does not answer holds up its own work and no other's.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use gatehouse_schemas::identity::EnvironmentId;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

/// Places for one kind of work.
#[derive(Debug)]
pub(super) struct Shares {
    /// How many places one environment has at most.
    each: usize,
    common: Arc<Semaphore>,
    environments: Mutex<HashMap<EnvironmentId, Arc<OfEnvironment>>>,
}

#[derive(Debug)]
struct OfEnvironment {
    places: Arc<Semaphore>,
    own: Arc<Semaphore>,
}

/// A place, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    _in_environment: OwnedSemaphorePermit,
    _own_or_common: OwnedSemaphorePermit,
    _of: Arc<OfEnvironment>,
}

impl Shares {
    /// At most `each` places for one environment, and `common` that all share beside their own.
    pub(super) fn new(each: usize, common: usize) -> Self {
        Self {
            each: each.max(1),
            common: Arc::new(Semaphore::new(common)),
            environments: Mutex::default(),
        }
    }

    /// Waits for a place, first come first served within the environment. The semaphores are never closed, so it
    /// never fails.
    pub(super) async fn place(&self, environment: EnvironmentId) -> Result<Place, AcquireError> {
        let of = self.of(environment);
        let in_environment = of.places.clone().acquire_owned().await?;
        let own_or_common = tokio::select! {
            biased;
            own = of.own.clone().acquire_owned() => own?,
            common = self.common.clone().acquire_owned() => common?,
        };
        Ok(Place {
            _in_environment: in_environment,
            _own_or_common: own_or_common,
            _of: of,
        })
    }

    fn of(&self, environment: EnvironmentId) -> Arc<OfEnvironment> {
        let mut environments = self.environments.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(of) = environments.get(&environment) {
            return of.clone();
        }
        // Those that nobody holds or waits for a place of may be gone for good.
        environments.retain(|_, of| Arc::strong_count(of) > 1);
        let of = Arc::new(OfEnvironment {
            places: Arc::new(Semaphore::new(self.each)),
            own: Arc::new(Semaphore::new(1)),
        });
        environments.insert(environment, of.clone());
        of
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use uuid::Uuid;

    use super::*;

    fn environment(number: u128) -> EnvironmentId {
        EnvironmentId(Uuid::from_u128(number))
    }

    /// Takes as many places as there are at once.
    fn take_all(shares: &Shares, environment: EnvironmentId) -> Vec<Place> {
        std::iter::from_fn(|| shares.place(environment).now_or_never()?.ok()).collect()
    }

    #[tokio::test]
    async fn an_environment_has_so_many_places_and_no_more() {
        let shares = Shares::new(8, 64);
        assert_eq!(take_all(&shares, environment(1)).len(), 8);
    }

    #[tokio::test]
    async fn whatever_others_hold_there_is_one_place_left_for_each() {
        let shares = Shares::new(8, 10);
        let first = take_all(&shares, environment(1));
        let second = take_all(&shares, environment(2));
        assert_eq!((first.len(), second.len()), (8, 4));
        let third = take_all(&shares, environment(3));
        assert_eq!(third.len(), 1);
        // What is given back is there for whoever waits.
        drop(first);
        assert_eq!(take_all(&shares, environment(3)).len(), 7);
    }

    #[tokio::test]
    async fn who_waits_gets_the_place_that_is_given_back() {
        let shares = Shares::new(1, 0);
        let held = shares.place(environment(1)).await;
        let mut waiting = std::pin::pin!(shares.place(environment(1)));
        assert!((&mut waiting).now_or_never().is_none());
        drop(held);
        assert!(waiting.now_or_never().is_some());
    }

    #[tokio::test]
    async fn environments_that_are_gone_are_forgotten() {
        let shares = Shares::new(1, 0);
        for number in 1..50 {
            drop(shares.place(environment(number)).await);
        }
        assert_eq!(shares.environments.lock().unwrap().len(), 1);
    }
}
