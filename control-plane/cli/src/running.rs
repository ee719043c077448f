//! What `serve` and `dev` share: the log, addresses, errors of starting.

use std::{
    io::{self, IsTerminal as _},
    net::SocketAddr,
};

use clap::ValueEnum;
use gatehouse_control_plane_server::StartError;
use tracing_subscriber::{EnvFilter, filter::LevelFilter};

use crate::{exit::Exit, failure::Failure, screen};

/// How log lines look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// Lines for people
    #[default]
    Text,
    /// One JSON object a line
    Json,
}

/// Starts the log on standard error; `RUST_LOG` says what is in it, else everything from this level on.
pub(crate) fn start_log(format: LogFormat, level: LevelFilter) {
    let filter = EnvFilter::builder()
        .with_default_directive(level.into())
        .from_env_lossy();
    let color = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(color);
    // Fails only if there is a log already.
    let _ = match format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
}

/// Where something is told to listen, and by which option.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Listen {
    pub(crate) option: &'static str,
    pub(crate) address: SocketAddr,
}

impl Listen {
    /// Says that others can listen in, where that is so.
    pub(crate) fn warn_if_open(&self) {
        if !self.address.ip().is_loopback() {
            screen::note(&format!(
                "warning: `{} {}` is reachable from other machines, without TLS: tokens can be read on the way; \
                 put a proxy with TLS in front, or listen on 127.0.0.1",
                self.option, self.address
            ));
        }
    }

    /// The error of not being able to listen there.
    pub(crate) fn failure(&self, source: &io::Error) -> Failure {
        let why = match source.kind() {
            io::ErrorKind::AddrInUse => format!("port {} is in use", self.address.port()),
            io::ErrorKind::PermissionDenied => format!("this user may not use port {}", self.address.port()),
            io::ErrorKind::AddrNotAvailable => format!("this machine has no address {}", self.address.ip()),
            _ => source.to_string(),
        };
        let detail = format!(
            "cannot listen on {}: {why}; stop what listens there, or choose another with `{} ADDRESS:PORT`",
            self.address, self.option
        );
        Failure::new(Exit::Error, detail)
    }
}

/// The error of a control plane that does not start; `listens` are the addresses it was told.
pub(crate) fn start_failure(error: StartError, listens: &[Listen]) -> anyhow::Error {
    if let StartError::Listen { address, source } = &error
        && let Some(listen) = listens.iter().find(|listen| listen.address == *address)
    {
        return listen.failure(source).into();
    }
    anyhow::Error::new(error).context("the control plane does not start")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_use_is_told_with_its_option() {
        let listen = Listen {
            option: "--gateway-listen",
            address: ([127, 0, 0, 1], 8080).into(),
        };
        let failure = listen.failure(&io::ErrorKind::AddrInUse.into());
        assert_eq!(
            failure.detail,
            "cannot listen on 127.0.0.1:8080: port 8080 is in use; stop what listens there, or choose another with \
             `--gateway-listen ADDRESS:PORT`"
        );
    }
}
