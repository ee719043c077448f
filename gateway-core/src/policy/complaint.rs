//! What is worth a warning, but not one for each request.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Instant,
};

/// How often at most one is logged as a warning, in seconds.
const WARN_EVERY: u64 = 10;

/// Something that may go wrong with every request.
#[derive(Debug)]
pub(crate) struct Complaint {
    since: Instant,
    /// When it was last a warning, in seconds since then, plus the time between two.
    warned: AtomicU64,
}

impl Complaint {
    /// Nothing went wrong yet.
    pub(crate) fn new() -> Self {
        Self {
            since: Instant::now(),
            warned: AtomicU64::new(0),
        }
    }

    /// Whether this time is a warning. Of several at once, one is.
    pub(crate) fn is_due(&self) -> bool {
        let now = self.since.elapsed().as_secs() + WARN_EVERY;
        let last = self.warned.load(Relaxed);
        now >= last + WARN_EVERY && self.warned.compare_exchange(last, now, Relaxed, Relaxed).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_many_is_a_warning() {
        let complaint = Complaint::new();
        let due: Vec<bool> = (0..3).map(|_| complaint.is_due()).collect();
        assert_eq!(due, [true, false, false]);
    }
}
