//! The time: the real one, or one that a test moves.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Where the time comes from.
///
/// ```
/// use std::time::Duration;
///
/// use gatehouse_fake_aws::Clock;
///
/// let clock = Clock::moved_by_hand(Duration::from_secs(1_700_000_000));
/// clock.advance(Duration::from_secs(5));
/// assert_eq!(clock.now(), Duration::from_secs(1_700_000_005));
/// ```
#[derive(Debug, Clone, Default)]
pub struct Clock {
    by_hand: Option<Arc<Mutex<Duration>>>,
}

impl Clock {
    /// A clock that stands still unless it is advanced; its time is counted from 1970.
    pub fn moved_by_hand(start: Duration) -> Self {
        Self {
            by_hand: Some(Arc::new(Mutex::new(start))),
        }
    }

    /// The time since 1970.
    pub fn now(&self) -> Duration {
        match &self.by_hand {
            Some(time) => *time.lock().unwrap_or_else(PoisonError::into_inner),
            None => SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
        }
    }

    /// Moves a clock that is moved by hand; the real one goes its own way.
    pub fn advance(&self, by: Duration) {
        if let Some(time) = &self.by_hand {
            *time.lock().unwrap_or_else(PoisonError::into_inner) += by;
        }
    }
}
