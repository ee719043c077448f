//! How long answers take lately: a mean that weighs what was seen last most, and believes bad news at once.
//!
//! This is the "peak EWMA" of Finagle and Linkerd: a slower answer counts fully, a faster one only so far as time
//! has passed, and what was seen is forgotten bit by bit, so that an endpoint that was slow is tried again.

use std::time::Duration;

/// After this time, what was seen before weighs about a third (Finagle's default).
const DECAY: f32 = 10.0;

/// What is left of a mean after some time.
pub(crate) fn decayed(mean: f32, age: Duration) -> f32 {
    mean * weight(age)
}

/// The mean with one more answer. None yet is 0.
pub(crate) fn observed(mean: f32, age: Duration, took: f32) -> f32 {
    let before = weight(age);
    if mean <= 0.0 || took > mean * before {
        return took;
    }
    mean * before + took * (1.0 - before)
}

fn weight(age: Duration) -> f32 {
    (-age.as_secs_f32() / DECAY).exp()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_slow_answer_counts_at_once_and_is_forgotten_in_time() {
        let mean = observed(1_000.0, Duration::ZERO, 50_000.0);
        assert_eq!(mean, 50_000.0);
        let later = decayed(mean, Duration::from_secs(60));
        assert!(later < 150.0, "{later}");
        let better = observed(mean, Duration::from_secs(10), 1_000.0);
        assert!((18_000.0..20_000.0).contains(&better), "{better}");
    }

    proptest! {
        #[test]
        fn the_mean_stays_between_what_was_seen(before in 1f32..1e6, age in 0u64..100_000, took in 1f32..1e6) {
            let mean = observed(before, Duration::from_millis(age), took);
            prop_assert!(mean >= took.min(before) * 0.999 || mean >= took * 0.999);
            prop_assert!(mean <= took.max(before) * 1.001);
        }
    }
}
