//! Strict token buckets, per account and operation.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::behaviour::Behaviour;

/// The buckets of all accounts.
#[derive(Debug, Default)]
pub(super) struct Buckets {
    /// When each bucket would be full again.
    full_at: BTreeMap<(String, &'static str), Instant>,
}

impl Buckets {
    /// Takes a token of the operation and one of the account, or none and says when to come back.
    pub(super) fn take(
        &mut self,
        behaviour: &Behaviour,
        account: &str,
        operation: &str,
        now: Instant,
    ) -> Result<(), Duration> {
        let concerned: Vec<_> = behaviour
            .quotas()
            .filter(|(name, ..)| *name == "*" || *name == operation)
            .collect();
        let mut longest = Duration::ZERO;
        for (name, burst, interval) in &concerned {
            let interval = Duration::from_micros(*interval);
            let filled = self.filled(account, name, now);
            // The bucket is empty when it would take `burst` intervals to fill it.
            let after = filled.saturating_duration_since(now) + interval;
            longest = longest.max(after.saturating_sub(interval * *burst));
        }
        if longest > Duration::ZERO {
            return Err(longest);
        }
        for (name, _, interval) in concerned {
            let filled = self.filled(account, name, now).max(now);
            self.full_at.insert(
                (account.to_owned(), name),
                filled + Duration::from_micros(interval),
            );
        }
        Ok(())
    }

    /// Fills all buckets.
    pub(super) fn fill(&mut self) {
        self.full_at.clear();
    }

    fn filled(&self, account: &str, name: &'static str, now: Instant) -> Instant {
        let key = (account.to_owned(), name);
        self.full_at.get(&key).copied().unwrap_or(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_gives_its_burst_and_then_one_per_interval() {
        let behaviour = Behaviour {
            quota_divisor: 1,
            ..Behaviour::default()
        };
        let mut buckets = Buckets::default();
        let start = Instant::now();
        let mut take = |ms: u64, operation: &str| {
            buckets.take(&behaviour, "a", operation, start + Duration::from_millis(ms))
        };
        assert!(take(0, "CreateApi").is_ok());
        assert_eq!(take(1_000, "CreateApi"), Err(Duration::from_millis(2_000)));
        assert!(take(3_000, "CreateApi").is_ok());
        // Both tokens of the account are back; 40 may come at once, and then one in 100 ms.
        for _ in 0..40 {
            assert!(take(10_000, "GetApi").is_ok());
        }
        assert_eq!(take(10_000, "GetApi"), Err(Duration::from_millis(100)));
        assert!(take(10_100, "GetApi").is_ok());
    }
}
