//! `ratelimit`: so many requests in a period, counted by key, in bounded memory.

use std::{
    hash::{BuildHasher, Hash, RandomState},
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    time::Duration,
};

use gatehouse_schemas::policy::{RateLimitKey, RateLimitPolicy};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter, clock::Clock as _};
use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::proxy::problem::Problem;

/// The most keys counted apart. Beyond it keys share counters, which only makes the limit stricter.
const MAX_KEYS: usize = 100_000;

/// Fewer keys than these are not worth looking after.
const LEAST_KEYS: usize = 1_024;

/// How many counters keys share when there are too many of them.
const SHARED_COUNTERS: u64 = 4_096;

/// The counters of one policy.
#[derive(Debug)]
pub(crate) struct RateLimit {
    limits: Vec<DefaultKeyedRateLimiter<u64>>,
    key: Key,
    hasher: RandomState,
    /// Counts checks, so that keys are looked after now and then only.
    checks: AtomicUsize,
    /// At how many keys those that are back at zero are forgotten.
    prune_at: AtomicUsize,
    /// Whether there were too many keys when they were last looked after.
    crowded: AtomicBool,
}

#[derive(Debug)]
enum Key {
    Address,
    Consumer,
    Api,
    Header(HeaderName),
}

/// What of a request may be counted by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Caller<'a> {
    pub(crate) address: IpAddr,
    pub(crate) consumer: Option<&'a str>,
    pub(crate) headers: &'a HeaderMap,
}

impl RateLimit {
    /// Compiles the policy.
    pub(crate) fn compile(policy: &RateLimitPolicy) -> Result<Self, String> {
        let limits = policy.limits.iter().map(|limit| {
            let requests =
                NonZeroU32::new(limit.requests).ok_or("a limit of 0 requests would serve nobody")?;
            Quota::with_period(Duration::from_secs(limit.per.seconds()) / requests.get())
                .map(|quota| RateLimiter::keyed(quota.allow_burst(requests)))
                .ok_or("a limit cannot be counted")
        });
        let key = match &policy.key {
            RateLimitKey::Address => Key::Address,
            RateLimitKey::Consumer => Key::Consumer,
            RateLimitKey::Api => Key::Api,
            RateLimitKey::Header(name) => Key::Header(
                HeaderName::try_from(name.as_str()).map_err(|_| format!("`{name}` is not a header name"))?,
            ),
        };
        Ok(Self {
            limits: limits.collect::<Result<_, _>>()?,
            key,
            hasher: RandomState::new(),
            checks: AtomicUsize::new(0),
            prune_at: AtomicUsize::new(LEAST_KEYS),
            crowded: AtomicBool::new(false),
        })
    }

    /// Counts a request, or says when to come back.
    pub(crate) fn check(&self, caller: Caller<'_>) -> Result<(), Problem> {
        self.look_after_keys();
        let key = match self.crowded.load(Relaxed) {
            true => self.key(caller) % SHARED_COUNTERS,
            false => self.key(caller),
        };
        for limit in &self.limits {
            if let Err(early) = limit.check_key(&key) {
                return Err(refusal(early.wait_time_from(limit.clock().now())));
            }
        }
        Ok(())
    }

    fn key(&self, caller: Caller<'_>) -> u64 {
        match (&self.key, caller.consumer) {
            (Key::Api, _) => 0,
            (Key::Consumer, Some(consumer)) => self.hash(consumer),
            (Key::Consumer | Key::Address, _) => self.hash(network(caller.address)),
            (Key::Header(name), _) => self.hash(caller.headers.get(name).map(HeaderValue::as_bytes)),
        }
    }

    fn hash(&self, value: impl Hash) -> u64 {
        self.hasher.hash_one(value)
    }

