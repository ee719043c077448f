//! What can go wrong on a gateway: a kind, a verdict on retrying, and a message that helps.

use std::{error::Error as StdError, fmt, time::Duration};

/// The result of a connector's operation.
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong.
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// No: something must change first.
    Never,
    /// Yes, with growing pauses.
    Backoff,
    /// Yes, after this time.
    After(Duration),
}

/// An error of a connector's operation.
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
