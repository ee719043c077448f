//! Workers: threads that carry traffic, each with its own runtime and its own upstream connections.

mod connection;
mod listener;
mod listeners;
mod proxy_protocol;

use std::{
    cell::Cell,
    io,
    num::NonZero,
    rc::Rc,
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use http::HeaderValue;
use tokio::{
    runtime::{Builder, LocalOptions},
    sync::{Notify, watch},
    time::timeout,
};
use tracing::error;

use self::{
    listener::Accepting,
    listeners::{Bound, Terms},
};
pub(crate) use self::{listener::Open, listeners::Listeners};
use crate::{
    metrics::ApiMetrics,
    proxy::{budget::BodyBudget, origin::TrustedProxies},
    table::Table,
    telemetry::Telemetry,
    upstream::pool::Pool,
};

/// How much stack a worker has, in bytes, of which only what is used is taken up. Deep bodies are held against schemas on it.
pub(crate) const STACK: usize = 8 * 1024 * 1024;

/// How long WebSockets may take to say goodbye when the time of a shutdown is over.
const GOODBYE: Duration = Duration::from_millis(500);

/// How long connections that carried WebSockets may take to send what these have said.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// What all workers share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) table: ArcSwap<Table>,
    /// Counts requests that found no route.
    pub(crate) unrouted: Arc<ApiMetrics>,
    pub(crate) access_log: bool,
    /// What is exported, if anything is.
    pub(crate) telemetry: Option<Arc<Telemetry>>,
    /// What bodies that are held may take up together.
    pub(crate) bodies: Arc<BodyBudget>,
    /// How long a caller may take for a request's head, and between two requests.
    pub(crate) head_timeout: Duration,
    /// How long a caller may stop in the middle of a body, or take nothing of an answer.
    pub(crate) stall_timeout: Duration,
    /// Whose word about callers is believed.
    pub(crate) trusted_proxies: TrustedProxies,
    pub(crate) websockets: Lifetimes,
}

/// How long a connection of a protocol that only its ends understand may live.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lifetimes {
    /// Without a byte in either direction.
    pub(crate) idle: Duration,
    /// Without one once one end is done. A WebSocket is of no use with one end only, and where a caller resets a stream
    /// of HTTP/2 that looks like its orderly end.
    pub(crate) half_open: Duration,
    /// In all; none means any time.
    pub(crate) whole: Option<Duration>,
}

/// How many threads carry traffic unless somebody says.
pub(crate) fn cores() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

/// One worker, as its connections see it.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) number: usize,
    pub(crate) shared: Arc<Shared>,
    pub(crate) pool: Rc<Pool>,
    /// The first half of its requests' names, in digits.
    request_prefix: [u8; 16],
    requests: Cell<u64>,
    connections: Cell<usize>,
    tunnels: Cell<usize>,
    some_closed: Notify,
    /// Becomes true when what is still open is about to be cut.
    cutting: watch::Sender<bool>,
}

impl Worker {
    fn new(number: usize, shared: Arc<Shared>) -> Self {
        Self {
            number,
            shared,
            pool: Rc::default(),
            request_prefix: digits(uuid::Uuid::new_v4().as_u64_pair().0),
            requests: Cell::new(0),
            connections: Cell::new(0),
            tunnels: Cell::new(0),
            some_closed: Notify::new(),
            cutting: watch::Sender::new(false),
        }
    }

    /// Counts a connection that does not speak HTTP any more. It is told when it has to end.
    pub(crate) fn tunnel(self: &Rc<Self>) -> (Open, watch::Receiver<bool>) {
        let open = Open::count(Rc::clone(self), |worker| &worker.tunnels);
        (open, self.cutting.subscribe())
    }

    /// A name no other request has: random per worker, counted within.
    pub(crate) fn next_request_id(&self) -> HeaderValue {
        let count = self.requests.get();
        self.requests.set(count.wrapping_add(1));
        let mut id = [0; 32];
        id[..16].copy_from_slice(&self.request_prefix);
        id[16..].copy_from_slice(&digits(count));
        // Hexadecimal digits are always a header value.
        HeaderValue::from_bytes(&id).unwrap_or_else(|_| HeaderValue::from_static(""))
    }
}

/// A number in hexadecimal digits.
fn digits(number: u64) -> [u8; 16] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    std::array::from_fn(|place| {
        let digit = number >> (60 - 4 * place) & 15;
        DIGITS[digit as usize]
    })
}

