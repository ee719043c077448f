//! `h2load`, from Debian's package `nghttp2-client`.

use std::process::Command;

use anyhow::{Context as _, bail};

use super::Load;
use crate::candidate::Candidate;

/// Requests at a time on each connection.
const STREAMS: u32 = 10;

pub(super) fn run(load: Load, candidate: &Candidate) -> anyhow::Result<u64> {
    let mut command = Command::new("h2load");
    command
        .args(["--threads", "2"])
        .arg(format!("--clients={}", load.connections))
        .arg(format!("--max-concurrent-streams={STREAMS}"))
        .arg(format!("--duration={}", load.seconds));
    for header in &candidate.headers {
        command.args(["--header", header]);
    }
    let output = command
        .arg(&candidate.url)
        .output()
        .context("`h2load` is missing; `./benchmark` installs it (Debian package `nghttp2-client`)")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let answers = answers(&text).with_context(|| format!("unknown output of h2load:\n{text}"))?;
    if !output.status.success() || answers.good == 0 || answers.bad > 0 {
        bail!(
            "load on {} at {} failed:\n{text}{}",
            candidate.name,
            candidate.url,
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(answers.good)
}

#[derive(Debug, PartialEq, Eq)]
struct Answers {
    good: u64,
    bad: u64,
}

/// Reads `status codes: 100 2xx, 0 3xx, 0 4xx, 0 5xx` and, of the line before it, `0 failed`.
fn answers(text: &str) -> Option<Answers> {
    let codes = text.lines().find(|line| line.starts_with("status codes:"))?;
    let requests = text.lines().find(|line| line.starts_with("requests:"))?;
    let bad = [
        (codes, "3xx"),
        (codes, "4xx"),
        (codes, "5xx"),
        (requests, "failed"),
    ];
    Some(Answers {
        good: counted(codes, "2xx")?,
        bad: bad
            .into_iter()
            .filter_map(|(line, what)| counted(line, what))
            .sum(),
    })
}

fn counted(line: &str, what: &str) -> Option<u64> {
    let (_, list) = line.split_once(": ")?;
    let item = list.split(", ").find(|item| item.ends_with(what))?;
    item.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{Answers, answers};

    #[test]
    fn good_and_bad_answers_are_read() {
        let text = "finished in 1.00s, 90.00 req/s, 1.00MB/s\n\
            requests: 100 total, 110 started, 100 done, 90 succeeded, 10 failed, 0 errored, 0 timeout\n\
            status codes: 90 2xx, 0 3xx, 0 4xx, 10 5xx\n";
        assert_eq!(answers(text), Some(Answers { good: 90, bad: 20 }));
        assert_eq!(answers("nothing"), None);
    }
}
