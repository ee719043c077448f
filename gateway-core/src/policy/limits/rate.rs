//! `ratelimit`: so many requests in a period, as many of them at once as one likes.
//!
//! This is the generic cell rate algorithm (ITU-T I.371): each request puts off, by one interval, the moment at which
//! the limit is whole again; a request that would put it off by more than the period is refused. It needs one number
//! per key and has no edges of windows where twice as much gets through.

use std::{
    hash::{BuildHasher as _, RandomState},
    time::{Duration, Instant},
};

use gatehouse_schemas::policy::{self, Period, RateLimitPolicy};

use super::{
    caller::{Caller, Counted, Key, Names},
    counters::Counters,
    fields::{self, State},
};

/// One limit. Times are in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rate {
    /// For how long one request counts.
    pub(crate) interval: u64,
    /// How far ahead of now the limit may be used.
    pub(crate) tolerance: u64,
}

impl Rate {
    fn compile(limit: &policy::RateLimit) -> Result<Self, String> {
        if limit.requests == 0 {
            return Err("a limit of 0 requests would serve nobody".to_owned());
        }
        let requests = u64::from(limit.requests);
        let interval = (limit.per.seconds() * 1_000_000_000 / requests).max(1);
        Ok(Self {
            interval,
            tolerance: interval * requests,
        })
    }

    /// What one of so many gateways gives out without asking the others: its share of the rate, and at least one
    /// request at once.
    fn share(self, gateways: u32) -> Self {
        let interval = self.interval.saturating_mul(gateways.max(1).into());
        Self {
            interval,
            tolerance: self.tolerance.max(interval),
        }
    }

    /// How long a request has to wait, if it does not pass.
    fn wait(self, whole_at: u64, now: u64) -> Option<u64> {
        let ahead = self.next(whole_at, now) - now;
        ahead.checked_sub(self.tolerance).filter(|wait| *wait > 0)
    }

    /// When the limit is whole again after one more request.
    fn next(self, whole_at: u64, now: u64) -> u64 {
        whole_at.max(now).saturating_add(self.interval)
    }

    /// How many more requests would pass when the limit is whole again only so much later.
    pub(crate) fn remaining(self, ahead: u64) -> u64 {
        self.tolerance.saturating_sub(ahead) / self.interval
    }
}

/// A compiled policy with its counters.
#[derive(Debug)]
pub(crate) struct RateLimit {
    rates: Vec<Rate>,
    /// What the limits are called in answers.
    names: Vec<String>,
    key: Key,
    /// Begins the names under which each limit is shared.
    shared_names: Vec<Names>,
    counters: Counters,
    hasher: RandomState,
    /// What times are counted from.
    base: Instant,
}

impl RateLimit {
    /// Compiles the policy; the identity is what makes it the same in all gateways.
    pub(crate) fn compile(policy: &RateLimitPolicy, identity: &[&str]) -> Result<Self, String> {
        let rates: Vec<Rate> = policy
            .limits
            .iter()
            .map(Rate::compile)
            .collect::<Result<_, _>>()?;
        let shared_name = |index: usize| Names::of(&[identity, &["rate", &index.to_string()]].concat());
        Ok(Self {
            names: policy.limits.iter().map(name).collect(),
            key: Key::compile(&policy.key)?,
            shared_names: (0..rates.len()).map(shared_name).collect(),
            counters: Counters::new(rates.len()),
            rates,
            hasher: RandomState::new(),
            base: Instant::now(),
        })
    }

    /// What `RateLimit-Policy` says of its limits.
    pub(crate) fn policy_items(&self, policy: &RateLimitPolicy) -> Vec<String> {
        let limits = policy.limits.iter().zip(&self.names);
        limits
            .map(|(limit, name)| fields::policy_item(name, limit.requests.into(), Some(limit.per.seconds())))
            .collect()
    }

    /// By what a request is counted.
    pub(crate) fn counted<'a>(&self, caller: Caller<'a>) -> Counted<'a> {
        self.key.of(caller)
    }

    /// Counts a request, as one of so many gateways, if it is within all limits; else says how long to wait.
    pub(crate) fn take(
        &self,
        counted: &Counted<'_>,
        now: Instant,
        gateways: u32,
        state: &mut State,
    ) -> Result<(), Duration> {
        self.change(counted, now, |moments, now| {
            let shares = || self.rates.iter().map(|rate| rate.share(gateways));
            let waits = shares()
                .zip(&*moments)
                .filter_map(|(rate, at)| rate.wait(*at, now));
            let wait = waits.max();
            for ((rate, at), name) in shares().zip(moments).zip(&self.names) {
                if wait.is_none() {
                    *at = rate.next(*at, now);
                }
                let ahead = at.saturating_sub(now);
                state.add(name, rate.remaining(ahead), Duration::from_nanos(ahead));
            }
            wait.map_or(Ok(()), |wait| Err(Duration::from_nanos(wait)))
        })
    }

    /// Counts a request that was let through elsewhere, so that it is known here when nobody can be asked.
    pub(crate) fn charge(&self, counted: &Counted<'_>, now: Instant, gateways: u32) {
        self.change(counted, now, |moments, now| {
            for (rate, at) in self.rates.iter().map(|rate| rate.share(gateways)).zip(moments) {
                *at = rate.next(*at, now).min(now.saturating_add(rate.tolerance));
            }
        });
    }

    /// Takes back what was counted for a request that was refused after all.
    pub(crate) fn give_back(&self, counted: &Counted<'_>, now: Instant, gateways: u32) {
        self.change(counted, now, |moments, _| {
            for (rate, at) in self.rates.iter().map(|rate| rate.share(gateways)).zip(moments) {
                *at = at.saturating_sub(rate.interval);
            }
        });
    }

    /// The limits, each with its name in answers and the one under which all gateways count it.
    pub(crate) fn shared<'a>(
        &'a self,
        counted: &'a Counted<'_>,
    ) -> impl Iterator<Item = (Rate, &'a str, u128)> {
        let names = self.shared_names.iter().zip(&self.names);
        self.rates
            .iter()
            .zip(names)
            .map(|(rate, (shared, name))| (*rate, name.as_str(), shared.name(counted)))
    }

    fn change<R>(&self, counted: &Counted<'_>, now: Instant, change: impl FnOnce(&mut [u64], u64) -> R) -> R {
        let now = now.saturating_duration_since(self.base).as_nanos();
        let now = u64::try_from(now).unwrap_or(u64::MAX);
        let key = self.hasher.hash_one(counted);
        self.counters.change(key, now, |moments| change(moments, now))
    }
}

