//! The memory that bodies may take up in this process while they are held: to be checked or changed, or to be kept in the cache.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use bytes::Bytes;

/// How many bytes are held, and how many may be.
pub(crate) struct BodyBudget {
    max: u64,
    held: AtomicU64,
    most: AtomicU64,
    refused: AtomicU64,
}

impl fmt::Debug for BodyBudget {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "BodyBudget({} of {})",
            self.held.load(Relaxed),
            self.max
        )
    }
}

impl BodyBudget {
    /// Nothing is held yet.
    pub(crate) fn new(max: u64) -> Arc<Self> {
        Arc::new(Self {
            max,
            held: AtomicU64::new(0),
            most: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        })
    }

    /// A body that begins with nothing.
    pub(crate) fn body(self: &Arc<Self>) -> HeldBody {
        self.held(self.max)
    }

    /// A body that nobody waits for, as it is only to be kept: it leaves half of the memory to the others.
    pub(crate) fn recording(self: &Arc<Self>) -> HeldBody {
        self.held(self.max / 2)
    }

    fn held(self: &Arc<Self>, most: u64) -> HeldBody {
        HeldBody {
            bytes: Vec::new(),
            held: 0,
            most,
            budget: Arc::clone(self),
        }
    }

    fn take(&self, bytes: u64, most: u64) -> bool {
        let take = |held: u64| held.checked_add(bytes).filter(|sum| *sum <= most);
        match self.held.fetch_update(Relaxed, Relaxed, take) {
            Ok(before) => {
                self.most.fetch_max(before + bytes, Relaxed);
                true
            }
            Err(_) => false,
        }
    }

    /// What is held, in Prometheus' text format.
    pub(crate) fn text(&self) -> String {
        let Self { max, .. } = self;
        let (held, most) = (self.held.load(Relaxed), self.most.load(Relaxed));
        let refused = self.refused.load(Relaxed);
        format!(
            "# HELP gatehouse_gateway_held_body_bytes Bytes of bodies held in memory.\n\
             # TYPE gatehouse_gateway_held_body_bytes gauge\n\
             gatehouse_gateway_held_body_bytes {held}\n\
             # HELP gatehouse_gateway_held_body_bytes_most The most bytes of bodies ever held at once.\n\
             # TYPE gatehouse_gateway_held_body_bytes_most gauge\n\
             gatehouse_gateway_held_body_bytes_most {most}\n\
             # HELP gatehouse_gateway_held_body_bytes_max The most bytes of bodies that may be held.\n\
             # TYPE gatehouse_gateway_held_body_bytes_max gauge\n\
             gatehouse_gateway_held_body_bytes_max {max}\n\
             # HELP gatehouse_gateway_held_body_refused_total Bodies that there was no room for.\n\
             # TYPE gatehouse_gateway_held_body_refused_total counter\n\
             gatehouse_gateway_held_body_refused_total {refused}\n"
        )
    }
}

/// There is no room for more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoRoom;

/// A body that is being taken in. It counts for the memory it has, and gives it back when it goes away.
#[derive(Debug)]
pub(crate) struct HeldBody {
    bytes: Vec<u8>,
    held: u64,
    /// How many bytes all bodies may have for this one to grow.
    most: u64,
    budget: Arc<BodyBudget>,
}

impl HeldBody {
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Takes in more, unless there is no room for it.
    pub(crate) fn push(&mut self, data: &[u8]) -> Result<(), NoRoom> {
        let needed = self.bytes.len() + data.len();
        if needed > self.bytes.capacity() {
            // Doubled, so that a long body is not copied for each of its parts.
            let capacities = [needed.max(self.bytes.capacity() * 2), needed];
            let Some(capacity) = capacities.into_iter().find(|capacity| self.claim(*capacity)) else {
                self.budget.refused.fetch_add(1, Relaxed);
                return Err(NoRoom);
            };
            self.bytes.reserve_exact(capacity - self.bytes.len());
        }
        self.bytes.extend_from_slice(data);
        Ok(())
    }

    fn claim(&mut self, capacity: usize) -> bool {
        let more = (capacity as u64).saturating_sub(self.held);
        let claimed = self.budget.take(more, self.most);
        if claimed {
            self.held += more;
        }
        claimed
    }

    /// The whole body; it counts until nobody has it any more.
    pub(crate) fn freeze(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for HeldBody {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for HeldBody {
    fn drop(&mut self) {
        self.budget.held.fetch_sub(self.held, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_does_not_fit_is_refused_and_what_goes_away_makes_room() {
        let budget = BodyBudget::new(100);
        let mut first = budget.body();
        first.push(&[1; 60]).expect("there is room");
        let mut second = budget.body();
        assert_eq!(second.push(&[2; 41]), Err(NoRoom));
        second.push(&[2; 40]).expect("there is room");
        let first = first.freeze();
        let part = first.slice(..1);
        drop(first);
        assert_eq!(budget.body().push(&[3]), Err(NoRoom), "a part is still there");
        drop(part);
        budget.body().push(&[3; 60]).expect("there is room again");
        assert!(budget.text().contains("gatehouse_gateway_held_body_bytes 40\n"));
        assert!(
            budget
                .text()
                .contains("gatehouse_gateway_held_body_bytes_most 100\n")
        );
        assert!(
            budget
                .text()
                .contains("gatehouse_gateway_held_body_refused_total 2\n")
        );
    }

    #[test]
    fn what_is_only_to_be_kept_leaves_room_for_what_is_waited_for() {
        let budget = BodyBudget::new(100);
        let mut kept = budget.recording();
        kept.push(&[1; 50]).expect("there is room");
        assert_eq!(kept.push(&[1; 10]), Err(NoRoom));
        assert_eq!(budget.recording().push(&[1; 10]), Err(NoRoom));
        budget.body().push(&[1; 50]).expect("there is room");
    }

    proptest! {
        #[test]
        fn bodies_never_have_more_memory_than_the_budget(parts in prop::collection::vec((0_usize..4, 0_usize..200), 0..100)) {
            let budget = BodyBudget::new(1_000);
            let mut bodies: Vec<_> = (0..4).map(|_| budget.body()).collect();
            for (body, length) in parts {
                let before = bodies[body].len();
                let pushed = bodies[body].push(&vec![7; length]);
                prop_assert_eq!(bodies[body].len() - before, if pushed.is_ok() { length } else { 0 });
                let memory: usize = bodies.iter().map(|body| body.bytes.capacity()).sum();
                prop_assert!(memory as u64 <= budget.held.load(Relaxed));
                prop_assert!(budget.held.load(Relaxed) <= 1_000);
            }
            drop(bodies);
            prop_assert_eq!(budget.held.load(Relaxed), 0);
        }
    }
}
