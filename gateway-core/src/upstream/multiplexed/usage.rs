//! What is known of a connection that requests share: how many it has, and whether anything comes.

use std::{
    cell::Cell,
    rc::Rc,
    time::{Duration, Instant},
};

use tokio::sync::Notify;

/// After so long, or a request's own limit if that is shorter, a connection on which requests wait and nothing comes is
/// taken for one that may be dead. Several that wait for less, one after the other, find that out as well, but callers
/// who wait for a moment only cannot close connections as they like.
const PATIENCE: Duration = Duration::from_secs(1);

/// What is known of a connection by all who use it.
#[derive(Debug)]
pub(super) struct Usage {
    pub(super) streams: Cell<usize>,
    /// Until when it is kept if nobody uses it.
    pub(super) until: Cell<Instant>,
    /// How often something came.
    pub(super) heard: Cell<u64>,
    /// Is told when something came for the first time.
    first: Notify,
    /// When a request first waited after something came for the so-manyth time.
    quiet: Cell<(u64, Instant)>,
    /// Nothing at all came while a request waited: it may be dead, and gets no others.
    pub(super) silent: Cell<bool>,
    /// It has brought an answer.
    pub(super) served: Cell<bool>,
}

/// One request's place on a connection; it is free again when this goes.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(super) usage: Rc<Usage>,
    idle_timeout: Duration,
}

impl Stream {
    pub(super) fn on(usage: &Rc<Usage>, idle_timeout: Duration) -> Self {
        usage.streams.update(|streams| streams + 1);
        Self {
            usage: Rc::clone(usage),
            idle_timeout,
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.usage.streams.update(|streams| streams.saturating_sub(1));
        self.usage.until.set(Instant::now() + self.idle_timeout);
    }
}

impl Usage {
    /// Of a connection that nobody has used.
    pub(super) fn new(idle_timeout: Duration) -> Rc<Self> {
        Rc::new(Self {
            streams: Cell::new(0),
            until: Cell::new(Instant::now() + idle_timeout),
            heard: Cell::new(0),
            first: Notify::new(),
            quiet: Cell::new((u64::MAX, Instant::now())),
            silent: Cell::new(false),
            served: Cell::new(false),
        })
    }

    /// Something came.
    pub(super) fn hear(&self) {
        self.heard.update(|times| times.wrapping_add(1));
        if self.heard.get() == 1 {
            self.first.notify_waiters();
        }
    }

    /// Waits until anything has come.
    pub(super) async fn heard_from(&self) {
        let first = self.first.notified();
        if self.heard.get() == 0 {
            first.await;
        }
    }
}

/// A request that waits for the head of its answer, in vain if this goes away and nothing has come.
pub(super) struct Waiting<'a> {
    usage: &'a Usage,
    heard: u64,
    patience: Duration,
}

impl<'a> Waiting<'a> {
    pub(super) fn on(stream: &'a Stream, limit: Duration) -> Self {
        let usage = &*stream.usage;
        let heard = usage.heard.get();
        if usage.quiet.get().0 != heard {
            usage.quiet.set((heard, Instant::now()));
        }
        Self {
            usage,
            heard,
            patience: limit.min(PATIENCE),
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let (_, since) = self.usage.quiet.get();
        if self.usage.heard.get() == self.heard && since.elapsed() >= self.patience {
            self.usage.silent.set(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_kept_for_its_time_from_the_end_of_its_last_request_on() {
        let idle_timeout = Duration::from_secs(50);
        let usage = Usage::new(idle_timeout);
        let stream = Stream::on(&usage, idle_timeout);
        // The request takes longer than that.
        usage.until.set(Instant::now());
        drop(stream);
        assert!(usage.until.get() > Instant::now());
        assert_eq!(usage.streams.get(), 0);
    }

    #[test]
    fn a_connection_is_silent_if_nothing_comes_for_long_enough_while_requests_wait() {
        let (short, long) = (Duration::ZERO, Duration::from_secs(60));
        for (limit, comes, silent) in [(short, false, true), (short, true, false), (long, false, false)] {
            let stream = Stream::on(&Usage::new(long), long);
            let waiting = Waiting::on(&stream, limit);
            if comes {
                stream.usage.heard.set(1);
            }
            drop(waiting);
            assert_eq!(stream.usage.silent.get(), silent, "{limit:?} {comes}");
        }
    }

    #[test]
    fn short_waits_one_after_the_other_find_out_that_a_connection_is_silent() {
        let long = Duration::from_secs(60);
        for (comes, silent) in [(false, true), (true, false)] {
            let stream = Stream::on(&Usage::new(long), long);
            let usage = &stream.usage;
            drop(Waiting::on(&stream, long));
            assert!(!usage.silent.get(), "a moment is not enough");
            // That was a while ago.
            let (heard, since) = usage.quiet.get();
            let earlier = since.checked_sub(PATIENCE).expect("the clock runs");
            usage.quiet.set((heard, earlier));
            usage.heard.update(|times| times + u64::from(comes));
            drop(Waiting::on(&stream, long));
            assert_eq!(usage.silent.get(), silent, "{comes}");
        }
    }
}
