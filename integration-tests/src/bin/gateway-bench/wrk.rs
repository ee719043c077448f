//! The load generator: `wrk`, from Debian.

use std::process::Command;

use anyhow::{Context as _, bail};

/// How much load.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    /// For how long.
    pub(crate) seconds: u32,
    /// Over how many keep-alive connections.
    pub(crate) connections: u32,
}

impl Load {
    /// Puts load on a URL; the number of requests, all of which were answered 200.
    pub(crate) fn run(self, url: &str, headers: &[String]) -> anyhow::Result<u64> {
        let mut command = Command::new("wrk");
        command
            .args(["--threads", "2"])
            .arg(format!("--connections={}", self.connections))
            .arg(format!("--duration={}s", self.seconds));
        for header in headers {
            command.args(["--header", header]);
        }
        let output = command
            .arg(url)
            .output()
            .context("`wrk` is missing; `./benchmark` installs it (Debian package `wrk`)")?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() || text.contains("Non-2xx") || text.contains("Socket errors") {
            bail!(
                "load on {url} failed:\n{text}{}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        requests(&text).with_context(|| format!("unknown output of wrk:\n{text}"))
    }
}

fn requests(text: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.contains(" requests in "))?;
    line.split_whitespace().next()?.parse().ok()
}
