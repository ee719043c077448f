//! Leaving out an endpoint that fails, and finding out when it works again.
//!
//! So many failures in a row eject it. When its time is over, one request tries it: if that works it is back, else it
//! stays out for longer. While it is out it is looked at, too ([`super::probe`]); when it begins to work between two
//! looks, its time is over at once. Whether it may be ejected at all, given how many others are, is decided in
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
    /// How much longer requests stay away that would do harm if they were sent twice, in milliseconds.
    harmful_after: AtomicU64,
    rest: Mutex<Rest>,
}

#[derive(Debug, Default)]
struct Rest {
    /// A request is trying it.
    trying: bool,
    /// Somebody looks at it.
    watched: bool,
    /// A look found it not working since it went out.
    looked_bad: bool,
    /// How often in a row it was ejected.
    times: u32,
    /// How long it was out the first time.
    first: Duration,
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
    /// Where it stands. A request that would do harm if it were sent twice tries it later: after so long again if it
    /// looks well, and else after the longest time there is.
    pub(crate) fn standing(&self, now: Duration, harmless: bool) -> Standing {
        let until = self.until.load(Relaxed);
        if until == 0 {
            return Standing::In;
        }
        let more = if harmless {
            0
        } else {
            self.harmful_after.load(Relaxed)
        };
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

    /// Goes out, for twice as long each time in a row; says for how long.
    pub(crate) fn go_out(&self, now: Duration, first: Duration) -> Duration {
        let mut rest = self.lock();
        let stayed = now.saturating_sub(rest.back);
        let long_ago = !self.is_out() && stayed > first * LONGEST;
        rest.times = if long_ago { 1 } else { rest.times.saturating_add(1) };
        rest.trying = false;
        rest.looked_bad = false;
        rest.first = first;
        let longest = first * LONGEST;
        let doubled = 2_u32.saturating_pow(rest.times.saturating_sub(1));
        let length = first.saturating_mul(doubled).min(longest);
        self.harmful_after.store(milliseconds(longest), Relaxed);
        self.until.store(milliseconds(now + length).max(1), Relaxed);
        length
    }

    /// The right to look at it, if it is out and nobody else does.
    pub(crate) fn begin_watch(&self) -> bool {
        let mut rest = self.lock();
        let begins = self.is_out() && !rest.watched;
        rest.watched |= begins;
        begins
    }

    /// Whether it is back, so that nobody needs to look any more. The right is given back then.
    pub(crate) fn has_ended_watch(&self) -> bool {
        let mut rest = self.lock();
        rest.watched = self.is_out();
        !rest.watched
    }

    /// A look found it working, or not. If it begins to work while it is out, its time is over.
    pub(crate) fn probed(&self, now: Duration, works: bool) {
        let mut rest = self.lock();
        if !self.is_out() {
            return;
        }
        let (now, first) = (milliseconds(now), milliseconds(rest.first));
        match works {
            true if rest.looked_bad => {
                rest.looked_bad = false;
                let until = self.until.load(Relaxed);
                self.until.store(until.min(now).max(1), Relaxed);
                self.harmful_after.store(first, Relaxed);
            }
            true => {
                let after = self.harmful_after.load(Relaxed);
                self.harmful_after.store(after.min(first), Relaxed);
            }
            false => {
                rest.looked_bad = true;
                self.harmful_after
                    .store(milliseconds(rest.first * LONGEST), Relaxed);
            }
        }
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
        assert_eq!(ejection.go_out(at(140), FIRST), at(40), "soon after it came back");
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
        assert_eq!(ejection.standing(at(209), false), Standing::Out);
        assert_eq!(ejection.standing(at(210), false), Standing::Due);
        ejection.probed(at(111), true);
        assert_eq!(ejection.standing(at(119), false), Standing::Out);
        assert_eq!(ejection.standing(at(120), false), Standing::Due, "it looks well");
        ejection.probed(at(112), false);
        assert_eq!(ejection.standing(at(120), false), Standing::Out, "it does not");
    }

    #[test]
    fn its_time_is_over_when_it_begins_to_work() {
        let ejection = Ejection::default();
        let longest = (0..8).map(|_| ejection.go_out(at(100), FIRST)).last();
        assert_eq!(longest, Some(at(100)));
        ejection.probed(at(101), true);
        assert_eq!(
            ejection.standing(at(102), true),
            Standing::Out,
            "it looked well while it failed requests"
        );
        ejection.probed(at(102), false);
        ejection.probed(at(103), true);
        assert_eq!(ejection.standing(at(103), true), Standing::Due);
        assert_eq!(ejection.standing(at(112), false), Standing::Out);
        assert_eq!(ejection.standing(at(113), false), Standing::Due);
        ejection.go_out(at(104), FIRST);
        ejection.probed(at(105), true);
        assert_eq!(
            ejection.standing(at(105), true),
            Standing::Out,
            "a request found it failing"
        );
    }

    #[test]
    fn one_looks_at_it_while_it_is_out() {
        let endpoint = Endpoint::for_tests("http://127.0.0.1:9");
        let ejection = &endpoint.ejection;
        assert!(!ejection.begin_watch(), "it is not out");
        ejection.go_out(at(100), FIRST);
        assert!(ejection.begin_watch() && !ejection.begin_watch());
        assert!(!ejection.has_ended_watch());
        Trial::claim(&endpoint, at(110), true)
            .expect("due")
            .succeeded(at(110));
        ejection.probed(at(110), false);
        assert_eq!(ejection.standing(at(110), false), Standing::In);
        assert!(ejection.has_ended_watch());
        ejection.go_out(at(111), FIRST);
        assert!(ejection.begin_watch());
    }

    #[test]
    fn no_endpoint_is_out_for_more_than_ten_times_the_first_time() {
        let ejection = Ejection::default();
        let longest = (0..50).map(|_| ejection.go_out(at(100), FIRST)).max();
        assert_eq!(longest, Some(at(100)));
    }
}
