//! 2,500 certificates, chosen by the name that callers ask for, and 40,000 routes: resident memory.

use super::Effort;
use crate::figures::Outcome;

#[expect(clippy::unused_async, reason = "as all scenarios are")]
pub(super) async fn measure(_effort: &Effort) -> anyhow::Result<Outcome> {
    let mut outcome = Outcome::default();
    outcome
        .left_out
        .push("this build takes one certificate for each listener".to_owned());
    Ok(outcome)
}
