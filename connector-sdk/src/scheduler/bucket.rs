//! One token bucket: a quota as published, or as learned from refusals. No waiting in here, and no clock but the one
//! it is given.
//!
//! The vendor's bucket is its own, at the other end of a network: calls that leave evenly arrive unevenly, and two
//! clocks never run alike. So this one keeps a little below the published figures, by less than 5 % (`margin`,
//! `PACE`), which makes refusals rare; those that come all the same slow it down (multiplicative decrease), and
//! successes bring it back (additive increase).

use std::time::Duration;

use gatehouse_control_plane_api::agent::Priority;
use gatehouse_schemas::quota::Quota;
use tokio::time::Instant;

/// How much slower than published calls are made.
const PACE: f64 = 1.005;
/// How much later than its neighbour a call may arrive without harm, in seconds.
const JITTER: f64 = 0.030;
/// What is left of the rate after a refusal.
const DECREASE: f64 = 0.5;
/// What each success brings back, as a part of the rate that was refused.
const INCREASE: f64 = 0.01;
/// The slowest rate ever used, as a part of the full one.
const SLOWEST: f64 = 1.0 / 64.0;
/// The pause after a refusal that names none.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest pause that a vendor is believed.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);
/// The longest time ever reckoned with, in seconds: some thirty years.
const LONGEST: f64 = 1e9;
/// Refusals within this time of a decrease speak of calls that were made before it.
const SETTLING: Duration = Duration::from_secs(2);
/// Over how long calls are counted to learn a rate from.
const COUNTED: Duration = Duration::from_secs(10);
/// What floating-point sums may lack of a whole token.
const EPSILON: f64 = 1e-6;

/// A token bucket.
#[derive(Debug)]
pub(super) struct Bucket {
    /// None as long as nothing is known to limit it.
    limit: Option<Limit>,
    blocked_until: Option<Instant>,
    counted: Counted,
}

#[derive(Debug)]
struct Limit {
    /// Tokens there can be.
    capacity: f64,
    /// Tokens that only rollbacks may take.
    reserve: f64,
    /// Tokens per second when all is well.
    full_rate: f64,
    /// The most the rate ever becomes. A published one is the most; a learned one is tried beyond what was too much.
    most: f64,
    /// Tokens per second now.
    rate: f64,
    level: f64,
    as_of: Instant,
    decreased: Option<Instant>,
    /// The rate that was refused last.
    refused_rate: f64,
}

/// The calls of the last while.
#[derive(Debug)]
struct Counted {
    since: Instant,
    calls: u32,
}

impl Bucket {
    /// For a published quota.
    pub(super) fn published(quota: &Quota, now: Instant) -> Self {
        Self {
            limit: Some(Limit::published(quota, now)),
            ..Self::unlimited(now)
        }
    }

    /// For an operation without one.
    pub(super) fn unlimited(now: Instant) -> Self {
        Self {
            limit: None,
            blocked_until: None,
            counted: Counted { since: now, calls: 0 },
        }
    }

    /// When the next call may be made; not after `now` means at once.
    pub(super) fn ready_at(&self, priority: Priority, now: Instant) -> Instant {
        self.ready_for(1, priority, now)
    }

    /// When so many calls will have been possible.
    pub(super) fn ready_for(&self, calls: u64, priority: Priority, now: Instant) -> Instant {
        let begin = self.blocked_until.map_or(now, |until| until.max(now));
        match &self.limit {
            Some(limit) if calls > 0 => begin.max(limit.ready_for(calls, priority, now)),
            _ => begin,
        }
    }

    /// Takes a token for a call that is made now.
    pub(super) fn take(&mut self, now: Instant) {
        self.counted.add(now);
        if let Some(limit) = &mut self.limit {
            limit.fill(now);
            limit.level -= 1.0;
        }
    }

    /// Takes back a token whose call was not made.
    pub(super) fn give_back(&mut self) {
        if let Some(limit) = &mut self.limit {
            limit.level = (limit.level + 1.0).min(limit.capacity);
        }
    }

    /// The vendor refused a call: its bucket is empty, and smaller than thought.
    pub(super) fn refused(&mut self, retry_after: Option<Duration>, now: Instant) {
        let pause = retry_after.unwrap_or(PAUSE).min(LONGEST_PAUSE);
        self.blocked_until = self.blocked_until.max(Some(now + pause));
        match &mut self.limit {
            Some(limit) => limit.decrease(now),
            None => self.limit = Some(Limit::learned(self.counted.rate(now), now)),
        }
    }

