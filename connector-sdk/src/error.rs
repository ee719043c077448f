//! What can go wrong on a gateway: a kind, a verdict on retrying, and a message that helps.
//!
//! A connector has one function that turns its gateway's answers into these errors:
//!
//! ```
//! use std::time::Duration;
//!
//! use gatehouse_connector_sdk::error::{Error, ErrorKind, Retry};
//!
//! /// What an answer of Acme's admin API means for a request about `object`.
//! fn refused(status: u16, retry_after_s: Option<u64>, object: &str) -> Error {
//!     let kind = match status {
//!         401 => ErrorKind::Unauthorized,
//!         403 => ErrorKind::Forbidden,
//!         404 => ErrorKind::NotFound,
//!         409 | 412 => ErrorKind::Conflict,
//!         400 | 422 => ErrorKind::Invalid,
//!         429 => ErrorKind::RateLimited,
//!         500..=599 => ErrorKind::Unavailable,
//!         _ => ErrorKind::Unexpected,
//!     };
//!     let error = Error::new(kind, format!("Acme answered {status} for {object}"));
//!     match retry_after_s {
//!         Some(seconds) => error.with_retry(Retry::After(Duration::from_secs(seconds))),
//!         None => error,
//!     }
//! }
//!
//! let error = refused(429, Some(2), "route `orders`");
//! assert_eq!(error.kind(), ErrorKind::RateLimited);
//! assert_eq!(error.retry(), Retry::After(Duration::from_secs(2)));
//! assert_eq!(refused(404, None, "route `orders`").retry(), Retry::Never);
//! ```

use std::{error::Error as StdError, fmt, time::Duration};

/// The result of a connector's operation.
///
/// ```
/// use gatehouse_connector_sdk::error::{Error, ErrorKind, Result};
///
/// fn version_of(answer: &str) -> Result<&str> {
///     let version = answer.strip_prefix("acme/");
///     version.ok_or_else(|| Error::new(ErrorKind::Unexpected, format!("`{answer}` is not Acme's version")))
/// }
///
/// assert_eq!(version_of("acme/3.1").unwrap(), "3.1");
/// assert_eq!(version_of("nginx").unwrap_err().kind(), ErrorKind::Unexpected);
/// ```
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong.
///
/// Whether trying again can help is said by [`Retry`], for which each kind has a usual verdict: see [`Error::new`].
///
/// ```
/// use gatehouse_connector_sdk::error::ErrorKind;
///
/// assert_eq!(ErrorKind::RateLimited.as_str(), "RateLimited");
/// assert_eq!(ErrorKind::ALL.len(), 9);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The gateway has no such object.
    NotFound,
    /// Something that is not ours is in the way, or somebody else changed it meanwhile.
    Conflict,
    /// The gateway refuses what was asked for.
    Invalid,
    /// The credential is missing or not known.
    Unauthorized,
    /// The credential is known and may not do this.
    Forbidden,
    /// The gateway asks to slow down.
    RateLimited,
    /// The gateway cannot be reached or is not able to answer now.
    Unavailable,
    /// The connector or the gateway cannot do this at all.
    Unsupported,
    /// Anything else: an answer that was not foreseen.
    Unexpected,
}

impl ErrorKind {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::NotFound,
        Self::Conflict,
        Self::Invalid,
        Self::Unauthorized,
        Self::Forbidden,
        Self::RateLimited,
        Self::Unavailable,
        Self::Unsupported,
        Self::Unexpected,
    ];

    /// The kind as one word in PascalCase, as conditions carry it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "NotFound",
            Self::Conflict => "Conflict",
            Self::Invalid => "Invalid",
            Self::Unauthorized => "Unauthorized",
            Self::Forbidden => "Forbidden",
            Self::RateLimited => "RateLimited",
            Self::Unavailable => "Unavailable",
            Self::Unsupported => "Unsupported",
            Self::Unexpected => "Unexpected",
        }
    }
}

/// Whether trying again can help.
///
/// ```
/// use std::time::Duration;
///
/// use gatehouse_connector_sdk::error::{Error, ErrorKind, Retry};
///
/// // Usual for its kind, and as the gateway's `Retry-After: 30` says.
/// let error = Error::new(ErrorKind::Unavailable, "Acme is in maintenance; wait until it ends");
/// assert_eq!(error.retry(), Retry::Backoff);
/// let error = error.with_retry(Retry::After(Duration::from_secs(30)));
/// assert_eq!(error.retry(), Retry::After(Duration::from_secs(30)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// No: something must change first.
    Never,
    /// Yes, with growing pauses: the runtime's, from 200 ms to 5 s for looks, from 1 s to 60 s between deploys.
    Backoff,
    /// Yes, after this time, as the gateway said. A look is not repeated if it is longer than
    /// [`RetryPolicy::longest_wait`](crate::layers::RetryPolicy::longest_wait).
    After(Duration),
}

/// An error of a connector's operation.
///
/// ```
/// use gatehouse_connector_sdk::error::{Error, ErrorKind, Retry, chain};
///
/// let cause = "port".parse::<u16>().unwrap_err();
/// let error = Error::new(ErrorKind::Invalid, "`port` is no port number; correct the setting `adminUrl`")
///     .with_source(cause)
///     .with_retry(Retry::Never);
///
/// assert_eq!(error.kind(), ErrorKind::Invalid);
/// assert_eq!(error.retry(), Retry::Never);
/// assert_eq!(error.message(), "`port` is no port number; correct the setting `adminUrl`");
/// assert!(chain(&error).ends_with("invalid digit found in string"));
/// ```
pub struct Error {
    kind: ErrorKind,
    retry: Retry,
    message: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error with the retry verdict that is usual for its kind: backoff for `RateLimited` and
    /// `Unavailable`, never for the rest. The message names the object and what to do.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        let retry = match kind {
            ErrorKind::RateLimited | ErrorKind::Unavailable => Retry::Backoff,
            _ => Retry::Never,
        };
        Self {
            kind,
            retry,
            message: message.into(),
            source: None,
        }
    }

    /// With another verdict on retrying.
    #[must_use]
    pub fn with_retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// With its cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Whether trying again can help.
    pub fn retry(&self) -> Retry {
        self.retry
    }

    /// The sentence for people, without its causes.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?} ({:?}): {}", self.kind, self.retry, chain(self))
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source
            .as_deref()
            .map(|source| source as &(dyn StdError + 'static))
    }
}

/// An error and all its causes on one line.
///
/// ```
/// use gatehouse_connector_sdk::error::{Error, ErrorKind, chain};
///
/// let refused = std::io::Error::other("connection refused");
/// let error = Error::new(ErrorKind::Unavailable, "Acme at `http://acme:8001` cannot be reached").with_source(refused);
/// assert_eq!(chain(&error), "Acme at `http://acme:8001` cannot be reached: connection refused");
/// ```
pub fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(current) = cause {
        text.push_str(": ");
        text.push_str(&current.to_string());
        cause = current.source();
    }
    text
}
