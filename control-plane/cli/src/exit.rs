//! Exit codes: how a script learns what happened. Documented, stable, each with a test.

use std::process::ExitCode;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It did what it says.
    Ok,
    /// It failed, for a reason that has no code of its own.
    Error,
    /// There are differences (`diff` only).
    Different,
    /// What was given to it is not valid.
    Invalid,
    /// The state of the control plane does not allow it.
    Conflict,
    /// The credential is missing, unknown, or may not do this.
    Unauthorised,
    /// There is no such object.
    NotFound,
    /// What was waited for did not come in time.
    TimedOut,
    /// The command line itself is wrong.
    Usage,
}

impl Exit {
    /// The number of the exit code.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Error => 1,
            Self::Different => 2,
            Self::Invalid => 3,
            Self::Conflict => 4,
            Self::Unauthorised => 5,
            Self::NotFound => 6,
            Self::TimedOut => 7,
            Self::Usage => 64,
        }
    }

    /// What an HTTP status of the Admin API means for a command.
    pub(crate) fn of_status(status: u16) -> Self {
        match status {
            400 | 413 | 415 | 422 => Self::Invalid,
            401 | 403 => Self::Unauthorised,
            404 | 410 => Self::NotFound,
            409 | 412 => Self::Conflict,
            _ => Self::Error,
        }
    }

    /// One word for programs: the last part of the problem type of errors found by the command itself.
    pub(crate) fn slug(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Error => "command-failed",
            Self::Different => "different",
            Self::Invalid => "invalid",
            Self::Conflict => "conflict",
            Self::Unauthorised => "unauthenticated",
            Self::NotFound => "not-found",
            Self::TimedOut => "timed-out",
            Self::Usage => "usage",
        }
    }

    /// The slug as words for people.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Ok => "Done",
            Self::Error => "The command failed",
            Self::Different => "There are differences",
            Self::Invalid => "The input is not valid",
            Self::Conflict => "The state does not allow this",
            Self::Unauthorised => "No valid credential",
            Self::NotFound => "No such object",
            Self::TimedOut => "It did not happen in time",
            Self::Usage => "The command line is wrong",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_its_exit_code() {
        for (status, code) in [
            (400, 3),
            (401, 5),
            (403, 5),
            (404, 6),
            (405, 1),
            (409, 4),
            (410, 6),
            (412, 4),
            (413, 3),
            (415, 3),
            (422, 3),
            (500, 1),
            (503, 1),
        ] {
            assert_eq!(Exit::of_status(status).code(), code, "{status}");
        }
    }
}
