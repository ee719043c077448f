//! What is known of each deployment: what to do next, whether somebody is at it, what is settled.
//!
//! Pure bookkeeping; whoever does the work asks here what it is.

use std::{collections::HashMap, sync::Arc};

use gatehouse_control_plane_api::agent::DeploymentWork;
use gatehouse_schemas::identity::{DeploymentId, EnvironmentId, FencingNumber, Generation};
use tokio::sync::Notify;

/// Up to where a deployment needs no work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Settled {
    pub(super) generation: Generation,
    pub(super) fencing: FencingNumber,
    /// Refused for good: worth another try after a reconnect, since somebody may have put it right.
    pub(super) refused: bool,
}

#[derive(Debug)]
struct Slot {
    environment_id: EnvironmentId,
    /// What to do next.
    pending: Option<DeploymentWork>,
    /// Whether a worker is at it.
    active: bool,
    settled: Option<Settled>,
    /// Whether an attempt has come to an end.
    tried: bool,
    /// Whether the last one failed.
    failed: bool,
    /// Wakes a worker that waits between attempts.
    news: Arc<Notify>,
}

/// All deployments that are not forgotten.
#[derive(Debug, Default)]
pub(super) struct Slots {
    slots: HashMap<DeploymentId, Slot>,
}

impl Slots {
    /// Takes in desired state, unless something newer is known or it is settled under this lease. Says whether
    /// a worker must be started for it.
    pub(super) fn accept(&mut self, work: DeploymentWork, fencing: Option<FencingNumber>) -> bool {
        let slot = self.slots.entry(work.id).or_insert_with(|| Slot {
            environment_id: work.environment_id,
            pending: None,
            active: false,
            settled: None,
            tried: false,
            failed: false,
            news: Arc::default(),
        });
        let newer = |pending: &DeploymentWork| pending.generation > work.generation;
        if slot.pending.as_ref().is_some_and(newer)
            || fencing.is_some_and(|fencing| slot.is_settled(work.generation, fencing))
        {
            return false;
        }
        slot.pending = Some(work);
        slot.news.notify_one();
        !std::mem::replace(&mut slot.active, true)
    }

    /// The next work of a deployment; none ends its worker.
    pub(super) fn take(&mut self, id: DeploymentId) -> Option<(DeploymentWork, Arc<Notify>)> {
        let slot = self.slots.get_mut(&id)?;
        if let Some(work) = slot.pending.take() {
            return Some((work, slot.news.clone()));
        }
        slot.active = false;
        if slot.settled.is_none() {
            self.slots.remove(&id);
        }
        None
    }

    /// Whether something newer is desired than this.
    pub(super) fn is_superseded(&self, work: &DeploymentWork) -> bool {
        self.slots
            .get(&work.id)
            .and_then(|slot| slot.pending.as_ref())
            .is_some_and(|pending| pending.generation > work.generation)
    }

    /// Whether this needs no work under this lease.
    pub(super) fn is_settled(&self, work: &DeploymentWork, fencing: FencingNumber) -> bool {
        self.slots
            .get(&work.id)
            .is_some_and(|slot| slot.is_settled(work.generation, fencing))
    }

    /// Notes up to where a deployment needs no work.
    pub(super) fn settle(&mut self, id: DeploymentId, settled: Settled) {
        if let Some(slot) = self.slots.get_mut(&id) {
            slot.settled = Some(settled);
        }
    }

    /// Whether a worker is at a deployment, or waits to try it again.
    pub(super) fn is_active(&self, id: DeploymentId) -> bool {
        self.slots.get(&id).is_some_and(|slot| slot.active)
    }

    /// Lets everything in an environment be looked at again when it is offered next.
    pub(super) fn forget(&mut self, environment: EnvironmentId) {
        for slot in self.slots.values_mut() {
            if slot.environment_id == environment {
                slot.settled = None;
            }
        }
    }

    /// Lets what was refused for good be tried again when it is offered next.
    pub(super) fn forget_refusals(&mut self) {
        for slot in self.slots.values_mut() {
            slot.settled = slot.settled.filter(|settled| !settled.refused);
        }
    }

    /// Notes that an attempt has come to an end, and whether it failed.
    pub(super) fn mark_tried(&mut self, id: DeploymentId, failed: bool) {
        if let Some(slot) = self.slots.get_mut(&id) {
            slot.tried = true;
            slot.failed = failed;
        }
    }

