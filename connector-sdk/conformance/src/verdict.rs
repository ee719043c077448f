//! How a test of a behaviour ends early.

use gatehouse_connector_sdk::error::{Error, chain};

/// Why a test does not go on.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The behaviour cannot be seen on this gateway.
    Skip(String),
    /// The behaviour is not what the contract says.
    Fail(String),
}

/// Passed, unless something stopped it.
pub(crate) type Verdict = Result<(), Stop>;

/// An operation that had to succeed did not.
impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Fail(format!(
            "an operation failed that had to succeed: {} ({})",
            chain(&error),
            error.kind().as_str()
        ))
    }
}

/// Fails with a sentence unless something holds.
pub(crate) fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Verdict {
    match holds {
        true => Ok(()),
        false => Err(Stop::Fail(otherwise())),
    }
}

/// Skips with a reason unless the gateway under test can be brought to it.
pub(crate) fn require(can: bool, reason: &str) -> Verdict {
    match can {
        true => Ok(()),
        false => Err(Stop::Skip(format!("the gateway under test {reason}"))),
    }
}
