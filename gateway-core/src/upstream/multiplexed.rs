//! HTTP/2 towards upstreams: requests share connections, each in a stream of its own.

mod message;
mod usage;

use std::{
    cell::RefCell,
    collections::HashMap,
    fmt,
    future::poll_fn,
    io,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use http::{Request, Response};
use hyper::{
    body::Incoming,
    client::conn::http2::{self, SendRequest},
    rt::Executor,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    sync::{Mutex, OwnedMutexGuard, oneshot},
    task::spawn_local,
    time::timeout,
};
use tokio_util::io::InspectReader;
use tracing::debug;

pub(super) use self::message::can_carry;
pub(crate) use self::usage::Stream;
use self::{
    message::{Spare, addressed, is_unprocessed, readdressed, switched},
    usage::{Usage, Waiting},
};
use super::{Endpoint, Protocol, Upstream, agree, connect, pool::Pool, send::SendError};
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
    /// Held while somebody opens a connection, which the others then share.
    opening: Arc<Mutex<()>>,
}

pub(super) struct Connection {
    sender: SendRequest<RequestBody>,
    usage: Rc<Usage>,
    takes_websockets: TakesWebsockets,
}

/// What the upstream's settings say of WebSockets, once they have come.
type TakesWebsockets = Rc<dyn Fn() -> bool>;

impl fmt::Debug for Connection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut formatter = formatter.debug_struct("Connection");
        formatter.field("usage", &self.usage).finish_non_exhaustive()
    }
}

impl Connection {
    fn is_usable(&self) -> bool {
        !self.sender.is_closed() && !self.usage.silent.get()
    }
}

impl Shared {
    /// A place on a connection that is open and has one. Those that are not usable end with the streams they have.
    fn place(&self, idle_timeout: Duration) -> Option<Place> {
        let mut connections = self.connections.borrow_mut();
        connections.retain(Connection::is_usable);
        let free = connections
            .iter()
            .find(|connection| connection.usage.streams.get() < STREAMS)?;
        Some(Place {
            sender: free.sender.clone(),
            stream: Stream::on(&free.usage, idle_timeout),
            takes_websockets: Rc::clone(&free.takes_websockets),
        })
    }

    /// Adds a connection, and takes a place on it.
    pub(super) fn add(&self, connection: Connection, idle_timeout: Duration) -> Place {
        let place = Place {
            sender: connection.sender.clone(),
            stream: Stream::on(&connection.usage, idle_timeout),
            takes_websockets: Rc::clone(&connection.takes_websockets),
        };
        self.connections.borrow_mut().push(connection);
        place
    }

    /// The right to open a connection, as soon as nobody else has it.
    pub(super) async fn opening(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.opening).lock_owned().await
    }
}

/// What became of a request.
pub(super) enum Sent {
    Answered(Response<Incoming>, Stream),
    /// The endpoint does not speak HTTP/2 any more, or no WebSockets over it.
    Not(Box<Request<RequestBody>>),
}

/// Where a request is sent.
pub(super) struct Place {
    sender: SendRequest<RequestBody>,
    stream: Stream,
    takes_websockets: TakesWebsockets,
}

