//! What can go wrong when a gateway starts or is given an API.

use std::{io, net::SocketAddr, path::PathBuf};

use gatehouse_schemas::identity::ExternalRef;

use crate::tls::CertificateError;

/// Why a gateway does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// An address cannot be listened on.
    #[error("cannot listen on `{address}`; is another process using it?")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The certificate or key of the HTTPS listener cannot be used.
    #[error("cannot use the certificate or key in `{file}`: {reason}")]
    Certificate {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A PROXY header would be believed from nobody.
    #[error(
        "a listener with the PROXY protocol needs trusted proxies; name their networks in `trusted_proxies` (`--trusted-proxies`)"
    )]
    UntrustedProxies,
    /// The options say no Redis that could be used.
    #[error("cannot share limits through Redis: {reason}")]
    Redis {
        /// What is wrong and what to do.
        reason: String,
    },
    /// The options say no place that telemetry could be sent to.
    #[error("cannot export telemetry: {reason}")]
    Telemetry {
        /// What is wrong and what to do.
        reason: String,
    },
    /// The state folder cannot be read or written.
    #[error("cannot use the state folder `{folder}`")]
    State {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A thread cannot be started.
    #[error("cannot start a worker thread")]
    Worker(#[source] io::Error),
}

impl From<CertificateError> for StartError {
    fn from(error: CertificateError) -> Self {
        Self::Certificate {
            file: error.file,
            reason: error.reason,
        }
    }
}

/// Why an API is not served as asked. What was served before still is.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApplyError {
    /// A policy cannot be enforced, so the API is not served.
    #[error("API `{api}`: policy `{policy}` of {place} cannot be enforced: {reason}")]
    Policy {
        /// The API.
        api: ExternalRef,
        /// The policy's type.
        policy: &'static str,
        /// `the API` or the operation.
        place: String,
        /// What is wrong and what to do.
        reason: String,
    },
    /// An upstream, host name or path cannot be served.
    #[error("API `{api}`: {reason}")]
    Invalid {
        /// The API.
        api: ExternalRef,
        /// What is wrong and what to do.
        reason: String,
    },
    /// The change could not be made durable, so it was not made.
    #[error("API `{api}`: cannot write the snapshot to `{folder}`")]
    Snapshot {
        /// The API.
        api: ExternalRef,
        /// The state folder.
        folder: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// An error and everything that caused it, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
