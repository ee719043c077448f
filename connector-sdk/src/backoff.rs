//! Pauses between attempts: exponential with full jitter, so that many who failed together do not come
//! back together.
//!
//! ```
//! use std::time::Duration;
//!
//! use gatehouse_connector_sdk::backoff::Backoff;
//!
//! let backoff = Backoff { first: Duration::from_millis(200), longest: Duration::from_secs(5) };
//! for failures in 1..=4 {
//!     // A loop would sleep for so long before its next attempt.
//!     assert!(backoff.pause(failures) <= Duration::from_millis(1_600));
//! }
//! ```

use std::time::Duration;

/// How pauses grow.
///
/// ```
/// use std::time::Duration;
///
/// use gatehouse_connector_sdk::backoff::Backoff;
///
/// let backoff = Backoff { first: Duration::from_secs(1), longest: Duration::from_secs(60) };
/// assert_eq!(backoff.ceiling(1), Duration::from_secs(1));
/// assert_eq!(backoff.ceiling(4), Duration::from_secs(8));
/// assert_eq!(backoff.ceiling(50), Duration::from_secs(60));
/// assert!(backoff.pause(4) <= Duration::from_secs(8));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The longest that the first pause can be. Zero means no pauses at all.
    pub first: Duration,
    /// The longest that any pause can be.
    pub longest: Duration,
}

impl Backoff {
    /// The pause after so many failed attempts in a row (from 1): evenly drawn between zero and a
    /// ceiling that doubles with each.
    pub fn pause(&self, failures: u32) -> Duration {
        self.ceiling(failures).mul_f64(random_fraction())
    }

    /// The longest that the pause after so many failures can be.
    pub fn ceiling(&self, failures: u32) -> Duration {
        let factor = 1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
        self.first.saturating_mul(factor).min(self.longest)
    }
}

/// A random number from 0 up to but not including 1.
fn random_fraction() -> f64 {
    let mut bytes = [0_u8; 4];
    // Without randomness the full pause is the polite choice.
    if aws_lc_rs::rand::fill(&mut bytes).is_err() {
        return 1.0;
    }
    f64::from(u32::from_le_bytes(bytes)) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff {
        first: Duration::from_millis(100),
        longest: Duration::from_secs(5),
    };

    #[test]
    fn the_ceiling_doubles_until_the_longest() {
        let ceilings: Vec<u128> = [1, 2, 3, 6, 7, 40, u32::MAX]
            .map(|failures| BACKOFF.ceiling(failures).as_millis())
            .to_vec();
        assert_eq!(ceilings, [100, 200, 400, 3_200, 5_000, 5_000, 5_000]);
    }

    #[test]
    fn pauses_spread_over_the_whole_range() {
        let pauses: Vec<Duration> = (0..200).map(|_| BACKOFF.pause(3)).collect();
        assert!(pauses.iter().all(|pause| *pause <= Duration::from_millis(400)));
        assert!(pauses.iter().any(|pause| *pause < Duration::from_millis(100)));
        assert!(pauses.iter().any(|pause| *pause > Duration::from_millis(300)));
    }
}
