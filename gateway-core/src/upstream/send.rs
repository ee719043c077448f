//! Sending one request to an upstream over a kept or new connection.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use http::{HeaderMap, Method, Request, Response, Uri, header};
use hyper::body::{Body as _, Incoming};
use tokio::time::timeout;
use tracing::debug;

use super::{
    Endpoint, Protocol, Upstream, agree, connect,
    line::{Line, Received},
    multiplexed::{self, Multiplexed, Sent, Stream},
    pool::Pool,
};
use crate::proxy::body::RequestBody;

/// A response head and the connection its body is still coming from.
pub(crate) struct Answer {
    pub(crate) response: Response<Received>,
    /// The request's place on a connection that others use, too.
    pub(crate) stream: Option<Stream>,
    /// Whether the request's body may still be on its way.
    pub(crate) may_upload: bool,
}

/// Why there is no response.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    #[error("connecting took too long")]
    ConnectTimeout,
    #[error("cannot connect")]
    Connect(#[source] std::io::Error),
    #[error("the upstream does not speak HTTP/2; set its `protocol` to `http1`, or over TLS to `auto`")]
    NotHttp2,
    #[error("cannot use the connection")]
    Handshake(#[source] hyper::Error),
    #[error("no response in time")]
    Timeout,
    #[error("the connection broke before a response came")]
    Broken(#[source] hyper::Error),
    #[error("the upstream did not take the request")]
    Unprocessed(#[source] hyper::Error),
}

impl SendError {
    /// Whether the request's own body was to blame, which says nothing of the upstream.
    pub(crate) fn is_ours(&self) -> bool {
        matches!(self, Self::Broken(error) if error.is_user())
    }
}

/// Sends a request and waits for the head of the response, so long at most.
///
/// `now` is the moment, or shortly before. A kept connection may turn out to be closed already. Then the request is sent once more on another
/// one, if hyper hands it back untouched or if it is safe to repeat and has no body.
pub(crate) async fn send(
    pool: &Pool,
    upstream: &Upstream,
    endpoint: &Arc<Endpoint>,
    now: Instant,
    limit: Duration,
    mut request: Request<RequestBody>,
) -> Result<Answer, SendError> {
    let may_upload = !request.body().is_end_stream();
    let both_ways = may_upload || request.headers().contains_key(header::UPGRADE);
    let answer = |response: Response<Incoming>, line| Answer {
        response: response.map(|incoming| Received::over(line, incoming)),
        stream: None,
        may_upload,
    };
    // What was agreed on may be over when a kept connection is; then it is settled anew, once.
    for _ in 0..2 {
        if is_multiplexed(pool, upstream, endpoint, now, &request).await? {
            match Multiplexed::send(pool, upstream, endpoint, limit, request).await? {
                Sent::Answered(response, stream) => {
                    return Ok(Answer {
                        response: response.map(Received::shared),
                        stream: Some(stream),
                        may_upload,
                    });
                }
                Sent::Not(again) => request = *again,
            }
        }
        let Some(mut line) = kept(pool, endpoint, now).await else {
            break;
        };
        if both_ways {
            line.in_background();
        }
        let spare = Spare::of(&request);
        match exchange(&mut line, limit, request).await {
            Ok(response) => return Ok(answer(response, line)),
            Err(Failed::Timeout) => return Err(SendError::Timeout),
            Err(Failed::Broken(error, returned)) => {
                let again = returned
                    .map(|request| *request)
                    .or_else(|| spare.map(Spare::into_request));
                request = again.ok_or(SendError::Broken(error))?;
                debug!("A kept connection was closed; sending the request once more");
            }
        }
        if upstream.protocol != Protocol::Auto {
            break;
        }
    }
    let mut line = open(upstream, endpoint).await?;
    if both_ways {
        line.in_background();
    }
    match exchange(&mut line, limit, request).await {
        Ok(response) => Ok(answer(response, line)),
        Err(Failed::Timeout) => Err(SendError::Timeout),
        Err(Failed::Broken(error, _)) => Err(SendError::Broken(error)),
    }
}

/// Whether a request goes over HTTP/2. One for a WebSocket does if it can be asked for there; whether the upstream takes
/// it is seen then.
async fn is_multiplexed(
    pool: &Pool,
    upstream: &Upstream,
    endpoint: &Endpoint,
    now: Instant,
    request: &Request<RequestBody>,
) -> Result<bool, SendError> {
    if upstream.protocol == Protocol::Http1 || !multiplexed::can_carry(request) {
        return Ok(false);
    }
    // Apart, so that other requests do not carry its state around.
    Ok(upstream.protocol == Protocol::Http2
        || Box::pin(agree::on_http2(pool, upstream, endpoint, now)).await?)
}

async fn kept(pool: &Pool, endpoint: &Endpoint, now: Instant) -> Option<Line> {
    loop {
        let mut line = pool.take(endpoint.id, now)?;
        // Its task may not have run since the last answer ended; that takes a moment, not a round trip.
        if line.is_ready() || line.ready().await.is_ok() {
            return Some(line);
        }
    }
}

async fn open(upstream: &Upstream, endpoint: &Endpoint) -> Result<Line, SendError> {
    let connecting = connect::connect(endpoint);
    let stream = timeout(upstream.connect_timeout, connecting)
        .await
        .map_err(|_| SendError::ConnectTimeout)?
        .map_err(SendError::Connect)?;
    Line::over(stream).await.map_err(SendError::Handshake)
}

enum Failed {
    Timeout,
    Broken(hyper::Error, Option<Box<Request<RequestBody>>>),
}

async fn exchange(
    line: &mut Line,
    limit: Duration,
    request: Request<RequestBody>,
) -> Result<Response<Incoming>, Failed> {
    match timeout(limit, line.send(request)).await {
        Ok(Ok(response)) => Ok(response),
        Ok(Err(mut error)) => {
            let returned = error.take_message().map(Box::new);
            Err(Failed::Broken(error.into_error(), returned))
        }
        Err(_) => Err(Failed::Timeout),
    }
}

/// The head of a request that may be sent again: no body, and repeating it changes nothing.
struct Spare {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
}

impl Spare {
    fn of(request: &Request<RequestBody>) -> Option<Self> {
        let repeatable = request.method().is_idempotent() && request.body().is_end_stream();
        repeatable.then(|| Self {
            method: request.method().clone(),
            uri: request.uri().clone(),
            headers: request.headers().clone(),
        })
    }

    fn into_request(self) -> Request<RequestBody> {
        let mut request = Request::new(RequestBody::Empty);
        *request.method_mut() = self.method;
        *request.uri_mut() = self.uri;
        *request.headers_mut() = self.headers;
        request
    }
}