impl Place {
    /// Whether the upstream says that WebSockets can be asked for. It does so with the first that it sends, which is
    /// waited for, so long at most.
    async fn takes_websockets(&self, limit: Duration) -> bool {
        let heard = timeout(limit, self.stream.usage.heard_from()).await;
        heard.is_ok() && (self.takes_websockets)()
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
            .any(|connection| connection.is_usable() && connection.usage.streams.get() < STREAMS)
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
                let usage = &connection.usage;
                connection.is_usable() && (usage.streams.get() > 0 || now < usage.until.get())
            });
            !connections.is_empty() || Rc::strong_count(shared) > 1
        });
    }

    /// Sends a request in a stream of its own and waits for the head of the response, so long at most.
    ///
    /// A connection may be told to go away while the request is on its way. If the upstream has not taken it, it is
    /// sent on another connection as long as it can be: when it was handed back, or has no body. So is one without a body
    /// that may be repeated, when a connection breaks that had brought answers before.
    ///
    /// An endpoint that may choose can have agreed to something else by then; the request is given back if so. So is one
    /// for a WebSocket if the upstream does not say that it takes such (RFC 8441, section 3).
    pub(super) async fn send(
        pool: &Pool,
        upstream: &Upstream,
        endpoint: &Arc<Endpoint>,
        limit: Duration,
        request: Request<RequestBody>,
    ) -> Result<Sent, SendError> {
        let (mut request, key) = addressed(request, endpoint)?;
        let shared = pool.multiplexed.to(endpoint.id);
        let mut sendings = 0;
        loop {
            sendings += 1;
            let settled = sendings == 1 || upstream.protocol == Protocol::Http2;
            if !settled && !Box::pin(agree::on_http2(pool, upstream, endpoint, Instant::now())).await? {
                return Ok(Sent::Not(Box::new(readdressed(request, key))));
            }
            let place = place(&shared, upstream, endpoint).await?;
            if key.is_some() && !place.takes_websockets(upstream.connect_timeout).await {
                return Ok(Sent::Not(Box::new(readdressed(request, key))));
            }
            let Place {
                mut sender, stream, ..
            } = place;
            let spare = Spare::of(&request);
            let waiting = Waiting::on(&stream, limit);
            let sent = timeout(limit, sender.try_send_request(request)).await;
            drop(waiting);
            match sent {
                Ok(Ok(response)) => {
                    stream.usage.served.set(true);
                    let response = match &key {
                        Some(key) => switched(response, key),
                        None => response,
                    };
                    return Ok(Sent::Answered(response, stream));
                }
                Err(_) => return Err(SendError::Timeout),
                Ok(Err(mut error)) => {
                    let returned = error.take_message();
                    let error = error.into_error();
                    let again = returned.or_else(|| {
                        let untouched = is_unprocessed(&error);
                        // As over HTTP/1.1: what is kept may be closed at any time.
                        let kept = stream.usage.served.get();
                        let spare = spare.filter(|spare| untouched || kept && spare.is_idempotent());
                        spare.map(Spare::into_request)
                    });
                    match again {
                        Some(again) if sendings < SENDINGS => request = again,
                        _ if is_unprocessed(&error) => return Err(SendError::Unprocessed(error)),
                        _ => return Err(SendError::Broken(error.into())),
                    }
                    debug!("An upstream did not take a request; sending it once more");
                }
            }
        }
    }
}

/// A place on a connection, which is opened if there is none. However many wait for it, none does for longer than
/// connecting may take.
async fn place(
    shared: &Rc<Shared>,
    upstream: &Upstream,
    endpoint: &Arc<Endpoint>,
) -> Result<Place, SendError> {
    let idle_timeout = upstream.idle_timeout;
    if let Some(place) = shared.place(idle_timeout) {
        return Ok(place);
    }
    let limit = upstream.connect_timeout;
    let opened = async {
        let opening = shared.opening().await;
        // Somebody else may have opened one while this waited.
        if let Some(place) = shared.place(idle_timeout) {
            return Ok(place);
        }
        let task = Opening {
            shared: Rc::clone(shared),
            endpoint: Arc::clone(endpoint),
            idle_timeout,
            _turn: opening,
        };
        let task = spawn_local(async move { task.run(limit).await }).await;
        task.unwrap_or_else(|gone| Err(SendError::Connect(io::Error::other(gone))))
    };
    let opened = timeout(limit, opened).await;
    opened.unwrap_or(Err(SendError::ConnectTimeout))
}

/// A connection that is being opened. It is a task of its own: others wait for it when the one who needed it first has
/// gone away.
struct Opening {
    shared: Rc<Shared>,
    endpoint: Arc<Endpoint>,
    idle_timeout: Duration,
    _turn: OwnedMutexGuard<()>,
}

impl Opening {
    async fn run(self, limit: Duration) -> Result<Place, SendError> {
        let connection = timeout(limit, self.open()).await;
        let connection = connection.unwrap_or(Err(SendError::ConnectTimeout))?;
        Ok(self.shared.add(connection, self.idle_timeout))
    }

    async fn open(&self) -> Result<Connection, SendError> {
        let stream = connect::connect_http2(&self.endpoint).await;
        let stream = stream.map_err(|error| match connect::lacks_http2(&error) {
            true => SendError::NotHttp2,
            false => SendError::Connect(error),
        })?;
        handshake(stream, self.idle_timeout).await
    }
}

