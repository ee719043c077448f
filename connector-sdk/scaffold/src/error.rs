//! What can go wrong on the gateway, in the words of the contract.
//!
//! [`from_gateway`] is the one place that decides what kind of error it is, whether trying again can help, and what
//! people read. All other rooms rely on these kinds, so begin here when you make the connector yours.

use std::time::Duration;

use gatehouse_connector_sdk::error::{Error, ErrorKind, Retry};

use crate::client::documents::Refusal;

/// What was asked of the gateway.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call<'a> {
    /// The gateway's name of the operation.
    pub(crate) operation: &'static str,
    /// What it is about.
    pub(crate) object: &'a str,
    /// Where the gateway is.
    pub(crate) gateway: &'a str,
    /// The environment whose gateway it is.
    pub(crate) environment: &'a str,
}

/// What came instead of the answer.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// Nothing, or not all of it, or not in time.
    NoAnswer(reqwest::Error),
    /// Something that is not what the operation answers.
    Unreadable(serde_json::Error),
    /// A refusal.
    Refused {
        /// The HTTP status.
        status: u16,
        /// Why, as far as the gateway says.
        refusal: Refusal,
        /// When to come back, if it says so.
        retry_after: Option<Duration>,
    },
}

/// The gateway's trouble as an error of ours.
pub(crate) fn from_gateway(call: Call<'_>, trouble: Trouble) -> Error {
    match trouble {
        // The URL in the cause may hold what is nobody's business.
        Trouble::NoAnswer(error) => no_answer(call).with_source(error.without_url()),
        Trouble::Unreadable(error) => unreadable(call).with_source(error),
        Trouble::Refused {
            status,
            refusal,
            retry_after,
        } => refused(call, status, &refusal, retry_after),
    }
}

fn no_answer(call: Call<'_>) -> Error {
    let Call {
        operation,
        object,
        gateway,
        environment,
    } = call;
    Error::new(
        ErrorKind::Unavailable,
        format!(
            "the gateway of environment `{environment}` did not answer {operation} of `{object}`; see that it runs at {gateway} and the agent can reach it"
        ),
    )
}

fn unreadable(call: Call<'_>) -> Error {
    let Call {
        operation,
        object,
        gateway,
        environment,
    } = call;
    Error::new(
        ErrorKind::Unexpected,
        format!(
            "the gateway of environment `{environment}` answered {operation} of `{object}` with something that cannot be read; see that its Admin API is at {gateway}"
        ),
    )
}

fn refused(call: Call<'_>, status: u16, refusal: &Refusal, retry_after: Option<Duration>) -> Error {
    let (kind, remedy) = verdict(status, &refusal.code);
    let Call {
        operation,
        object,
        environment,
        ..
    } = call;
    let said = match refusal.error.as_str() {
        "" => "without a reason",
        said => said,
    };
    let message = format!(
        "the gateway of environment `{environment}` refused {operation} of `{object}` with {status}, {said}; {remedy}"
    );
    let error = Error::new(kind, message);
    match (kind, retry_after) {
        // Without a word on when to come back, pauses grow: that is the usual verdict on these kinds.
        (ErrorKind::RateLimited | ErrorKind::Unavailable, Some(wait)) => error.with_retry(Retry::After(wait)),
        // Somebody was faster; the next attempt looks at what is there now.
        (ErrorKind::Conflict, _) if status == 412 => error.with_retry(Retry::Backoff),
        _ => error,
    }
}

/// What a refusal is, and what to do about it.
fn verdict(status: u16, code: &str) -> (ErrorKind, &'static str) {
    match (status, code) {
        (400, "position-not-taken") => (ErrorKind::Conflict, "the listing begins anew"),
        (401, _) => (
            ErrorKind::Unauthorized,
            "correct the credential `adminToken` of the environment",
        ),
        (403, _) => (
            ErrorKind::Forbidden,
            "give the credential this permission, or choose another mode for the environment",
        ),
        (404, _) => (ErrorKind::NotFound, "look whether somebody removed it"),
        (409, _) => (
            ErrorKind::Conflict,
            "remove or move it there, or choose another place",
        ),
        (412, _) => (
            ErrorKind::Conflict,
            "somebody changed it meanwhile, and it is looked at again",
        ),
        (429, _) => (ErrorKind::RateLimited, "it is tried again later"),
        // One API is broken; the gateway itself is well.
        (500, "damaged") => (ErrorKind::Unexpected, "repair or remove it on the gateway"),
        (400..=499, _) => (ErrorKind::Invalid, "correct what is deployed"),
        (500.., _) => (ErrorKind::Unavailable, "it is tried again"),
        _ => (
            ErrorKind::Unexpected,
            "see that `adminUrl` is that of the gateway's Admin API",
        ),
    }
}

#[cfg(test)]
mod tests;
