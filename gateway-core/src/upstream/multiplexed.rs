//! HTTP/2 towards upstreams: requests share connections, each in a stream of its own.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    error::Error as _,
    rc::Rc,
    time::{Duration, Instant},
};

use http::{Request, Response, Uri, Version, header, uri::Scheme};
use hyper::{
    body::Incoming,
    client::conn::http2::{self, SendRequest},
    rt::Executor,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    sync::{Mutex, MutexGuard},
    time::timeout,
};
use tracing::debug;

use super::{Endpoint, Upstream, connect, send::SendError};
use crate::proxy::body::RequestBody;

/// The most requests that share a connection; the next one opens another. Most servers allow no more by default.
const STREAMS: usize = 100;

/// How often an upstream is asked whether it is still there while requests wait for it.
const PING_EVERY: Duration = Duration::from_secs(30);

/// How often a request is sent that upstreams say they have not looked at.
const SENDINGS: usize = 3;

/// The connections of one worker that speak HTTP/2, by the endpoint they lead to.
#[derive(Debug, Default)]
pub(crate) struct Multiplexed {
    endpoints: RefCell<HashMap<u64, Rc<Shared>>>,
}

/// The connections to one endpoint.
#[derive(Debug, Default)]
pub(super) struct Shared {
    connections: RefCell<Vec<Connection>>,
    /// Held by the one who opens a connection, which the others then share.
    opening: Mutex<()>,
}

#[derive(Debug)]
struct Connection {
    sender: SendRequest<RequestBody>,
    streams: Rc<Cell<usize>>,
    /// Until when it is kept if nobody uses it.
    until: Cell<Instant>,
}

/// One request's place on a connection; it is free again when this goes.
#[derive(Debug)]
pub(crate) struct Stream(Rc<Cell<usize>>);

impl Stream {
    fn on(connection: &Connection) -> Self {
        connection.streams.update(|streams| streams + 1);
        Self(Rc::clone(&connection.streams))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.0.update(|streams| streams.saturating_sub(1));
    }
}

impl Shared {
    /// A place on a connection that is open and has one.
    fn place(&self, until: Instant) -> Option<(SendRequest<RequestBody>, Stream)> {
        let mut connections = self.connections.borrow_mut();
        connections.retain(|connection| !connection.sender.is_closed());
        let free = connections
            .iter()
            .find(|connection| connection.streams.get() < STREAMS)?;
        free.until.set(until);
        Some((free.sender.clone(), Stream::on(free)))
    }

    /// Adds a connection, and takes a place on it.
    pub(super) fn add(
        &self,
        sender: SendRequest<RequestBody>,
        until: Instant,
    ) -> (SendRequest<RequestBody>, Stream) {
        let connection = Connection {
            sender: sender.clone(),
            streams: Rc::default(),
            until: Cell::new(until),
        };
        let stream = Stream::on(&connection);
        self.connections.borrow_mut().push(connection);
        (sender, stream)
    }

    /// The right to open a connection, as soon as nobody else has it.
    pub(super) async fn opening(&self) -> MutexGuard<'_, ()> {
        self.opening.lock().await
    }
}

impl Multiplexed {
    /// Whether a request would find a place on an open connection.
    pub(super) fn has_place(&self, endpoint: u64) -> bool {
        let endpoints = self.endpoints.borrow();
        let Some(shared) = endpoints.get(&endpoint) else {
            return false;
        };
        let connections = shared.connections.borrow();
        connections
            .iter()
            .any(|connection| !connection.sender.is_closed() && connection.streams.get() < STREAMS)
    }

    /// The connections to an endpoint.
    pub(super) fn to(&self, endpoint: u64) -> Rc<Shared> {
        Rc::clone(self.endpoints.borrow_mut().entry(endpoint).or_default())
    }

    /// Closes what nobody has used for too long, and forgets endpoints without connections.
    pub(crate) fn prune(&self, now: Instant) {
        self.endpoints.borrow_mut().retain(|_, shared| {
            let mut connections = shared.connections.borrow_mut();
            connections.retain(|connection| {
                let kept = connection.streams.get() > 0 || now < connection.until.get();
                kept && !connection.sender.is_closed()
            });
            !connections.is_empty() || Rc::strong_count(shared) > 1
        });
    }

