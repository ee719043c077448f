//! Figures for people.

use std::time::Duration;

/// The smallest value that at least this share of all values does not exceed, in milliseconds.
pub(crate) fn quantile_ms(values: &[Duration], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let count = f64::from(u32::try_from(sorted.len()).unwrap_or(u32::MAX));
    let reached = |rank: usize| f64::from(u32::try_from(rank).unwrap_or(u32::MAX)) >= share * count;
    let rank = (1..=sorted.len()).find(|rank| reached(*rank));
    let value = rank.and_then(|rank| sorted.get(rank - 1));
    value.map_or(f64::NAN, |value| value.as_secs_f64() * 1_000.0)
}

/// Median, 99th percentile and maximum.
pub(crate) fn spread(values: &[Duration]) -> String {
    format!(
        "p50 {:.0} ms, p99 {:.0} ms, max {:.0} ms ({} values)",
        quantile_ms(values, 0.5),
        quantile_ms(values, 0.99),
        quantile_ms(values, 1.0),
        values.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_one_of_the_values() {
        let values: Vec<Duration> = [3, 1, 2, 4].map(Duration::from_millis).to_vec();
        assert_eq!(spread(&values), "p50 2 ms, p99 4 ms, max 4 ms (4 values)");
        assert!(quantile_ms(&[], 0.5).is_nan());
    }
}
