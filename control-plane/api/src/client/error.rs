//! Why a call failed: the control plane could not be reached, said no, or was not understood.

use reqwest::Url;

use crate::problem::Problem;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The address is not one of an HTTP server.
    #[error(
        "`{server}` is not a control plane's address: {reason}; write for example `http://127.0.0.1:9090`"
    )]
    InvalidServer {
        /// The address as given.
        server: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The client could not be set up on this machine.
    #[error("failed to set up the HTTP client")]
    Setup {
        /// The cause.
        #[source]
        source: reqwest::Error,
    },
    /// The request could not be written as JSON.
    #[error("failed to write the request")]
    Encode {
        /// The cause.
        #[source]
        source: serde_json::Error,
    },
    /// Nobody answers there.
    #[error(
        "no control plane answers at {server}; start one with `gatehouse dev` or `gatehouse serve`, \
         or choose another with `--server`, `--context` or `gatehouse context use`"
    )]
    Unreachable {
        /// The control plane's address.
        server: String,
        /// The cause.
        #[source]
        source: reqwest::Error,
    },
    /// The answer took too long.
    #[error("the control plane at {server} did not answer in time; look at its log, then try again")]
    TimedOut {
        /// The control plane's address.
        server: String,
        /// The cause.
        #[source]
        source: reqwest::Error,
    },
    /// The connection broke.
    #[error("the connection to the control plane at {server} broke; try again")]
    Broken {
        /// The control plane's address.
        server: String,
        /// The cause.
        #[source]
        source: reqwest::Error,
    },
    /// The control plane said no.
    #[error("{}", .0.detail)]
    Problem(Box<Problem>),
    /// Something answered, but not as a control plane does.
    #[error("{url} answered {status}, and not as a control plane does; is the address right?")]
    NotAControlPlane {
        /// What was asked.
        url: String,
        /// What was answered.
        status: u16,
    },
    /// The answer is not of the expected shape.
    #[error("the answer of {url} was not understood; are client and control plane of the same version?")]
    Decode {
        /// What was asked.
        url: String,
        /// The cause.
        #[source]
        source: serde_json::Error,
    },
}

impl ClientError {
    /// The HTTP status of the answer, where there was one.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Problem(problem) => Some(problem.status),
            Self::NotAControlPlane { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// The problem the control plane answered with, if it did.
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Problem(problem) => Some(problem),
            _ => None,
        }
    }

    /// Whether the control plane answered that there is no such object.
    pub fn is_not_found(&self) -> bool {
        self.problem().is_some_and(|problem| problem.status == 404)
    }

    pub(super) fn transport(server: &Url, source: reqwest::Error) -> Self {
        let server = server.as_str().trim_end_matches('/').to_owned();
        // The server is in our message; the cause need not repeat the whole address.
        let source = source.without_url();
        if source.is_connect() {
            Self::Unreachable { server, source }
        } else if source.is_timeout() {
            Self::TimedOut { server, source }
        } else {
            Self::Broken { server, source }
        }
    }

    pub(super) fn answer(url: &Url, status: u16, body: &[u8]) -> Self {
        match serde_json::from_slice::<Problem>(body) {
            Ok(problem) => problem.into(),
            Err(_) => Self::NotAControlPlane {
                url: url.to_string(),
                status,
            },
        }
    }
}

impl From<Problem> for ClientError {
    fn from(problem: Problem) -> Self {
        Self::Problem(Box::new(problem))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::ProblemKind;

    fn url() -> Url {
        "http://127.0.0.1:9090/api/v1/apis".parse().unwrap()
    }

    #[test]
    fn a_problem_keeps_its_detail_and_status() {
        let body = serde_json::to_vec(&ProblemKind::NotFound.problem("there is no API `orders`")).unwrap();
        let error = ClientError::answer(&url(), 404, &body);
        assert!(error.is_not_found());
        assert_eq!(error.to_string(), "there is no API `orders`");
    }

    #[test]
    fn an_answer_that_is_no_problem_asks_whether_the_address_is_right() {
        let error = ClientError::answer(&url(), 404, b"<html>");
        assert_eq!(error.status(), Some(404));
        assert!(!error.is_not_found());
        assert!(error.to_string().contains("is the address right?"));
    }
}
