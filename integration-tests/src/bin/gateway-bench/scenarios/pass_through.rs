//! CPU time per request without a policy: two sizes of answers, few and many connections.

use super::{
    Effort,
    side_by_side::{SideBySide, http1},
};
use crate::{
    candidate::{compare, ready},
    figures::Outcome,
    load::{self, Load, Protocol},
};

pub(super) async fn measure(effort: &Effort) -> anyhow::Result<Outcome> {
    let mut outcome = Outcome::default();
    if let Some(missing) = load::missing(Protocol::Http1) {
        outcome.left_out.push(missing);
        return Ok(outcome);
    }
    let setting = SideBySide::start().await?;
    outcome.left_out.extend(setting.left_out.iter().cloned());
    for (file, size, length, beside_nginx) in [("1k", "1 KiB", 1_024, 1.3), ("16k", "16 KiB", 16_384, 1.0)] {
        let candidates = setting.candidates(file, http1);
        for candidate in &candidates {
            ready(candidate, length).await?;
        }
        for connections in [32, 512] {
            let load = Load {
                protocol: Protocol::Http1,
                seconds: effort.seconds_or(4),
                connections,
            };
            let case = format!("{size}, {connections} connections");
            let wanted = [("nginx", beside_nginx), ("Envoy", 0.4)];
            let compared = compare(&case, &candidates, load, effort, &wanted).await?;
            outcome.comparisons.push(compared);
        }
    }
    Ok(outcome)
}
