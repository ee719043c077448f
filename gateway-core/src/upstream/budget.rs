//! How much may be sent again: a share of what was sent lately, so that repeating never multiplies an outage.

use std::{
    sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// What a repetition costs, and what each request brings in: one repetition for five requests, 20 %.
const COST: i64 = 100;
const INCOME: i64 = 20;

/// So many repetitions are possible without any request before them, and as many again in each second: what hardly
/// anybody calls brings in nothing. Both are what Finagle and Linkerd give (`minRetriesPerSecond`).
const RESERVE: i64 = 10 * COST;
const RESERVE_EVERY: Duration = Duration::from_secs(1);

/// The most that is saved up, from the last 500 requests.
const MOST: i64 = RESERVE + 100 * COST;

/// What an upstream's requests have brought in and its repetitions have not used up.
#[derive(Debug)]
pub(crate) struct Budget {
    saved: AtomicI64,
    /// Up to when the reserve has been made up again, in milliseconds of what `spend` is told.
    made_up: AtomicU64,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            saved: AtomicI64::new(RESERVE),
            made_up: AtomicU64::new(0),
        }
    }
}

impl Budget {
    /// One request that may be repeated was sent.
    pub(crate) fn earn(&self) {
        let more = |saved: i64| (saved < MOST).then_some((saved + INCOME).min(MOST));
        // Nothing to do when it is full.
        let _ = self.saved.fetch_update(Relaxed, Relaxed, more);
    }

    /// Pays for one repetition, if it can; `now` is the time since some moment that stays the same.
    pub(crate) fn spend(&self, now: Duration) -> bool {
        self.make_up(now);
        let less = |saved: i64| (saved >= COST).then_some(saved - COST);
        self.saved.fetch_update(Relaxed, Relaxed, less).is_ok()
    }

    /// Whoever is first in a new second makes up the reserve; what is saved beyond it stays.
    fn make_up(&self, now: Duration) {
        let now = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        let due =
            |last: u64| (u128::from(now.saturating_sub(last)) >= RESERVE_EVERY.as_millis()).then_some(now);
        if self.made_up.fetch_update(Relaxed, Relaxed, due).is_ok() {
            self.saved.fetch_max(RESERVE, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn repetitions_are_never_more_than_a_fifth_of_requests_and_a_reserve_each_second(
            steps in prop::collection::vec((any::<bool>(), 0u64..20), 0..2_000),
        ) {
            let budget = Budget::default();
            let (mut requests, mut repetitions) = (0u64, 0u64);
            let mut now = Duration::ZERO;
            for (request, pause) in steps {
                now += Duration::from_millis(pause);
                if request {
                    budget.earn();
                    requests += 1;
                } else if budget.spend(now) {
                    repetitions += 1;
                }
                prop_assert!(repetitions <= 10 * (1 + now.as_secs()) + requests / 5);
            }
        }
    }

    #[test]
    fn what_is_saved_up_has_an_end() {
        let budget = Budget::default();
        (0..10_000).for_each(|_| budget.earn());
        let possible = |now| {
            let paid = std::iter::repeat_with(|| budget.spend(Duration::from_millis(now)));
            paid.take_while(|paid| *paid).count()
        };
        assert_eq!(possible(5_000), 110);
        assert_eq!(possible(5_999), 0);
        assert_eq!(possible(6_000), 10, "the reserve, without any request");
    }
}