    /// Sends a request in a stream of its own and waits for the head of the response, so long at most.
    ///
    /// A connection may be told to go away while the request is on its way. If the upstream has not taken it, it is
    /// sent on another connection as long as it can be: when it was handed back, or has no body.
    pub(crate) async fn send(
        &self,
        upstream: &Upstream,
        endpoint: &Endpoint,
        limit: Duration,
        request: Request<RequestBody>,
    ) -> Result<(Response<Incoming>, Stream), SendError> {
        let mut request = addressed(request, endpoint)?;
        let shared = self.to(endpoint.id);
        let mut sendings = 0;
        loop {
            sendings += 1;
            let (mut sender, stream) = place(&shared, upstream, endpoint).await?;
            let spare = Spare::of(&request);
            match timeout(limit, sender.try_send_request(request)).await {
                Ok(Ok(response)) => return Ok((response, stream)),
                Err(_) => return Err(SendError::Timeout),
                Ok(Err(mut error)) => {
                    let returned = error.take_message();
                    let error = error.into_error();
                    let again = returned.or_else(|| {
                        let untouched = is_unprocessed(&error);
                        spare.filter(|_| untouched).map(Spare::into_request)
                    });
                    match again {
                        Some(again) if sendings < SENDINGS => request = again,
                        _ if is_unprocessed(&error) => return Err(SendError::Unprocessed(error)),
                        _ if is_not_http2(&error) => return Err(SendError::NotHttp2),
                        _ => return Err(SendError::Broken(error)),
                    }
                    debug!("An upstream did not take a request; sending it once more");
                }
            }
        }
    }
}

async fn place(
    shared: &Shared,
    upstream: &Upstream,
    endpoint: &Endpoint,
) -> Result<(SendRequest<RequestBody>, Stream), SendError> {
    let until = Instant::now() + upstream.idle_timeout;
    if let Some(place) = shared.place(until) {
        return Ok(place);
    }
    let _opening = shared.opening().await;
    // Somebody else may have opened one while this waited.
    if let Some(place) = shared.place(until) {
        return Ok(place);
    }
    Ok(shared.add(open(upstream, endpoint).await?, until))
}

async fn open(upstream: &Upstream, endpoint: &Endpoint) -> Result<SendRequest<RequestBody>, SendError> {
    let opening = async {
        let stream = connect::connect_http2(endpoint).await;
        let stream = stream.map_err(|error| match connect::lacks_http2(&error) {
            true => SendError::NotHttp2,
            false => SendError::Connect(error),
        })?;
        handshake(stream).await
    };
    timeout(upstream.connect_timeout, opening)
        .await
        .map_err(|_| SendError::ConnectTimeout)?
}

/// Begins HTTP/2 on a connection.
pub(super) async fn handshake(stream: connect::Stream) -> Result<SendRequest<RequestBody>, SendError> {
    let (sender, connection) = http2::Builder::new(Local)
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_EVERY)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(SendError::Handshake)?;
    tokio::task::spawn_local(async move {
        if let Err(error) = connection.await {
            debug!(error = %error, "An upstream connection ended with an error");
        }
    });
    Ok(sender)
}

/// Whether what came back is not HTTP/2. An HTTP/1.1 server answers the preface with a status line, which would be a
/// frame of more than four megabytes.
fn is_not_http2(error: &hyper::Error) -> bool {
    let error = error
        .source()
        .and_then(|source| source.downcast_ref::<h2::Error>());
    error.is_some_and(|error| error.is_library() && error.reason() == Some(h2::Reason::FRAME_SIZE_ERROR))
}

/// Whether the upstream says that it has not looked at the request: it refused the stream, or went away before it.
fn is_unprocessed(error: &hyper::Error) -> bool {
    let Some(error) = error
        .source()
        .and_then(|source| source.downcast_ref::<h2::Error>())
    else {
        return false;
    };
    error.is_remote() && (error.is_go_away() || error.reason() == Some(h2::Reason::REFUSED_STREAM))
}

/// Writes a request as HTTP/2 wants it: with scheme and authority, and without what is said of one connection.
fn addressed(
    mut request: Request<RequestBody>,
    endpoint: &Endpoint,
) -> Result<Request<RequestBody>, SendError> {
    let host = request.headers_mut().remove(header::HOST);
    let authority = host.as_ref().unwrap_or(&endpoint.authority);
    let scheme = if endpoint.tls.is_some() {
        Scheme::HTTPS
    } else {
        Scheme::HTTP
    };
    let target = std::mem::take(request.uri_mut());
    let uri = Uri::builder()
        .scheme(scheme)
        .authority(authority.as_bytes())
        .path_and_query(target.path_and_query().map_or("/", |target| target.as_str()))
        .build();
    *request.uri_mut() = uri.map_err(|error| SendError::Connect(std::io::Error::other(error)))?;
    *request.version_mut() = Version::HTTP_2;
    request.headers_mut().remove(header::CONNECTION);
    Ok(request)
}

/// The head of a request without a body.
struct Spare(Request<()>);

impl Spare {
    fn of(request: &Request<RequestBody>) -> Option<Self> {
        hyper::body::Body::is_end_stream(request.body()).then(|| {
            let mut spare = Request::new(());
            *spare.method_mut() = request.method().clone();
            *spare.uri_mut() = request.uri().clone();
            *spare.version_mut() = request.version();
            *spare.headers_mut() = request.headers().clone();
            Self(spare)
        })
    }

    fn into_request(self) -> Request<RequestBody> {
        self.0.map(|()| RequestBody::Empty)
    }
}

/// Runs a connection's tasks on its worker's thread.
#[derive(Debug, Clone, Copy)]
struct Local;

impl<F> Executor<F> for Local
where
    F: Future + 'static,
    F::Output: 'static,
{
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}