    /// The vendor took a call.
    pub(super) fn taken(&mut self, now: Instant) {
        if let Some(limit) = &mut self.limit {
            limit.increase(now);
        }
    }

    #[cfg(test)]
    pub(super) fn rate(&self) -> Option<f64> {
        self.limit.as_ref().map(|limit| limit.rate)
    }
}

impl Limit {
    fn published(quota: &Quota, now: Instant) -> Self {
        let burst = f64::from(quota.burst.max(1));
        let interval = Duration::from_millis(quota.interval_ms.max(1)).as_secs_f64();
        let (capacity, interval) = margin(burst, interval);
        Self {
            capacity,
            reserve: if burst > 1.0 {
                (burst / 10.0).floor().max(1.0)
            } else {
                0.0
            },
            full_rate: 1.0 / interval,
            most: 1.0 / interval,
            rate: 1.0 / interval,
            level: capacity,
            as_of: now,
            decreased: None,
            refused_rate: 1.0 / interval,
        }
    }

    /// One call at a time, at half the rate that was too much.
    fn learned(refused_rate: f64, now: Instant) -> Self {
        Self {
            capacity: 1.0,
            reserve: 0.0,
            full_rate: refused_rate,
            most: f64::INFINITY,
            rate: refused_rate * DECREASE,
            level: 0.0,
            as_of: now,
            decreased: Some(now),
            refused_rate,
        }
    }

    fn level_at(&self, now: Instant) -> f64 {
        let gained = now.saturating_duration_since(self.as_of).as_secs_f64() * self.rate;
        (self.level + gained).min(self.capacity)
    }

    fn fill(&mut self, now: Instant) {
        self.level = self.level_at(now);
        self.as_of = self.as_of.max(now);
    }

    /// What must be in the bucket for one call. A reserve never makes a bucket useless.
    fn needed(&self, priority: Priority) -> f64 {
        match priority {
            Priority::Rollback => 1.0,
            Priority::Normal | Priority::Background => (1.0 + self.reserve).min(self.capacity.max(1.0)),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "nobody makes 2^52 calls")]
    fn ready_for(&self, calls: u64, priority: Priority, now: Instant) -> Instant {
        let needed = self.needed(priority) + (calls - 1) as f64;
        let missing = needed - self.level_at(now);
        if missing <= EPSILON {
            return now;
        }
        now + self.time_for(missing)
    }

    fn decrease(&mut self, now: Instant) {
        self.fill(now);
        self.level = self.level.min(0.0);
        let settling = |at: Instant| now.saturating_duration_since(at) < SETTLING.max(self.time_for(1.0));
        if !self.decreased.is_some_and(settling) {
            self.refused_rate = self.rate;
            self.rate = (self.rate * DECREASE).max(self.full_rate * SLOWEST);
            self.decreased = Some(now);
        }
    }

    fn increase(&mut self, now: Instant) {
        if self.rate < self.most {
            self.fill(now);
            self.rate = (self.rate + self.refused_rate * INCREASE).min(self.most);
        }
    }

    /// How long this many tokens take.
    fn time_for(&self, tokens: f64) -> Duration {
        Duration::from_secs_f64((tokens / self.rate).clamp(0.0, LONGEST))
    }
}

/// Capacity and interval that keep clear of the vendor's own although the network delays calls unevenly. Where
/// several calls may come at once, a fraction of a token is left; where it is one, it comes a little later.
fn margin(burst: f64, interval: f64) -> (f64, f64) {
    let paced = interval * PACE;
    if burst > 1.0 {
        return (burst - (JITTER / interval).min(burst * 0.1), paced);
    }
    (burst, paced + JITTER.min(interval * 0.025))
}

impl Counted {
    fn add(&mut self, now: Instant) {
        if now.saturating_duration_since(self.since) > COUNTED {
            // The half keeps a rate known from the first call of the new while on.
            self.calls /= 2;
            self.since = now - COUNTED / 2;
        }
        self.calls = self.calls.saturating_add(1);
    }

    fn rate(&self, now: Instant) -> f64 {
        let elapsed = now
            .saturating_duration_since(self.since)
            .max(Duration::from_secs(1));
        f64::from(self.calls.max(1)) / elapsed.as_secs_f64()
    }
}

#[cfg(test)]
mod tests;
