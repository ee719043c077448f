//! A fault-injecting HTTP proxy: it stands between a connector and its gateway, and does to their conversation what
//! networks and overloaded gateways do.

mod meeting;

use std::{
    collections::BTreeMap,
    fmt, io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use gatehouse_connector_sdk::operation::Operation;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

use self::meeting::{Meeting, meets};
use crate::gateway::Disturbance;

/// Something that happens on the gateway before the next change reaches it.
type Before = Box<dyn FnOnce() -> BoxFuture<'static, ()> + Send>;

/// A proxy between a connector and one gateway; ends when it is dropped.
///
/// Disturbances of `deploy` and `undeploy` meet requests that change something (any method but `GET`, `HEAD` and
/// `OPTIONS`), those of the other operations meet all requests. All but a lost reply last until
/// [`calm`](Self::calm). A process that ends at a step is one that is not heard any more: each change counts as a step.
///
/// ```
/// use std::time::Duration;
///
/// use gatehouse_connector_conformance::{Disturbance, FaultProxy};
/// use gatehouse_connector_sdk::operation::Operation;
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// # let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
/// # let gateway_url = format!("http://{}", listener.local_addr().unwrap());
/// # let app = axum::Router::new().route("/routes", axum::routing::get(|| async { "[]" }));
/// # tokio::spawn(async move { axum::serve(listener, app).await });
/// let proxy = FaultProxy::start(&gateway_url).await.unwrap();
/// // The connector is given `proxy.url()` in the place of the gateway's.
/// let list = async || reqwest::get(format!("{}/routes", proxy.url())).await;
///
/// let retry_after = Some(Duration::from_secs(2));
/// assert!(proxy.disturb(Operation::Discover, Disturbance::TooManyRequests { retry_after }));
/// assert!(!proxy.has_disturbed());
/// let refused = list().await.unwrap();
/// assert_eq!((refused.status().as_u16(), &refused.headers()["retry-after"]), (429, &"2".parse().unwrap()));
/// assert!(proxy.has_disturbed());
///
/// proxy.calm(Operation::Discover);
/// proxy.before_next_change(|| Box::pin(async {}));
/// assert_eq!(list().await.unwrap().text().await.unwrap(), "[]", "a look is no change");
///
/// proxy.hide();
/// assert!(list().await.is_err());
/// assert_eq!(proxy.calls(), 3);
/// # });
/// ```
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

struct Shared {
    upstream: String,
    http: reqwest::Client,
    faults: Mutex<Faults>,
    calls: AtomicU64,
    /// Counts what ended, so that requests without an answer notice.
    calmed: watch::Sender<u64>,
}

#[derive(Default)]
struct Faults {
    armed: BTreeMap<Operation, Disturbance>,
    /// How many changes have come since the last disturbance began.
    changes: u32,
    /// Whether the last disturbance has met a request.
    has_met: bool,
    is_hidden: bool,
    before_change: Option<Before>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "proxy of {}", self.upstream)
    }
}

impl FaultProxy {
    /// Starts a proxy on a free port of this machine. `upstream` is the gateway's scheme, host and port.
    pub async fn start(upstream: &str) -> io::Result<Self> {
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(io::Error::other)?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            upstream: upstream.trim_end_matches('/').to_owned(),
            http,
            faults: Mutex::default(),
            calls: AtomicU64::new(0),
            calmed: watch::Sender::new(0),
        });
        let server = tokio::spawn(accept(listener, shared.clone()));
        Ok(Self {
            address,
            shared,
            server,
        })
    }

    /// Where it listens; to be given to the connector in the gateway's place.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Lets requests of an operation meet with something; whether it can.
    pub fn disturb(&self, operation: Operation, disturbance: Disturbance) -> bool {
        let mut faults = self.shared.faults();
        faults.changes = 0;
        faults.has_met = false;
        faults.armed.insert(operation, disturbance);
        true
    }

    /// Whether the last disturbance has met a request.
    pub fn has_disturbed(&self) -> bool {
        self.shared.faults().has_met
    }

    /// Ends what is left of disturbances of an operation.
    pub fn calm(&self, operation: Operation) {
        self.shared.faults().armed.remove(&operation);
        self.shared.calmed.send_modify(|count| *count += 1);
    }

    /// From now on nothing answers.
    pub fn hide(&self) {
        self.shared.faults().is_hidden = true;
    }

    /// Does something on the gateway right before the next change reaches it.
    pub fn before_next_change(&self, what: impl FnOnce() -> BoxFuture<'static, ()> + Send + 'static) {
        self.shared.faults().before_change = Some(Box::new(what));
    }

    /// How many requests have come so far.
    pub fn calls(&self) -> u64 {
        self.shared.calls.load(Ordering::Relaxed)
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Shared {
    fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a request meets with. An error ends the connection without an answer.
    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Broken> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let calmed = self.calmed.subscribe();
        let (meeting, before) = {
            let mut faults = self.faults();
            meets(&mut faults, request.method())
        };
        match meeting {
            Meeting::Nothing => {
                if let Some(before) = before {
                    before().await;
                }
                self.forward(request).await
            }
            Meeting::Nobody => Err(Broken),
            Meeting::Silence => silence(calmed).await,
            Meeting::Answer(status, retry_after) => Ok(refusal(status, retry_after)),
            Meeting::LostReply => {
                self.forward(request).await?;
                Err(Broken)
            }
        }
    }

    async fn forward(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Broken> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.map_err(|_| Broken)?.to_bytes();
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        let mut headers = parts.headers;
        // The client sets those of its own connection.
        for name in [header::HOST, header::CONNECTION, header::TRANSFER_ENCODING] {
            headers.remove(name);
        }
        let answer = self
            .http
            .request(parts.method, format!("{}{path}", self.upstream))
            .headers(headers)
            .body(body)
            .send()
            .await
            .map_err(|_| Broken)?;
        let mut response = Response::builder().status(answer.status());
        for (name, value) in answer.headers() {
            if *name != header::CONNECTION && *name != header::TRANSFER_ENCODING {
                response = response.header(name, value);
            }
        }
        let body = answer.bytes().await.map_err(|_| Broken)?;
        response.body(Full::new(body)).map_err(|_| Broken)
    }
}

/// The connection ends without an answer.
#[derive(Debug)]
struct Broken;

impl fmt::Display for Broken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("no answer, as it was asked for")
    }
}

impl std::error::Error for Broken {}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    // Dropped with the proxy, and every connection with it.
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(serve(stream, shared.clone()));
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let service = service_fn(|request| {
        let shared = shared.clone();
        async move { shared.answer(request).await }
    });
    // An error is a connection that ended, which is what this is for.
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

/// No answer until whoever waited has given up.
async fn silence(mut calmed: watch::Receiver<u64>) -> Result<Response<Full<Bytes>>, Broken> {
    let _: Result<(), _> = calmed.changed().await;
    Err(Broken)
}

fn refusal(status: StatusCode, retry_after: Option<u64>) -> Response<Full<Bytes>> {
    let body = format!(r#"{{"error":"{status}","message":"the conformance suite lets this call fail"}}"#);
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        header::HeaderValue::from_static("application/json"),
    );
    if let Some(seconds) = retry_after {
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    response
}
