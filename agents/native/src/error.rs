//! What can go wrong on the native gateway, in the words of the contract.

use std::path::PathBuf;

use gatehouse_connector_sdk::{
    error::{Error, ErrorKind, Retry},
    runtime::RunError,
};
use gatehouse_gateway_core::{ApplyError, StartError};

/// Why a native gateway does not start, or its agent does not go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NativeError {
    /// The gateway does not start.
    #[error("the gateway does not start")]
    Start(#[from] StartError),
    /// The file of local APIs cannot be read.
    #[error("the file of APIs `{}` cannot be read", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The file of local APIs is wrong.
    #[error("the file of APIs `{}` is not valid: {detail}", file.display())]
    Invalid {
        /// The file.
        file: PathBuf,
        /// Where and what, and what would be right.
        detail: String,
    },
    /// A local API cannot be served.
    #[error("the API from `{}` cannot be served", file.display())]
    Refused {
        /// The file.
        file: PathBuf,
        /// What the gateway said.
        #[source]
        source: ApplyError,
    },
    /// The agent ends.
    #[error("the agent cannot go on")]
    Agent(#[from] RunError),
}

/// Kind and verdict for each of the gateway's refusals.
pub(crate) fn from_gateway(error: ApplyError) -> Error {
    let (kind, retry) = match &error {
        ApplyError::Policy { .. } | ApplyError::Invalid { .. } => (ErrorKind::Invalid, Retry::Never),
        // A full or read-only disk may be put right, and a module may be put in its place.
        ApplyError::Module { .. } | ApplyError::Snapshot { .. } => (ErrorKind::Unavailable, Retry::Backoff),
        _ => (ErrorKind::Unexpected, Retry::Never),
    };
    Error::new(kind, error.to_string())
        .with_retry(retry)
        .with_source(error)
}
