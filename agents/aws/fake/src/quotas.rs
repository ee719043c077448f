//! The published quotas of the control plane, as buckets of tokens for each account and region.

use std::collections::HashMap;
use std::time::Duration;

use crate::cloud::PlaceName;

/// How many calls may be made at once, and how long one of them takes to come back.
#[derive(Debug, Clone, Copy)]
struct Quota {
    burst: f64,
    every: Duration,
}

const fn once_per(seconds: u64) -> Quota {
    Quota {
        burst: 1.0,
        every: Duration::from_secs(seconds),
    }
}

const fn burst(burst: f64, every_ms: u64) -> Quota {
    Quota {
        burst,
        every: Duration::from_millis(every_ms),
    }
}

/// All operations together: 10 a second, and 40 at once.
const ALL: Quota = burst(40.0, 100);

/// The quota of one operation. APIs that are made at the edge come slower, see [`operation`].
fn quota(operation: &str, at_the_edge: bool) -> Option<Quota> {
    match operation {
        "CreateRestApi" | "ImportRestApi" if at_the_edge => Some(once_per(30)),
        "CreateRestApi" | "ImportRestApi" => Some(once_per(3)),
        "PutRestApi" => Some(once_per(1)),
        "CreateDeployment" => Some(once_per(5)),
        "DeleteRestApi" | "UpdateDomainName" | "CreateDomainName" | "DeleteDomainName" => Some(once_per(30)),
        "UpdateUsagePlan" => Some(once_per(20)),
        "GetResources" => Some(burst(5.0, 400)),
        "CreateResource" | "DeleteResource" | "CreateApiKey" => Some(burst(5.0, 200)),
        _ => None,
    }
}

/// What is left of all quotas.
#[derive(Debug, Default)]
pub(crate) struct Buckets {
    buckets: HashMap<(PlaceName, String), Bucket>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: f64,
    filled: Duration,
}

impl Bucket {
    fn refill(&mut self, quota: Quota, now: Duration) {
        let passed = now.saturating_sub(self.filled).as_secs_f64();
        self.tokens = quota.burst.min(self.tokens + passed / quota.every.as_secs_f64());
        self.filled = now;
    }

    /// How long until there is a token.
    fn wait(&self, quota: Quota) -> Duration {
        quota.every.mul_f64((1.0 - self.tokens).max(0.0))
    }
}

impl Buckets {
    /// Takes a token of an operation and one of all together, or says how long until there are some.
    pub(crate) fn take(
        &mut self,
        place: &PlaceName,
        operation: &str,
        at_the_edge: bool,
        now: Duration,
    ) -> Result<(), Duration> {
        let own = quota(operation, at_the_edge).map(|quota| (operation, quota));
        let needed: Vec<_> = own.into_iter().chain([("*", ALL)]).collect();
        let mut wait = Duration::ZERO;
        for (name, quota) in &needed {
            let bucket = self.bucket(place, name, *quota, now);
            bucket.refill(*quota, now);
            if bucket.tokens < 1.0 - 1e-9 {
                wait = wait.max(bucket.wait(*quota));
            }
        }
        if wait > Duration::ZERO {
            return Err(wait);
        }
        for (name, quota) in &needed {
            self.bucket(place, name, *quota, now).tokens -= 1.0;
        }
        Ok(())
    }

    fn bucket(&mut self, place: &PlaceName, name: &str, quota: Quota, now: Duration) -> &mut Bucket {
        let full = Bucket {
            tokens: quota.burst,
            filled: now,
        };
        self.buckets
            .entry((place.clone(), name.to_owned()))
            .or_insert(full)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> PlaceName {
        ("111111111111".to_owned(), "eu-central-1".to_owned())
    }

    #[test]
    fn a_deployment_may_be_made_every_five_seconds() {
        let mut buckets = Buckets::default();
        let mut take =
            |at_ms: u64| buckets.take(&place(), "CreateDeployment", false, Duration::from_millis(at_ms));
        assert_eq!(take(0), Ok(()));
        assert_eq!(take(1_000), Err(Duration::from_secs(4)));
        assert_eq!(take(5_000), Ok(()));
    }

    #[test]
    fn all_calls_together_are_ten_a_second_after_a_burst_of_forty() {
        let mut buckets = Buckets::default();
        let mut take = |at_ms: u64| buckets.take(&place(), "GetStage", false, Duration::from_millis(at_ms));
        let taken = (0..60).filter(|_| take(0).is_ok()).count();
        assert_eq!(taken, 40);
        let taken = (0..60).filter(|_| take(1_000).is_ok()).count();
        assert_eq!(taken, 10);
    }

    #[test]
    fn what_is_refused_costs_nothing() {
        let mut buckets = Buckets::default();
        let now = Duration::ZERO;
        assert_eq!(buckets.take(&place(), "DeleteRestApi", false, now), Ok(()));
        for _ in 0..100 {
            assert_eq!(
                buckets.take(&place(), "DeleteRestApi", false, now),
                Err(Duration::from_secs(30))
            );
        }
        assert_eq!(buckets.take(&place(), "GetStage", false, now), Ok(()));
    }
}
