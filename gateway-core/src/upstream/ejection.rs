//! Leaving out an endpoint that fails, and finding out when it works again.
//!
//! So many failures in a row eject it. When its time is over, one request tries it: if that works it is back, else it
//! stays out for longer. Whether it may be ejected at all, given how many others are, is decided in
//! [`super::choice`]. The state belongs to the endpoint and is shared by everybody who sends to it.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use super::Endpoint;

/// The longest time out is so many times the first.
const LONGEST: u32 = 10;

/// Where an endpoint stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It gets requests.
    In,
    /// It gets none.
    Out,
    /// Its time is over: one request may try it.
    Due,
}

/// What is remembered of an endpoint's failures.
#[derive(Debug, Default)]
pub(crate) struct Ejection {
    /// Failures in a row.
    failures: AtomicU32,
    /// Until when it is out, in milliseconds; 0 if it is not. Changes only while `rest` is locked.
    until: AtomicU64,
    /// How long it is out this time, in milliseconds.
    length: AtomicU64,
    rest: Mutex<Rest>,
}

#[derive(Debug, Default)]
struct Rest {
    /// A request is trying it.
    trying: bool,
    /// How often in a row it was ejected.
    times: u32,
    /// When it came back.
    back: Duration,
}

/// The right to try an endpoint that is due. When it goes away without an outcome, another request may try.
#[derive(Debug)]
pub(crate) struct Trial(Option<Arc<Endpoint>>);

impl Trial {
    /// Takes the right, if nobody else has it.
    pub(crate) fn claim(endpoint: &Arc<Endpoint>, now: Duration, harmless: bool) -> Option<Self> {
        let mut rest = endpoint.ejection.lock();
        if rest.trying || endpoint.ejection.standing(now, harmless) != Standing::Due {
            return None;
        }
        rest.trying = true;
        Some(Self(Some(Arc::clone(endpoint))))
    }

    /// It works again.
    pub(crate) fn succeeded(mut self, now: Duration) {
        if let Some(endpoint) = self.0.take() {
            endpoint.ejection.come_back(now);
        }
    }

    /// It does not; says how long it stays out.
    pub(crate) fn failed(mut self, now: Duration, first: Duration) -> Duration {
        match self.0.take() {
            Some(endpoint) => endpoint.ejection.go_out(now, first),
            None => Duration::ZERO,
        }
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        if let Some(endpoint) = &self.0 {
            endpoint.ejection.lock().trying = false;
        }
    }
}

impl Ejection {
    /// Where it stands. A request that would do harm if it were sent twice waits twice as long before it tries.
    pub(crate) fn standing(&self, now: Duration, harmless: bool) -> Standing {
        let until = self.until.load(Relaxed);
        if until == 0 {
            return Standing::In;
        }
        let more = if harmless { 0 } else { self.length.load(Relaxed) };
        match milliseconds(now) < until.saturating_add(more) {
            true => Standing::Out,
            false => Standing::Due,
        }
    }

    /// Whether it is out, be it due or not.
    pub(crate) fn is_out(&self) -> bool {
        self.until.load(Relaxed) != 0
    }

    /// A request went well. One that began before the endpoint was ejected does not bring it back.
    pub(crate) fn succeeded(&self) {
        if self.failures.load(Relaxed) != 0 {
            self.failures.store(0, Relaxed);
        }
    }

    /// A request failed; says whether there were so many in a row that it has to go.
    pub(crate) fn failed(&self, most: u32) -> bool {
        let failures = self.failures.fetch_add(1, Relaxed).saturating_add(1);
        most > 0 && failures >= most && !self.is_out()
    }

    /// Goes out, for longer each time in a row; says for how long.
    pub(crate) fn go_out(&self, now: Duration, first: Duration) -> Duration {
        let mut rest = self.lock();
        rest.trying = false;
        let stayed = now.saturating_sub(rest.back);
        let long_ago = !self.is_out() && stayed > first * LONGEST;
        rest.times = if long_ago { 1 } else { rest.times.saturating_add(1) };
        let length = first * rest.times.min(LONGEST);
        self.length.store(milliseconds(length), Relaxed);
        self.until.store(milliseconds(now + length).max(1), Relaxed);
        length
    }

    fn come_back(&self, now: Duration) {
        let mut rest = self.lock();
        rest.trying = false;
        rest.back = now;
        self.failures.store(0, Relaxed);
        self.until.store(0, Relaxed);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Rest> {
        self.rest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_secs(10);

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn only_failures_in_a_row_eject() {
        let ejection = Ejection::default();
        assert!(!ejection.failed(3) && !ejection.failed(3));
        ejection.succeeded();
        assert!(!ejection.failed(3) && !ejection.failed(3));
        assert!(ejection.failed(3));
        assert!(!ejection.failed(0), "0 ejects none");
    }

    #[test]
    fn one_request_tries_it_when_its_time_is_over_and_decides() {
        let endpoint = Endpoint::for_tests("http://127.0.0.1:9");
        let ejection = &endpoint.ejection;
        assert_eq!(ejection.go_out(at(100), FIRST), at(10));
        assert_eq!(ejection.standing(at(109), true), Standing::Out);
        assert!(Trial::claim(&endpoint, at(109), true).is_none());
        assert_eq!(ejection.standing(at(110), true), Standing::Due);
        let trial = Trial::claim(&endpoint, at(110), true).expect("due");
        assert!(Trial::claim(&endpoint, at(110), true).is_none(), "one at a time");
        assert_eq!(trial.failed(at(110), FIRST), at(20), "longer each time");
        assert_eq!(ejection.standing(at(129), true), Standing::Out);
        drop(Trial::claim(&endpoint, at(130), true).expect("due"));
        let trial = Trial::claim(&endpoint, at(131), true).expect("the last one had no outcome");
        trial.succeeded(at(131));
        assert_eq!(ejection.standing(at(131), true), Standing::In);
        assert_eq!(ejection.go_out(at(140), FIRST), at(30), "soon after it came back");
        Trial::claim(&endpoint, at(200), true)
            .expect("due")
            .succeeded(at(200));
        assert_eq!(ejection.go_out(at(301), FIRST), at(10), "long after it came back");
    }

    #[test]
    fn a_request_that_must_not_be_sent_twice_tries_it_later() {
        let ejection = Ejection::default();
        ejection.go_out(at(100), FIRST);
        assert_eq!(ejection.standing(at(115), true), Standing::Due);
        assert_eq!(ejection.standing(at(115), false), Standing::Out);
        assert_eq!(ejection.standing(at(120), false), Standing::Due);
    }

    #[test]
    fn no_endpoint_is_out_for_more_than_ten_times_the_first_time() {
        let ejection = Ejection::default();
        let longest = (0..50).map(|_| ejection.go_out(at(100), FIRST)).max();
        assert_eq!(longest, Some(at(100)));
    }
}
