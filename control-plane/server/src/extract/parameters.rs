//! Path and query parameters, with refusals as problems.

use axum::extract::{FromRequestParts, path::ErrorKind, rejection::PathRejection};
use gatehouse_control_plane_api::problem::ProblemKind;
use http::request::Parts;
use serde::de::DeserializeOwned;

use crate::failure::{Answer, Failure};

/// Parameters of the path.
#[derive(Debug)]
pub(crate) struct Path<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Answer<Self> {
        match axum::extract::Path::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(value)) => Ok(Self(value)),
            Err(rejection) => Err(path_failure(&rejection)),
        }
    }
}

fn path_failure(rejection: &PathRejection) -> Failure {
    let detail = match rejection {
        PathRejection::FailedToDeserializePathParams(inner) => match inner.kind() {
            ErrorKind::Message(message) | ErrorKind::DeserializeError { message, .. } => message.clone(),
            other => other.to_string(),
        },
        other => other.to_string(),
    };
    Failure::new(
        ProblemKind::MalformedRequest,
        format!("a parameter in the path is not valid: {detail}"),
    )
}

/// Parameters of the query.
#[derive(Debug)]
pub(crate) struct Query<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Answer<Self> {
        match axum::extract::Query::from_request_parts(parts, state).await {
            Ok(axum::extract::Query(value)) => Ok(Self(value)),
            Err(rejection) => Err(Failure::new(
                ProblemKind::MalformedRequest,
                format!("the query is not valid: {}", rejection.body_text()),
            )),
        }
    }
}