    /// How many deployments of an environment a worker is at, and of how many the last attempt failed.
    pub(super) fn counts(&self, environment: EnvironmentId) -> (usize, usize) {
        let slots = self.slots.values();
        let slots = slots.filter(|slot| slot.environment_id == environment);
        slots.fold((0, 0), |(open, failed), slot| {
            (open + usize::from(slot.active), failed + usize::from(slot.failed))
        })
    }

    /// Whether each of these has been tried, or needs no work.
    pub(super) fn all_tried(&self, ids: &[DeploymentId]) -> bool {
        ids.iter()
            .filter_map(|id| self.slots.get(id))
            .all(|slot| slot.tried || !slot.active)
    }
}

impl Slot {
    fn is_settled(&self, generation: Generation, fencing: FencingNumber) -> bool {
        self.settled
            .is_some_and(|settled| settled.generation >= generation && settled.fencing == fencing)
    }
}

#[cfg(test)]
mod tests {
    use gatehouse_control_plane_api::agent::DesiredState;
    use uuid::Uuid;

    use super::*;
    use crate::memory::test_support::{environment_id, mark};

    const LEASE: FencingNumber = FencingNumber(1);

    fn work(generation: u64) -> DeploymentWork {
        DeploymentWork {
            id: DeploymentId(Uuid::nil()),
            environment_id: environment_id(),
            generation: Generation(generation),
            desired: DesiredState::Absent { mark: mark(1) },
            external_ref: None,
            confirmed: false,
            expected: None,
            adopt: None,
            accept_loss: false,
            priority: gatehouse_control_plane_api::agent::Priority::Normal,
            steps: Vec::new(),
        }
    }

    fn next(slots: &mut Slots) -> Option<u64> {
        slots.take(work(0).id).map(|(work, _)| work.generation.0)
    }

    /// Slots in which generation 5 was worked off.
    fn settled(refused: bool) -> Slots {
        let mut slots = Slots::default();
        assert!(slots.accept(work(5), Some(LEASE)));
        assert_eq!(next(&mut slots), Some(5));
        let settled = Settled {
            generation: Generation(5),
            fencing: LEASE,
            refused,
        };
        slots.settle(work(5).id, settled);
        assert_eq!(next(&mut slots), None);
        slots
    }

    #[test]
    fn one_worker_gets_the_newest_only() {
        let mut slots = Slots::default();
        assert!(slots.accept(work(1), Some(LEASE)));
        assert!(!slots.accept(work(3), Some(LEASE)));
        assert!(!slots.accept(work(2), Some(LEASE)));
        assert_eq!(next(&mut slots), Some(3));
        assert_eq!(next(&mut slots), None);
        assert!(
            slots.accept(work(4), Some(LEASE)),
            "the next one needs a worker again"
        );
    }

    #[test]
    fn what_a_worker_does_is_superseded_by_newer_wishes_only() {
        let mut slots = Slots::default();
        slots.accept(work(2), Some(LEASE));
        next(&mut slots);
        slots.accept(work(2), Some(LEASE));
        assert!(!slots.is_superseded(&work(2)));
        slots.accept(work(3), Some(LEASE));
        assert!(slots.is_superseded(&work(2)));
    }

    #[test]
    fn what_is_settled_is_not_looked_at_again_under_the_same_lease() {
        for (generation, fencing, expected) in [(5, 1, false), (4, 1, false), (6, 1, true), (5, 2, true)] {
            let mut slots = settled(false);
            assert_eq!(
                slots.accept(work(generation), Some(FencingNumber(fencing))),
                expected,
                "generation {generation} under lease {fencing}"
            );
        }
    }

    #[test]
    fn a_changed_environment_is_looked_at_as_a_whole() {
        let mut slots = settled(false);
        slots.forget(environment_id());
        assert!(slots.accept(work(5), Some(LEASE)));
    }

    #[test]
    fn a_reconnect_brings_back_refusals_and_nothing_else() {
        for refused in [true, false] {
            let mut slots = settled(refused);
            slots.forget_refusals();
            assert_eq!(slots.accept(work(5), Some(LEASE)), refused);
        }
    }
}
