//! How busy an endpoint is and how fast it has been lately, for all workers together.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{
            AtomicU32, AtomicU64,
            Ordering::{Relaxed, SeqCst},
        },
    },
    time::Duration,
};

use tokio::{sync::Notify, time::timeout};

use super::{Endpoint, latency};

/// What is counted of an endpoint.
///
/// Who waits counts itself among those that wait and then looks for room; who goes makes room and then looks whether
/// somebody waits. Each must see the other's first step if its own came later, hence `SeqCst` for both counts.
#[derive(Debug, Default)]
pub(crate) struct Load {
    /// Requests it has, until their answers have ended.
    requests: AtomicU32,
    /// Requests that wait for one of them to end.
    waiting: AtomicU32,
    /// There is room for some of those that wait. Upstreams with other limits wait here, too, so all of them look: the
    /// one that is woken alone could be one that still has none.
    freed: Notify,
    /// How long answers take, and when that was found, in one word so that both change together.
    latency: AtomicU64,
}

/// There are too many requests, and too many that wait already.
#[derive(Debug)]
pub(crate) struct Full;

/// One request that an endpoint has, until this goes away.
#[derive(Debug)]
pub(crate) struct Lease(Arc<Endpoint>);

impl Drop for Lease {
    fn drop(&mut self) {
        self.0.load.requests.fetch_sub(1, SeqCst);
        if self.0.load.waiting.load(SeqCst) > 0 {
            self.0.load.freed.notify_waiters();
        }
    }
}

/// One request that waits, until this goes away.
struct Waiting<'a>(&'a AtomicU32);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl Lease {
    /// Counts a request.
    pub(crate) fn take(endpoint: &Arc<Endpoint>) -> Self {
        endpoint.load.requests.fetch_add(1, Relaxed);
        Self(Arc::clone(endpoint))
    }

    /// Counts a request unless there are `max`; then waits, so long at most and with so many others at most.
    pub(crate) async fn wait(
        endpoint: &Arc<Endpoint>,
        max: u32,
        max_waiting: u32,
        longest: Duration,
    ) -> Result<Self, Full> {
        if let Some(lease) = Self::take_below(endpoint, max) {
            return Ok(lease);
        }
        let load = &endpoint.load;
        let waiting = increment_below(&load.waiting, max_waiting);
        let _waiting = waiting.then(|| Waiting(&load.waiting)).ok_or(Full)?;
        let taken = async {
            loop {
                let mut freed = pin!(load.freed.notified());
                // Begins to listen before looking again, or the one that frees could be missed.
                freed.as_mut().enable();
                if let Some(lease) = Self::take_below(endpoint, max) {
                    return lease;
                }
                freed.await;
            }
        };
        timeout(longest, taken).await.map_err(|_| Full)
    }

    fn take_below(endpoint: &Arc<Endpoint>, max: u32) -> Option<Self> {
        increment_below(&endpoint.load.requests, max).then(|| Self(Arc::clone(endpoint)))
    }
}

fn increment_below(count: &AtomicU32, max: u32) -> bool {
    count
        .fetch_update(SeqCst, SeqCst, |count| (count < max).then_some(count + 1))
        .is_ok()
}

impl Load {
    /// Requests it has.
    pub(crate) fn requests(&self) -> u32 {
        self.requests.load(Relaxed)
    }

    /// How long answers take lately, in microseconds; 0 is not known.
    pub(crate) fn latency(&self, now: Duration) -> f32 {
        let (latency, at) = unpack(self.latency.load(Relaxed));
        latency::decayed(latency, age(at, now))
    }

    /// Takes in how long an answer took.
    pub(crate) fn observe(&self, now: Duration, took: Duration) {
        let update = |word| {
            let (before, at) = unpack(word);
            let after = latency::observed(before, age(at, now), micros(took));
            Some(pack(after, milliseconds(now)))
        };
        // The closure always has an answer.
        let _ = self.latency.fetch_update(Relaxed, Relaxed, update);
    }
}

fn pack(latency: f32, at: u32) -> u64 {
    (u64::from(latency.to_bits()) << 32) | u64::from(at)
}

fn unpack(word: u64) -> (f32, u32) {
    let latency = u32::try_from(word >> 32).unwrap_or_default();
    let at = u32::try_from(word & u64::from(u32::MAX)).unwrap_or_default();
    (f32::from_bits(latency), at)
}

/// Wraps after 49 days, which makes one observation look new or old once.
fn milliseconds(now: Duration) -> u32 {
    u32::try_from(now.as_millis() & u128::from(u32::MAX)).unwrap_or_default()
}

fn age(at: u32, now: Duration) -> Duration {
    Duration::from_millis(milliseconds(now).wrapping_sub(at).into())
}

fn micros(duration: Duration) -> f32 {
    duration.as_secs_f32() * 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latency_and_its_time_survive_in_one_word() {
        for (latency, at) in [(0.0, 0), (1234.5, 7), (1e9, u32::MAX)] {
            assert_eq!(unpack(pack(latency, at)), (latency, at));
        }
        let load = Load::default();
        let second = Duration::from_secs(1);
        assert_eq!(load.latency(second), 0.0);
        load.observe(second, Duration::from_millis(2));
        assert!((load.latency(second) - 2_000.0).abs() < 0.1);
    }

    #[tokio::test]
    async fn a_request_waits_for_room_and_no_more_than_so_many_wait() {
        let endpoint = Endpoint::for_tests("http://127.0.0.1:9");
        let longest = Duration::from_secs(60);
        let first = Lease::wait(&endpoint, 1, 0, longest).await.expect("room");
        assert!(
            Lease::wait(&endpoint, 1, 0, longest).await.is_err(),
            "nobody may wait"
        );
        let waiting = {
            let endpoint = Arc::clone(&endpoint);
            tokio::spawn(async move { Lease::wait(&endpoint, 1, 1, longest).await.map(drop).is_ok() })
        };
        while endpoint.load.waiting.load(Relaxed) == 0 {
            tokio::task::yield_now().await;
        }
        assert!(
            Lease::wait(&endpoint, 1, 1, longest).await.is_err(),
            "one waits already"
        );
        drop(first);
        assert!(waiting.await.expect("no panic"));
        assert_eq!(endpoint.load.requests(), 0);
        assert_eq!(endpoint.load.waiting.load(Relaxed), 0);
        let _held = Lease::take(&endpoint);
        let soon = Duration::from_millis(5);
        assert!(
            Lease::wait(&endpoint, 1, 1, soon).await.is_err(),
            "nobody waits for ever"
        );
        assert_eq!(endpoint.load.waiting.load(Relaxed), 0);
    }

    #[tokio::test]
    async fn room_goes_to_somebody_who_may_have_it() {
        let endpoint = Endpoint::for_tests("http://127.0.0.1:9");
        let first = Lease::take(&endpoint);
        let _second = Lease::take(&endpoint);
        // Of two upstreams, one may have one request here and the other two.
        let [mut one, mut two] = [1, 2].map(|max| {
            let endpoint = Arc::clone(&endpoint);
            tokio::spawn(async move { Lease::wait(&endpoint, max, 2, Duration::from_secs(60)).await })
        });
        while endpoint.load.waiting.load(Relaxed) < 2 {
            tokio::task::yield_now().await;
        }
        drop(first);
        tokio::select! {
            _ = &mut one => panic!("there is one already"),
            lease = &mut two => lease.expect("no panic").expect("there is room"),
        };
        one.abort();
    }
}