fn name(limit: &policy::RateLimit) -> String {
    let per = match limit.per {
        Period::Second => "second",
        Period::Minute => "minute",
        Period::Hour => "hour",
        Period::Day => "day",
    };
    format!("{}-per-{per}", limit.requests)
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn limit(policy: Value) -> RateLimit {
        let policy = serde_json::from_value(policy).expect("a policy");
        RateLimit::compile(&policy, &["an API"]).expect("it compiles")
    }

    /// Takes as a caller from this address, so long after the beginning.
    fn take_as(limit: &RateLimit, address: &str, after: Duration, gateways: u32) -> Result<(), Duration> {
        let caller = Caller {
            address: address.parse().expect("an address"),
            consumer: None,
            claims: None,
            headers: &HeaderMap::new(),
        };
        let counted = limit.counted(caller);
        limit.take(&counted, limit.base + after, gateways, &mut State::default())
    }

    fn take(limit: &RateLimit, after: Duration) -> Result<(), Duration> {
        take_as(limit, "192.0.2.1", after, 1)
    }

    #[test]
    fn requests_beyond_the_limit_are_told_when_to_come_back() {
        let limit = limit(json!({"limits": [{"requests": 2, "per": "hour"}]}));
        let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
        take(&limit, minutes(0)).expect("first");
        take(&limit, minutes(0)).expect("second");
        assert_eq!(take(&limit, minutes(10)), Err(minutes(20)));
        take_as(&limit, "192.0.2.2", minutes(10), 1).expect("another address");
        take(&limit, minutes(30)).expect("half of it has come back");
        assert_eq!(take(&limit, minutes(30)), Err(minutes(30)));
    }

    #[test]
    fn all_limits_hold_together_and_a_refused_request_counts_for_none() {
        let limit =
            limit(json!({"limits": [{"requests": 3, "per": "second"}, {"requests": 2, "per": "day"}]}));
        take(&limit, Duration::ZERO).expect("first");
        take(&limit, Duration::ZERO).expect("second");
        for _ in 0..10 {
            let wait = take(&limit, Duration::ZERO).expect_err("the day's are used up");
            assert_eq!(wait, Duration::from_secs(43_200));
        }
        take(&limit, Duration::from_secs(43_200)).expect("half a day later");
    }

    #[test]
    fn one_of_several_gateways_gives_out_its_share_and_never_nothing() {
        let limit = limit(json!({"limits": [{"requests": 10, "per": "hour"}]}));
        let taken = |address: &str, gateways| {
            let tries = std::iter::repeat_with(|| take_as(&limit, address, Duration::ZERO, gateways));
            tries.take_while(Result::is_ok).count()
        };
        for (address, gateways, expected) in [
            ("192.0.2.1", 1, 10),
            ("192.0.2.2", 2, 5),
            ("192.0.2.3", 3, 3),
            ("192.0.2.4", 100, 1),
        ] {
            assert_eq!(taken(address, gateways), expected, "{gateways}");
        }
    }

    #[test]
    fn what_is_given_back_or_was_let_through_elsewhere_is_counted() {
        let limit = limit(json!({"limits": [{"requests": 2, "per": "hour"}], "key": "api"}));
        let now = limit.base;
        let counted = Counted::Together;
        for _ in 0..5 {
            limit.charge(&counted, now, 1);
        }
        take(&limit, Duration::ZERO).expect_err("all of it was used elsewhere");
        limit.give_back(&counted, now, 1);
        take(&limit, Duration::ZERO).expect("one was given back");
    }

    #[test]
    fn a_limit_of_nothing_does_not_compile() {
        let policy = serde_json::from_value(json!({"limits": [{"requests": 0, "per": "day"}]}));
        RateLimit::compile(&policy.expect("a policy"), &[]).expect_err("refused");
    }

    proptest! {
        #[test]
        fn no_more_passes_than_came_at_once_and_came_back_since(
            requests in 1_u32..50,
            steps in prop::collection::vec(0_u64..200_000_000, 1..300),
        ) {
            let limit = limit(json!({"limits": [{"requests": requests, "per": "second"}]}));
            let mut now = Duration::ZERO;
            let mut taken = 0_u64;
            for step in steps {
                now += Duration::from_nanos(step);
                taken += u64::from(take(&limit, now).is_ok());
                let at_most = u64::from(requests) + u64::from(requests) * now.as_millis() as u64 / 1_000 + 1;
                prop_assert!(taken <= at_most);
            }
        }
    }
}
