//! Failures of a request, and how they become problem responses (RFC 9457).
//!
//! A handler returns `Result<_, Failure>`. What a client may know is in the [`Problem`]; the cause stays in
//! the log, under the same request id.

use std::error::Error;

use axum::response::{IntoResponse, Response};
use gatehouse_control_plane_api::problem::{FieldError, Problem, ProblemKind};
use gatehouse_control_plane_store::StoreError;
use http::{HeaderValue, StatusCode, header};
use tracing::error;

/// The result of a handler.
pub(crate) type Answer<T> = Result<T, Failure>;

/// Why a request fails.
#[derive(Debug)]
pub(crate) struct Failure {
    kind: ProblemKind,
    problem: Box<Problem>,
    cause: Option<Box<dyn Error + Send + Sync>>,
}

impl Failure {
    /// A failure of this kind; `detail` says what happened, to which object, what to do next.
    pub(crate) fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            problem: Box::new(kind.problem(detail)),
            cause: None,
        }
    }

    /// There is no such object.
    pub(crate) fn not_found(what: &str, name: impl std::fmt::Display) -> Self {
        Self::new(ProblemKind::NotFound, format!("there is no {what} `{name}`"))
    }

    /// Our fault; the cause is logged and not shown.
    pub(crate) fn internal(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(
            ProblemKind::Internal,
            "the request failed on our side; the server's log has the details under this request id",
        )
        .caused_by(cause)
    }

    /// The request breaks rules at these places.
    pub(crate) fn invalid(errors: Vec<FieldError>) -> Self {
        let detail = match errors.as_slice() {
            [one] if one.pointer.is_empty() => one.detail.clone(),
            [one] => format!("{}: {}", one.pointer, one.detail),
            many => format!(
                "{} places in the request are wrong; `errors` lists them",
                many.len()
            ),
        };
        Self::new(ProblemKind::Invalid, detail).with_errors(errors)
    }

    /// With the places that are wrong.
    pub(crate) fn with_errors(mut self, errors: Vec<FieldError>) -> Self {
        self.problem.errors = errors;
        self
    }

    /// With the cause, for the log only.
    pub(crate) fn caused_by(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// The kind of problem.
    #[cfg(test)]
    pub(crate) fn kind(&self) -> ProblemKind {
        self.kind
    }

    /// What the client is told.
    pub(crate) fn problem(&self) -> &Problem {
        &self.problem
    }

    /// What happened inside.
    pub(crate) fn cause(&self) -> Option<&(dyn Error + Send + Sync)> {
        self.cause.as_deref()
    }

    fn log(&self) {
        if self.problem.status >= 500 {
            let cause = self.cause.as_deref().map(chain);
            error!(
                problem.r#type = %self.problem.r#type,
                error = cause.as_deref().unwrap_or("no cause given"),
                "A request failed: {}", self.problem.title
            );
        }
    }
}

/// What the store could not do, as the client is told.
impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let kind = match &error {
            StoreError::AlreadyExists { .. } => ProblemKind::AlreadyExists,
            StoreError::NotFound { .. } => ProblemKind::NotFound,
            StoreError::VersionConflict { .. } => ProblemKind::PreconditionFailed,
            StoreError::InUse { .. } => ProblemKind::InUse,
            StoreError::BadCursor => ProblemKind::MalformedRequest,
            StoreError::PositionTooOld { .. } => ProblemKind::PositionTooOld,
            StoreError::Unavailable(_) => ProblemKind::Unavailable,
            _ => return Self::internal(error),
        };
        Self::new(kind, error.to_string()).caused_by(error)
    }
}

/// An error and its causes, in one line.
pub(crate) fn chain(error: &(dyn Error + Send + Sync)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

impl IntoResponse for Failure {
    /// An empty response that carries the problem; [`crate::request::observe`] writes it out with the
    /// request's id.
    fn into_response(self) -> Response {
        self.log();
        let mut response = Response::default();
        *response.status_mut() =
            StatusCode::from_u16(self.problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        if self.kind == ProblemKind::Unauthenticated {
            let challenge = HeaderValue::from_static("Bearer realm=\"gatehouse\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response.extensions_mut().insert(self.problem);
        response
    }
}