    /// Forgets keys that are back at zero when many have come. While there are too many, this is done more
    /// rarely: it would find the same keys again.
    fn look_after_keys(&self) {
        let every = match self.crowded.load(Relaxed) {
            true => MAX_KEYS,
            false => 64,
        };
        if !self.checks.fetch_add(1, Relaxed).is_multiple_of(every)
            || self.most_keys() < self.prune_at.load(Relaxed)
        {
            return;
        }
        self.limits.iter().for_each(RateLimiter::retain_recent);
        let left = self.most_keys();
        self.prune_at
            .store((left * 2).clamp(LEAST_KEYS, MAX_KEYS), Relaxed);
        self.crowded.store(left >= MAX_KEYS, Relaxed);
    }

    fn most_keys(&self) -> usize {
        self.limits.iter().map(RateLimiter::len).max().unwrap_or_default()
    }
}

fn refusal(wait: Duration) -> Problem {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    Problem::rate_limited("The limit of requests is reached; try again later.")
        .with(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)))
}

/// Callers own whole IPv6 networks, so those are counted by network.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn limit(policy: Value) -> RateLimit {
        RateLimit::compile(&serde_json::from_value(policy).expect("a policy")).expect("it compiles")
    }

    fn caller<'a>(address: &str, consumer: Option<&'a str>, headers: &'a HeaderMap) -> Caller<'a> {
        Caller {
            address: address.parse().expect("an address"),
            consumer,
            headers,
        }
    }

    #[test]
    fn requests_beyond_the_limit_are_told_when_to_come_back() {
        let limit = limit(json!({"limits": [{"requests": 2, "per": "hour"}]}));
        let headers = HeaderMap::new();
        let one = caller("192.0.2.1", None, &headers);
        limit.check(one).expect("first");
        limit.check(one).expect("second");
        let problem = limit.check(one).expect_err("third");
        assert_eq!(problem.status, 429);
        let wait: u64 = problem.headers[0].1.to_str().unwrap().parse().unwrap();
        assert!((1_700..=1_800).contains(&wait), "{wait}");
        limit
            .check(caller("192.0.2.2", None, &headers))
            .expect("another address");
    }

    #[test]
    fn all_limits_hold_together() {
        let limit =
            limit(json!({"limits": [{"requests": 100, "per": "second"}, {"requests": 1, "per": "day"}]}));
        let headers = HeaderMap::new();
        limit.check(caller("192.0.2.1", None, &headers)).expect("first");
        limit
            .check(caller("192.0.2.1", None, &headers))
            .expect_err("second");
    }

    #[test]
    fn keys_are_counted_apart() {
        let headers = HeaderMap::new();
        let by_consumer = limit(json!({"limits": [{"requests": 1, "per": "hour"}], "key": "consumer"}));
        by_consumer
            .check(caller("192.0.2.1", Some("a"), &headers))
            .expect("a");
        by_consumer
            .check(caller("192.0.2.1", Some("b"), &headers))
            .expect("b");
        by_consumer
            .check(caller("192.0.2.9", Some("a"), &headers))
            .expect_err("a again");
        let by_api = limit(json!({"limits": [{"requests": 1, "per": "hour"}], "key": "api"}));
        by_api
            .check(caller("192.0.2.1", Some("a"), &headers))
            .expect("the first");
        by_api
            .check(caller("192.0.2.2", Some("b"), &headers))
            .expect_err("the second");
        let by_network = limit(json!({"limits": [{"requests": 1, "per": "hour"}]}));
        by_network
            .check(caller("2001:db8::1", None, &headers))
            .expect("the first");
        by_network
            .check(caller("2001:db8::2", None, &headers))
            .expect_err("the same network");
        by_network
            .check(caller("2001:db8:0:1::1", None, &headers))
            .expect("another network");
    }

    #[test]
    fn memory_stays_bounded_however_many_keys_there_are() {
        let limit = limit(json!({"limits": [{"requests": 1, "per": "day"}]}));
        let headers = HeaderMap::new();
        for number in 0..120_000_u32 {
            let address = IpAddr::from(number.to_be_bytes());
            let _ = limit.check(Caller {
                address,
                consumer: None,
                headers: &headers,
            });
        }
        assert!(limit.limits[0].len() <= MAX_KEYS + 64 + usize::try_from(SHARED_COUNTERS).unwrap());
    }
}
