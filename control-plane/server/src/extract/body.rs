//! JSON bodies: size, content type, syntax, then the same strictness as for documents.

use std::{fmt::Display, time::Duration};

use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use futures_util::StreamExt as _;
use gatehouse_control_plane_api::problem::{FieldError, ProblemKind};
use gatehouse_schemas::parse;
use http::{HeaderMap, header};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::failure::{Answer, Failure};

/// The largest body the Admin API reads, in bytes.
const BODY_LIMIT: usize = 32 * 1024 * 1024;

/// The largest body read of somebody who has not said yet who they are, in bytes.
pub(crate) const STRANGER_BODY_LIMIT: usize = 16 * 1024;

/// From this size on, a body is parsed where it keeps nobody waiting.
const LARGE: usize = 256 * 1024;

/// How much of a body that is too large is read and thrown away, so that the client reads the answer
/// instead of a broken connection.
const DRAIN_LIMIT: usize = 96 * 1024 * 1024;
const DRAIN_TIME: Duration = Duration::from_secs(10);

/// A JSON body of type `T`, of at most `LIMIT` bytes.
#[derive(Debug)]
pub(crate) struct Body<T, const LIMIT: usize = BODY_LIMIT>(pub(crate) T);

impl<S, T, const LIMIT: usize> FromRequest<S> for Body<T, LIMIT>
where
    S: Send + Sync,
    T: DeserializeOwned + Send + 'static,
{
    type Rejection = Failure;

    async fn from_request(request: Request, _: &S) -> Answer<Self> {
        is_json(request.headers())?;
        let bytes = read_bytes(request, LIMIT).await?;
        if bytes.len() < LARGE {
            return parse(&bytes);
        }
        // Others must not wait while a definition of 10 MB is read.
        tokio::task::spawn_blocking(move || parse(&bytes))
            .await
            .map_err(Failure::internal)?
    }
}

fn parse<T: DeserializeOwned, const LIMIT: usize>(bytes: &[u8]) -> Answer<Body<T, LIMIT>> {
    let value: Value = serde_json::from_slice(bytes).map_err(syntax_failure)?;
    let read = parse::spec::<T>(&value, "");
    read.map(Body)
        .map_err(|issues| Failure::invalid(field_errors(issues, None)))
}

/// What the pure parser found, as the problem tells it.
pub(crate) fn field_errors(issues: Vec<parse::Issue>, document: Option<usize>) -> Vec<FieldError> {
    let one = |issue: parse::Issue| FieldError {
        document,
        pointer: issue.pointer,
        detail: issue.detail,
    };
    issues.into_iter().map(one).collect()
}

fn syntax_failure(error: serde_json::Error) -> Failure {
    Failure::new(
        ProblemKind::MalformedRequest,
        format!("the body is not JSON: {error}"),
    )
}

fn is_json(headers: &HeaderMap) -> Answer<()> {
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let essence = content_type.map(|value| value.split(';').next().unwrap_or_default().trim());
    match essence {
        Some(essence) if essence.eq_ignore_ascii_case("application/json") => Ok(()),
        Some(other) => Err(unsupported(format_args!("`{other}`"))),
        None => Err(unsupported("missing")),
    }
}

fn unsupported(found: impl Display) -> Failure {
    Failure::new(
        ProblemKind::UnsupportedMediaType,
        format!("the content type is {found}; send `content-type: application/json`"),
    )
}

/// The whole body, if it is not larger than `limit` bytes.
async fn read_bytes(request: Request, limit: usize) -> Answer<Bytes> {
    let announced = announced_length(request.headers());
    let mut stream = request.into_body().into_data_stream();
    let mut body = Vec::with_capacity(announced.unwrap_or(0).min(limit));
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(broken_off)?;
        if body.len() + chunk.len() > limit {
            let read = body.len() + chunk.len();
            drop(body);
            drain(stream, read).await;
            return Err(too_large(limit));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.into())
}

fn announced_length(headers: &HeaderMap) -> Option<usize> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

async fn drain(mut stream: axum::body::BodyDataStream, already: usize) {
    let rest = async {
        let mut read = already;
        while let Some(Ok(chunk)) = stream.next().await {
            read += chunk.len();
            if read > DRAIN_LIMIT {
                break;
            }
        }
    };
    // Whether or not all of it came: the answer is the same.
    let _ = tokio::time::timeout(DRAIN_TIME, rest).await;
}

fn too_large(limit: usize) -> Failure {
    Failure::new(
        ProblemKind::TooLarge,
        format!(
            "the body is larger than the limit of {} MiB",
            limit / (1024 * 1024)
        ),
    )
}

fn broken_off(error: axum::Error) -> Failure {
    Failure::new(
        ProblemKind::MalformedRequest,
        "the body broke off before its end; send the request again",
    )
    .caused_by(error)
}
