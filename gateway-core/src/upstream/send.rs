//! Sending one request to an upstream over a kept or new connection.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use http::{HeaderMap, Method, Request, Response, Uri, header};
use hyper::{body::Body as _, client::conn::http1::SendRequest};
use tokio::time::timeout;
use tracing::debug;

use super::{
    Endpoint, Protocol, Upstream, agree, connect,
    http1::connection::{Connection, Stage},
    line::{Broken, Line, Received},
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
    Broken(#[source] Broken),
    #[error("the upstream did not take the request")]
    Unprocessed(#[source] hyper::Error),
}

impl Answer {
    /// Over a connection that nobody else uses.
    fn alone(response: Response<Received>, may_upload: bool) -> Self {
        Self {
            response,
            stream: None,
            may_upload,
        }
    }
}

impl SendError {
    /// Whether the request's own body was to blame, which says nothing of the upstream.
    pub(crate) fn is_ours(&self) -> bool {
        matches!(self, Self::Broken(error) if error.is_of_request())
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
    // What was agreed on may be over when a kept connection is; then it is settled anew, once.
    for _ in 0..2 {
        if is_multiplexed(pool, upstream, endpoint, now, &request).await? {
            match Multiplexed::send(pool, upstream, endpoint, limit, request).await? {
                Sent::Answered(response, stream) => {
                    let received = |incoming| Received::ByTask {
                        incoming,
                        sender: None,
                    };
                    return Ok(Answer {
                        response: response.map(received),
                        stream: Some(stream),
                        may_upload,
                    });
                }
                Sent::Not(again) => request = *again,
            }
        }
        let Some(line) = kept(pool, endpoint, now).await else {
            break;
        };
        match exchange(line, limit, request).await {
            Ok(response) => return Ok(Answer::alone(response, may_upload)),
            Err(Failed {
                again: Some(again), ..
            }) => {
                debug!("A kept connection was closed; sending the request once more");
                request = *again;
            }
            Err(Failed { error, .. }) => return Err(error),
        }
        if upstream.protocol != Protocol::Auto {
            break;
        }
    }
    let line = open(upstream, endpoint).await?;
    let answered = exchange(line, limit, request).await;
    answered
        .map(|response| Answer::alone(response, may_upload))
        .map_err(|failed| failed.error)
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
    Ok(Line::over(stream))
}

/// Why there is no answer, and the request, if it may be sent again on another connection.
struct Failed {
    error: SendError,
    again: Option<Box<Request<RequestBody>>>,
}

impl From<SendError> for Failed {
    fn from(error: SendError) -> Self {
        Self { error, again: None }
    }
}

async fn exchange(
    line: Line,
    limit: Duration,
    request: Request<RequestBody>,
) -> Result<Response<Received>, Failed> {
    match line {
        Line::ByUser(connection) if !goes_both_ways(&request) => by_turns(connection, limit, request).await,
        // Apart, so that other requests do not carry its state around.
        line => {
            Box::pin(async move {
                let sender = line.both_ways().await.map_err(SendError::Handshake)?;
                both_ways(sender, limit, request).await
            })
            .await
        }
    }
}

/// Whether a request may go on while its answer comes.
fn goes_both_ways(request: &Request<RequestBody>) -> bool {
    !request.body().is_end_stream() || request.headers().contains_key(header::UPGRADE)
}

async fn by_turns(
    connection: Connection,
    limit: Duration,
    request: Request<RequestBody>,
) -> Result<Response<Received>, Failed> {
    let failed = match timeout(limit, connection.send(&request)).await {
        Ok(Ok(response)) => return Ok(response.map(Received::ByUser)),
        Ok(Err(failed)) => failed,
        Err(_) => return Err(SendError::Timeout.into()),
    };
    let may_repeat = match failed.stage {
        Stage::Unsent => true,
        Stage::Unanswered => request.method().is_idempotent(),
        Stage::Answered => false,
    };
    Err(Failed {
        error: SendError::Broken(failed.fault.into()),
        again: may_repeat.then(|| Box::new(request)),
    })
}

async fn both_ways(
    mut sender: SendRequest<RequestBody>,
    limit: Duration,
    request: Request<RequestBody>,
) -> Result<Response<Received>, Failed> {
    let spare = Spare::of(&request);
    match timeout(limit, sender.try_send_request(request)).await {
        Ok(Ok(response)) => Ok(response.map(|incoming| Received::ByTask {
            incoming,
            sender: Some(sender),
        })),
        Ok(Err(mut error)) => {
            let again = error.take_message().or_else(|| spare.map(Spare::into_request));
            Err(Failed {
                error: SendError::Broken(error.into_error().into()),
                again: again.map(Box::new),
            })
        }
        Err(_) => Err(SendError::Timeout.into()),
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
