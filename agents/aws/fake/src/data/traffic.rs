//! What the data plane remembers between requests: connections to upstreams, how fast and how often keys were used.

use std::collections::HashMap;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Everything that outlives one request.
#[derive(Debug)]
pub(crate) struct Traffic {
    pub(crate) client: reqwest::Client,
    buckets: Mutex<HashMap<String, Bucket>>,
    used: Mutex<HashMap<String, u64>>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: f64,
    filled: Duration,
}

/// How fast requests may come.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Limit {
    /// Requests a second.
    pub(crate) rate: f64,
    /// Requests at once.
    pub(crate) burst: f64,
}

impl Traffic {
    pub(crate) fn new() -> io::Result<Self> {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .http1_only()
            .build()
            .map_err(io::Error::other)?;
        Ok(Self {
            client,
            buckets: Mutex::default(),
            used: Mutex::default(),
        })
    }

    /// Whether one more request is within a limit, which it then counts for.
    pub(crate) fn within(&self, name: &str, limit: Limit, now: Duration) -> bool {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let full = Bucket {
            tokens: limit.burst,
            filled: now,
        };
        let bucket = buckets.entry(name.to_owned()).or_insert(full);
        let passed = now.saturating_sub(bucket.filled).as_secs_f64();
        bucket.tokens = limit.burst.min(bucket.tokens + passed * limit.rate);
        bucket.filled = now;
        let within = bucket.tokens >= 1.0 - 1e-9;
        if within {
            bucket.tokens -= 1.0;
        }
        within
    }

    /// Whether one more use is within a quota, which it then counts for.
    pub(crate) fn use_up(&self, name: &str, quota: u64) -> bool {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let count = used.entry(name.to_owned()).or_default();
        let within = *count < quota;
        *count += u64::from(within);
        within
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_filled_as_fast_as_its_rate() {
        let traffic = Traffic::new().unwrap();
        let limit = Limit {
            rate: 2.0,
            burst: 3.0,
        };
        let taken = |at| {
            (0..10)
                .filter(|_| traffic.within("a", limit, Duration::from_secs(at)))
                .count()
        };
        assert_eq!(taken(100), 3);
        assert_eq!(taken(101), 2);
        assert_eq!(taken(1000), 3);
    }
}
