//! How much may be sent again: a share of what was sent lately, so that repeating never multiplies an outage.

use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

/// What a repetition costs, and what each request brings in: one repetition for five requests, 20 %.
const COST: i64 = 100;
const INCOME: i64 = 20;

/// So many repetitions are possible without any request before them.
const RESERVE: i64 = 10 * COST;

/// The most that is saved up, from the last 500 requests.
const MOST: i64 = RESERVE + 100 * COST;

/// What an upstream's requests have brought in and its repetitions have not used up.
#[derive(Debug)]
pub(crate) struct Budget(AtomicI64);

impl Default for Budget {
    fn default() -> Self {
        Self(AtomicI64::new(RESERVE))
    }
}

impl Budget {
    /// One request that may be repeated was sent.
    pub(crate) fn earn(&self) {
        let more = |saved: i64| (saved < MOST).then_some((saved + INCOME).min(MOST));
        // Nothing to do when it is full.
        let _ = self.0.fetch_update(Relaxed, Relaxed, more);
    }

    /// Pays for one repetition, if it can.
    pub(crate) fn spend(&self) -> bool {
        let less = |saved: i64| (saved >= COST).then_some(saved - COST);
        self.0.fetch_update(Relaxed, Relaxed, less).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn repetitions_are_never_more_than_a_fifth_of_requests_and_a_reserve(steps in prop::collection::vec(any::<bool>(), 0..2_000)) {
            let budget = Budget::default();
            let (mut requests, mut repetitions) = (0u64, 0u64);
            for request in steps {
                if request {
                    budget.earn();
                    requests += 1;
                } else if budget.spend() {
                    repetitions += 1;
                }
                prop_assert!(repetitions <= 10 + requests / 5);
            }
        }
    }

    #[test]
    fn what_is_saved_up_has_an_end() {
        let budget = Budget::default();
        (0..10_000).for_each(|_| budget.earn());
        let possible = std::iter::repeat_with(|| budget.spend())
            .take_while(|paid| *paid)
            .count();
        assert_eq!(possible, 110);
    }
}