impl std::fmt::Debug for Workers {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Workers")
            .field("threads", &self.threads.len())
            .finish()
    }
}

/// The threads.
pub(crate) struct Workers {
    threads: Vec<thread::JoinHandle<()>>,
    listeners: Arc<Listeners>,
    /// None while serving; then how long requests in flight may take.
    stop: watch::Sender<Option<Duration>>,
}

impl Workers {
    /// Starts so many threads; when it returns, all of them accept connections.
    pub(crate) fn start(count: usize, shared: &Arc<Shared>, listeners: Arc<Listeners>) -> io::Result<Self> {
        let (stop, _) = watch::channel(None);
        let mut workers = Self {
            threads: Vec::with_capacity(count),
            listeners,
            stop,
        };
        for number in 0..count {
            let thread = workers.spawn(number, Arc::clone(shared))?;
            workers.threads.push(thread);
        }
        Ok(workers)
    }

    fn spawn(&self, number: usize, shared: Arc<Shared>) -> io::Result<thread::JoinHandle<()>> {
        let listeners = self.listeners.subscribe();
        let stopping = self.stop.subscribe();
        let (started, starting) = mpsc::channel();
        let thread = thread::Builder::new()
            .name(format!("gateway-{number}"))
            .stack_size(STACK)
            .spawn(move || run(Worker::new(number, shared), listeners, stopping, &started))?;
        match starting.recv() {
            Ok(result) => result.map(|()| thread),
            Err(_) => Err(io::Error::other("the worker ended while starting")),
        }
    }

    /// Stops accepting, and waits for requests in flight for up to `grace`.
    pub(crate) fn stop(mut self, grace: Duration) {
        self.listeners.close();
        self.stop.send_replace(Some(grace));
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                error!("A worker thread panicked");
            }
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.listeners.close();
        self.stop.send_if_modified(|stop| {
            stop.is_none() && {
                *stop = Some(Duration::ZERO);
                true
            }
        });
    }
}

type Following = watch::Receiver<Vec<Arc<Bound>>>;

fn run(
    worker: Worker,
    listeners: Following,
    stopping: watch::Receiver<Option<Duration>>,
    started: &mpsc::Sender<io::Result<()>>,
) {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default());
    match runtime {
        Ok(runtime) => {
            runtime.block_on(serve(Rc::new(worker), listeners, stopping, started));
            runtime.shutdown_background();
        }
        Err(error) => drop(started.send(Err(error))),
    }
}

async fn serve(
    worker: Rc<Worker>,
    mut listeners: Following,
    mut stopping: watch::Receiver<Option<Duration>>,
    started: &mpsc::Sender<io::Result<()>>,
) {
    let mut accepting = Accepting::default();
    if let Err(error) = accepting.follow(&worker, &mut listeners) {
        return drop(started.send(Err(error)));
    }
    // The one who starts us waits for this; if it is gone there is nothing to serve for.
    let _ = started.send(Ok(()));
    let pruning = tokio::task::spawn_local(prune(Rc::clone(&worker)));
    let stop = async {
        stopping
            .wait_for(Option::is_some)
            .await
            .map_or(None, |grace| *grace)
    };
    tokio::pin!(stop);
    let grace = loop {
        tokio::select! {
            grace = &mut stop => break grace.unwrap_or_default(),
            Ok(()) = listeners.changed() => {
                if let Err(error) = accepting.follow(&worker, &mut listeners) {
                    error!(error = %error, "A worker cannot accept connections from a new listener");
                }
            }
        }
    };
    accepting.ended().await;
    pruning.abort();
    let _ = timeout(
        grace,
        closed(&worker, |worker| worker.connections.get() + worker.tunnels.get()),
    )
    .await;
    if worker.tunnels.get() > 0 {
        worker.cutting.send_replace(true);
        let _ = timeout(GOODBYE, closed(&worker, |worker| worker.tunnels.get())).await;
        // What was said last over HTTP/2 is sent by the connections, which then end.
        let _ = timeout(LAST_WORDS, closed(&worker, |worker| worker.connections.get())).await;
    }
}

async fn closed(worker: &Worker, count: fn(&Worker) -> usize) {
    while count(worker) > 0 {
        worker.some_closed.notified().await;
    }
}

async fn prune(worker: Rc<Worker>) {
    let mut interval = tokio::time::interval(Duration::from_secs(10));
    loop {
        interval.tick().await;
        worker.pool.prune(Instant::now());
    }
}
