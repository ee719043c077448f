//! CPU time per request with HTTP/2 and with TLS towards the caller; towards the backend it stays HTTP/1.1 without TLS.

use super::{
    Effort,
    side_by_side::{SideBySide, http2, tls},
};
use crate::{
    candidate::{Candidate, compare, ready},
    figures::Outcome,
    load::{self, Load, Protocol},
};

const CONNECTIONS: u32 = 32;

pub(super) async fn measure(effort: &Effort) -> anyhow::Result<Outcome> {
    let setting = SideBySide::start().await?;
    let mut outcome = Outcome {
        left_out: setting.left_out.clone(),
        ..Outcome::default()
    };
    let (clear, secure) = (setting.candidates("1k", http2), setting.candidates("1k", tls));
    for candidate in &secure {
        ready(candidate, 1_024).await?;
    }
    let cases: [(&str, &[Candidate], Protocol); 3] = [
        ("HTTP/2", &clear, Protocol::Http2),
        ("TLS, HTTP/1.1", &secure, Protocol::Http1),
        ("TLS, HTTP/2", &secure, Protocol::Http2),
    ];
    for (case, candidates, protocol) in cases {
        if let Some(missing) = load::missing(protocol) {
            outcome.left_out.push(missing);
            continue;
        }
        let load = Load {
            protocol,
            seconds: effort.seconds_or(4),
            connections: CONNECTIONS,
        };
        let case = format!("{case}, 1 KiB, {CONNECTIONS} connections");
        let compared = compare(&case, candidates, load, effort, &[("Envoy", 0.6)]).await?;
        outcome.comparisons.push(compared);
    }
    Ok(outcome)
}
