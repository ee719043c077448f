//! Workers: threads that carry traffic, each with its own runtime and its own upstream connections.

mod connection;
mod listener;

use std::{
    cell::Cell,
    io,
    net::TcpListener,
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
};
use tokio_rustls::TlsAcceptor;
use tracing::error;

use crate::{metrics::ApiMetrics, proxy::budget::BodyBudget, table::Table, upstream::pool::Pool};

/// What all workers share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) table: ArcSwap<Table>,
    /// Counts requests that found no route.
    pub(crate) unrouted: Arc<ApiMetrics>,
    pub(crate) access_log: bool,
    /// What bodies that are held may take up together.
    pub(crate) bodies: Arc<BodyBudget>,
    /// How long a caller may take for a request's head, and between two requests.
    pub(crate) head_timeout: Duration,
    /// How long a caller may stop in the middle of a body, or take nothing of an answer.
    pub(crate) stall_timeout: Duration,
}

/// One worker, as its connections see it.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) number: usize,
    pub(crate) shared: Arc<Shared>,
    pub(crate) pool: Rc<Pool>,
    request_prefix: u64,
    requests: Cell<u64>,
    connections: Cell<usize>,
    all_closed: Notify,
}

impl Worker {
    fn new(number: usize, shared: Arc<Shared>) -> Self {
        Self {
            number,
            shared,
            pool: Rc::default(),
            request_prefix: uuid::Uuid::new_v4().as_u64_pair().0,
            requests: Cell::new(0),
            connections: Cell::new(0),
            all_closed: Notify::new(),
        }
    }

    /// A name no other request has: random per worker, counted within.
    pub(crate) fn next_request_id(&self) -> HeaderValue {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let count = self.requests.get();
        self.requests.set(count.wrapping_add(1));
        let mut id = [0; 32];
        let words = self
            .request_prefix
            .to_be_bytes()
            .into_iter()
            .chain(count.to_be_bytes());
        for (pair, byte) in id.chunks_exact_mut(2).zip(words) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        // Hexadecimal digits are always a header value.
        HeaderValue::from_bytes(&id).unwrap_or_else(|_| HeaderValue::from_static(""))
    }
}

/// The sockets that every worker accepts from.
pub(crate) struct Listeners {
    pub(crate) plain: TcpListener,
    pub(crate) tls: Option<(TcpListener, TlsAcceptor)>,
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
    /// None while serving; then how long requests in flight may take.
    stop: watch::Sender<Option<Duration>>,
}

impl Workers {
    /// Starts so many threads; when it returns, all of them accept connections.
    pub(crate) fn start(count: usize, shared: &Arc<Shared>, listeners: &Listeners) -> io::Result<Self> {
        let (stop, _) = watch::channel(None);
        let mut workers = Self {
            threads: Vec::with_capacity(count),
            stop,
        };
        for number in 0..count {
            let thread = workers.spawn(number, Arc::clone(shared), listeners)?;
            workers.threads.push(thread);
        }
        Ok(workers)
    }

    fn spawn(
        &self,
        number: usize,
        shared: Arc<Shared>,
        listeners: &Listeners,
    ) -> io::Result<thread::JoinHandle<()>> {
        let plain = listeners.plain.try_clone()?;
        let tls = match &listeners.tls {
            Some((listener, acceptor)) => Some((listener.try_clone()?, acceptor.clone())),
            None => None,
        };
        let listeners = Listeners { plain, tls };
        let stopping = self.stop.subscribe();
        let (started, starting) = mpsc::channel();
        let thread = thread::Builder::new()
            .name(format!("gateway-{number}"))
            .spawn(move || run(Worker::new(number, shared), listeners, stopping, &started))?;
        match starting.recv() {
            Ok(result) => result.map(|()| thread),
            Err(_) => Err(io::Error::other("the worker ended while starting")),
        }
    }

    /// Stops accepting, and waits for requests in flight for up to `grace`.
    pub(crate) fn stop(mut self, grace: Duration) {
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
        self.stop.send_if_modified(|stop| {
            stop.is_none() && {
                *stop = Some(Duration::ZERO);
                true
            }
        });
    }
}

fn run(
    worker: Worker,
    listeners: Listeners,
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
    listeners: Listeners,
    mut stopping: watch::Receiver<Option<Duration>>,
    started: &mpsc::Sender<io::Result<()>>,
) {
    let accepting = listener::accept_all(&worker, listeners, &stopping);
    let accepting = match accepting {
        Ok(tasks) => tasks,
        Err(error) => return drop(started.send(Err(error))),
    };
    // The one who starts us waits for this; if it is gone there is nothing to serve for.
    let _ = started.send(Ok(()));
    let pruning = tokio::task::spawn_local(prune(Rc::clone(&worker)));
    let _ = stopping.wait_for(Option::is_some).await;
    for task in accepting {
        task.abort();
    }
    pruning.abort();
    let grace = stopping.borrow().unwrap_or_default();
    let _ = tokio::time::timeout(grace, drained(&worker)).await;
}

async fn drained(worker: &Worker) {
    while worker.connections.get() > 0 {
        worker.all_closed.notified().await;
    }
}

async fn prune(worker: Rc<Worker>) {
    let mut interval = tokio::time::interval(Duration::from_secs(10));
    loop {
        interval.tick().await;
        worker.pool.prune(Instant::now());
    }
}
