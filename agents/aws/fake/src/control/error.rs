//! The errors of the control plane, in AWS's own words.

use std::time::Duration;

use serde_json::json;

use super::{Answer, ControlRequest};

/// Why a call is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AwsError {
    pub(crate) status: u16,
    pub(crate) kind: &'static str,
    pub(crate) message: String,
    retry_after: Option<Duration>,
}

impl AwsError {
    fn new(status: u16, kind: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            kind,
            message: message.into(),
            retry_after: None,
        }
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequestException", message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(404, "NotFoundException", message)
    }

    pub(crate) fn conflict(message: impl Into<String>) -> Self {
        Self::new(409, "ConflictException", message)
    }

    pub(crate) fn limit_exceeded(message: impl Into<String>) -> Self {
        Self::new(429, "LimitExceededException", message)
    }

    pub(crate) fn forbidden(kind: &'static str, message: impl Into<String>) -> Self {
        Self::new(403, kind, message)
    }

    pub(crate) fn too_many_requests(retry_after: Option<Duration>) -> Self {
        Self {
            retry_after,
            ..Self::new(429, "TooManyRequestsException", "Too Many Requests")
        }
    }

    /// One thing more than there may be, in version 2.
    pub(crate) fn too_many(message: impl Into<String>) -> Self {
        Self::new(429, "TooManyRequestsException", message)
    }

    /// A body that is no JSON object.
    pub(crate) fn serialization() -> Self {
        Self::new(400, "SerializationException", "Unable to parse the request body")
    }

    /// An API that is not there.
    pub(crate) fn no_api(account: &str, id: &str) -> Self {
        Self::not_found(format!("Invalid API identifier specified {account}:{id}"))
    }

    /// A call that is no operation, or one that this fake does not have.
    pub(crate) fn unknown_operation(request: &ControlRequest) -> Self {
        let message = format!(
            "the fake of API Gateway has no {} {}",
            request.method,
            request.path()
        );
        Self::new(404, "UnknownOperationException", message)
    }
}

impl From<AwsError> for Answer {
    fn from(error: AwsError) -> Self {
        let answer = Self::json(error.status, &json!({ "message": error.message }));
        let answer = answer.with("x-amzn-errortype", error.kind);
        match error.retry_after {
            Some(wait) => answer.with("retry-after", &wait.as_secs_f64().ceil().to_string()),
            None => answer,
        }
    }
}
