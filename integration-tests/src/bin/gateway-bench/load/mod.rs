//! Load from generators that Debian ships, each a process of its own: `wrk` for HTTP/1.1, `h2load` for HTTP/2.

mod h2load;
mod wrk;

use crate::candidate::Candidate;

/// How much load, and in which protocol.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) protocol: Protocol,
    /// For how long.
    pub(crate) seconds: u32,
    /// Over how many kept connections.
    pub(crate) connections: u32,
}

/// The protocol that the load generator speaks; TLS is what the URL says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    /// With ten requests at a time on each connection.
    Http2,
}

impl Load {
    /// The same load for another time.
    pub(crate) fn lasting(self, seconds: u32) -> Self {
        Self { seconds, ..self }
    }

    /// Puts load on a candidate; the number of requests, all of which were answered 200.
    pub(crate) async fn run(self, candidate: &Candidate) -> anyhow::Result<u64> {
        let candidate = candidate.clone();
        // Waiting for a process keeps a thread.
        tokio::task::spawn_blocking(move || match self.protocol {
            Protocol::Http1 => wrk::run(self, &candidate),
            Protocol::Http2 => h2load::run(self, &candidate),
        })
        .await?
    }
}

/// What of the tools that make load is missing, and how it is installed.
pub(crate) fn missing(protocol: Protocol) -> Option<String> {
    let (program, package) = match protocol {
        Protocol::Http1 => ("wrk", "wrk"),
        Protocol::Http2 => ("h2load", "nghttp2-client"),
    };
    let found = std::process::Command::new(program)
        .arg("--version")
        .output()
        .is_ok();
    (!found).then(|| {
        format!("`{program}` is missing; install Debian's package `{package}` (as root, ./benchmark does it)")
    })
}
