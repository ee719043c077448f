//! `wrk`, from Debian.

use std::process::Command;

use anyhow::{Context as _, bail};

use super::Load;
use crate::candidate::Candidate;

pub(super) fn run(load: Load, candidate: &Candidate) -> anyhow::Result<u64> {
    let mut command = Command::new("wrk");
    command
        .args(["--threads", "2"])
        .arg(format!("--connections={}", load.connections))
        .arg(format!("--duration={}s", load.seconds));
    for header in &candidate.headers {
        command.args(["--header", header]);
    }
    let output = command
        .arg(&candidate.url)
        .output()
        .context("`wrk` is missing; `./benchmark` installs it (Debian package `wrk`)")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() || text.contains("Non-2xx") || is_broken(&text) {
        bail!(
            "load on {} at {} failed:\n{text}{}",
            candidate.name,
            candidate.url,
            String::from_utf8_lossy(&output.stderr)
        );
    }
    requests(&text).with_context(|| format!("unknown output of wrk:\n{text}"))
}

/// Time-outs are answers that came late, which a busy machine may be to blame for.
fn is_broken(text: &str) -> bool {
    text.lines()
        .filter(|line| line.contains("Socket errors"))
        .any(|line| !line.contains("connect 0, read 0, write 0"))
}

fn requests(text: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.contains(" requests in "))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{is_broken, requests};

    #[test]
    fn requests_are_read_and_late_answers_are_no_failures() {
        let text = "  2 threads and 512 connections\n  Socket errors: connect 0, read 0, write 0, timeout 3\n  \
            31415 requests in 4.00s, 38.4MB read\n";
        assert_eq!(requests(text), Some(31_415));
        assert!(!is_broken(text));
        assert!(is_broken(
            "  Socket errors: connect 0, read 7, write 0, timeout 0\n"
        ));
    }
}
