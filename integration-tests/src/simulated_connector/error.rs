//! The vendor's errors in our words.

use std::time::Duration;

use gatehouse_connector_sdk::error::{Error, ErrorKind, Retry};
use serde::Deserialize;

/// The body of a refusal.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Refusal {
    #[serde(default)]
    pub(super) code: String,
    #[serde(default)]
    pub(super) message: String,
}

/// A refusal of an operation on an object, with what the vendor said about coming back.
pub(super) fn refused(
    operation: &str,
    object: &str,
    status: u16,
    refusal: &Refusal,
    retry_after: Option<Duration>,
) -> Error {
    let said = &refusal.message;
    let message = |what: &str| format!("{operation} of {object} {what} ({status}: {said})");
    match (status, refusal.code.as_str()) {
        (401, _) => Error::new(
            ErrorKind::Unauthorized,
            message(
                "was refused because the vendor does not know the credential; correct `spec.credentials.key`",
            ),
        ),
        (403, _) => Error::new(
            ErrorKind::Forbidden,
            message("is not allowed to the credential; `gatehouse env permissions` shows what it needs"),
        ),
        (404, _) => Error::new(ErrorKind::NotFound, message("found nothing")),
        (400, "PositionExpired") => Error::new(
            ErrorKind::Conflict,
            message("was interrupted for too long; the listing begins anew"),
        ),
        (409 | 412, _) => Error::new(
            ErrorKind::Conflict,
            message("met a change that somebody else made meanwhile; it is tried again"),
        )
        .with_retry(Retry::Backoff),
        (429, _) => {
            let wait = retry_after.unwrap_or(Duration::from_secs(1));
            Error::new(
                ErrorKind::RateLimited,
                message("has to wait for the account's quota"),
            )
            .with_retry(Retry::After(wait))
        }
        (400..500, _) => Error::new(ErrorKind::Invalid, message("was refused by the vendor")),
        (500.., _) => {
            let error = Error::new(
                ErrorKind::Unavailable,
                message("failed because the vendor has trouble; it is tried again"),
            );
            match retry_after {
                Some(wait) => error.with_retry(Retry::After(wait)),
                None => error,
            }
        }
        _ => Error::new(ErrorKind::Unexpected, message("was answered in an unknown way")),
    }
}

/// A call that got no answer.
pub(super) fn unanswered(operation: &str, object: &str, endpoint: &str, error: reqwest::Error) -> Error {
    Error::new(
        ErrorKind::Unavailable,
        format!("{operation} of {object} got no answer from `{endpoint}`; see that the vendor can be reached from the agent"),
    )
    .with_source(error.without_url())
}

/// An answer that cannot be read: it says nothing, least of all that something is not there.
pub(super) fn unreadable(operation: &str, object: &str, error: serde_json::Error) -> Error {
    Error::new(
        ErrorKind::Unavailable,
        format!("{operation} of {object} was answered with something that cannot be read; it is tried again"),
    )
    .with_source(error)
}