/// Begins HTTP/2 on a connection. Unless it was agreed to in the TLS handshake, the upstream's first bytes are waited for,
/// which show whether it speaks it.
pub(super) async fn handshake(
    stream: connect::Stream,
    idle_timeout: Duration,
) -> Result<Connection, SendError> {
    let agreed = stream.agreed_to_http2();
    let usage = Usage::new(idle_timeout);
    let heard = Rc::clone(&usage);
    let (first, is_http2) = oneshot::channel();
    let mut first = Some(first);
    let stream = InspectReader::new(stream, move |bytes: &[u8]| {
        if !bytes.is_empty() {
            heard.hear();
            if let Some(first) = first.take() {
                // Nobody waits for it if it was agreed to.
                let _ = first.send(!is_http1(bytes));
            }
        }
    });
    let (sender, connection) = http2::Builder::new(Local)
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_EVERY)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(SendError::Handshake)?;
    let connection = Rc::new(RefCell::new(connection));
    // Not a reference of its own: when the connection ends, whoever waits for it is to hear.
    let settings = Rc::downgrade(&connection);
    spawn_local(async move {
        let ended = poll_fn(|context| Pin::new(&mut *connection.borrow_mut()).poll(context));
        if let Err(error) = ended.await {
            debug!(error = %error, "An upstream connection ended with an error");
        }
    });
    if !agreed {
        // Some servers close the connection without a word.
        if !is_http2.await.unwrap_or(false) {
            return Err(SendError::NotHttp2);
        }
    }
    Ok(Connection {
        sender,
        usage,
        takes_websockets: Rc::new(move || {
            let connection = settings.upgrade();
            connection.is_some_and(|it| it.borrow().is_extended_connect_protocol_enabled())
        }),
    })
}

/// Whether what came first is the answer of an HTTP/1.1 server to what it could not read.
fn is_http1(first: &[u8]) -> bool {
    const BEGINNING: &[u8] = b"HTTP/";
    first.iter().zip(BEGINNING).all(|(one, other)| one == other)
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
        spawn_local(future);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeMap,
        future::poll_fn,
        net::{Ipv4Addr, SocketAddr},
        task::Poll,
    };

    use futures_util::FutureExt as _;
    use tokio::{io::AsyncWriteExt as _, net::TcpListener, runtime::Handle, sync::Semaphore};

    use super::*;
    use crate::upstream::{Endpoints, resolve::Resolution};

    fn on_a_worker(test: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build_local(tokio::runtime::LocalOptions::default())
            .expect("a runtime as workers have it");
        runtime.block_on(test);
    }

    #[test]
    fn a_connection_that_is_being_opened_outlives_the_request_that_needed_it_first() {
        static TOLD: Semaphore = Semaphore::const_new(0);
        on_a_worker(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let port = listener.local_addr().expect("an address").port();
            let mut endpoint = Endpoint::for_tests(&format!("http://name.test:{port}"));
            // Connecting takes until it is told the address.
            Arc::get_mut(&mut endpoint)
                .expect("nobody else has it")
                .resolution = Resolution::with("name.test", port, |_, port| {
                Box::pin(async move {
                    let _told = TOLD.acquire().await;
                    Ok(vec![SocketAddr::from((Ipv4Addr::LOCALHOST, port))])
                })
            });
            let described = serde_json::json!({"url": "http://name.test", "protocol": "http2"});
            let described = serde_json::from_value(described).expect("an upstream");
            let endpoints = Endpoints::new(Handle::current());
            let upstream = Upstream::compile(&described, &BTreeMap::new(), &endpoints).expect("it compiles");
            let shared = Rc::default();
            {
                let mut first = Box::pin(place(&shared, &upstream, &endpoint));
                poll_fn(|context| match first.poll_unpin(context) {
                    Poll::Pending => Poll::Ready(()),
                    Poll::Ready(_) => panic!("nobody knows the address yet"),
                })
                .await;
            }
            assert!(shared.opening.try_lock().is_err(), "it is still being opened");
            TOLD.add_permits(1);
            let (place, accepted) = tokio::join!(place(&shared, &upstream, &endpoint), async {
                let (mut stream, _) = listener.accept().await.expect("a connection");
                let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
                stream.write_all(&settings).await.expect("written");
                stream
            });
            let place = place.expect("a place");
            assert!(listener.accept().now_or_never().is_none(), "there is one");
            assert_eq!(place.stream.usage.streams.get(), 1, "the first one's is free");
            drop(accepted);
        });
    }
}
