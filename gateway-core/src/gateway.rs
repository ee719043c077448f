//! The gateway as its embedder sees it: start, put APIs in, take them out, shut down.

use std::{
    net::{SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use arc_swap::ArcSwap;
use gatehouse_schemas::identity::ExternalRef;
use tokio::sync::Mutex;

use crate::{
    api::{Api, Parts},
    config::ApiConfig,
    error::{ApplyError, StartError},
    metrics::{self, ApiMetrics},
    options::GatewayOptions,
    policy::Compiler,
    upstream::Endpoints,
    worker::{Listeners, Shared, Workers},
};

/// A running gateway. It serves until it is shut down or dropped.
#[derive(Debug)]
pub struct Gateway {
    address: SocketAddr,
    tls_address: Option<SocketAddr>,
    admin_address: Option<SocketAddr>,
    core: Arc<Core>,
    workers: Workers,
}

/// What outlives single calls.
#[derive(Debug)]
struct Core {
    shared: Arc<Shared>,
    endpoints: Endpoints,
    compiler: Compiler,
    worker_count: usize,
    /// Held while a change is made, so that changes happen one after the other.
    changing: Mutex<()>,
    ready: AtomicBool,
}

impl Gateway {
    /// Starts a gateway: loads the last-known-good snapshot, then listens. Must be called within a Tokio
    /// runtime, on which the slow work (health, key sets, snapshots) runs; traffic has its own threads.
    pub async fn start(options: GatewayOptions) -> Result<Self, StartError> {
        let (plain, address) = listen(options.listen)?;
        let worker_count = options.worker_threads.unwrap_or_else(cores).max(1);
        let shared = Arc::new(Shared {
            table: ArcSwap::default(),
            unrouted: ApiMetrics::new(worker_count),
            access_log: options.access_log,
        });
        let listeners = Listeners { plain, tls: None };
        let workers = Workers::start(worker_count, &shared, &listeners).map_err(StartError::Worker)?;
        let core = Arc::new(Core {
            shared,
            endpoints: Endpoints::default(),
            compiler: Compiler::default(),
            worker_count,
            changing: Mutex::default(),
            ready: AtomicBool::new(false),
        });
        Ok(Self {
            address,
            tls_address: None,
            admin_address: None,
            core,
            workers,
        })
    }

    /// Where plain HTTP is served.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where HTTPS is served.
    pub fn tls_address(&self) -> Option<SocketAddr> {
        self.tls_address
    }

    /// Where health and metrics are served.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin_address
    }

    /// Serves an API, new or in place of what was served under the same reference. It is compiled and
    /// validated first, then durable on disk, then active at once for every new request. After an error
    /// the old one keeps serving; other APIs are never touched.
    pub async fn put_api(&self, config: ApiConfig) -> Result<(), ApplyError> {
        let core = &self.core;
        let _changing = core.changing.lock().await;
        let table = core.shared.table.load_full();
        let parts = Parts {
            endpoints: &core.endpoints,
            compiler: &core.compiler,
            workers: core.worker_count,
            previous: table.apis.get(&config.external_ref).map(Arc::as_ref),
        };
        let api = Api::compile(config, &parts)?;
        core.shared.table.store(Arc::new(table.with(Arc::new(api))));
        Ok(())
    }

    /// Stops serving an API. One that is already gone is no error.
    pub async fn remove_api(&self, api: &ExternalRef) -> Result<(), ApplyError> {
        let core = &self.core;
        let _changing = core.changing.lock().await;
        let table = core.shared.table.load_full();
        core.shared.table.store(Arc::new(table.without(api)));
        Ok(())
    }

    /// The APIs being served, ordered by reference.
    pub fn apis(&self) -> Vec<Arc<ApiConfig>> {
        let table = self.core.shared.table.load();
        table.apis.values().map(|api| Arc::clone(&api.config)).collect()
    }

    /// One API as it is being served.
    pub fn api(&self, api: &ExternalRef) -> Option<Arc<ApiConfig>> {
        let table = self.core.shared.table.load();
        table.apis.get(api).map(|api| Arc::clone(&api.config))
    }

    /// The metrics in Prometheus' text format, as `/metrics` serves them.
    pub fn metrics_text(&self) -> String {
        let table = self.core.shared.table.load();
        let mut apis: Vec<_> = table
            .apis
            .values()
            .map(|api| (api.name.to_string(), Arc::clone(&api.metrics)))
            .collect();
        apis.push((String::new(), Arc::clone(&self.core.shared.unrouted)));
        let mut text = String::new();
        metrics::write(&apis, &mut text);
        text
    }

    /// Says that the embedder has put in everything it knows of, so that `/readyz` answers 200 even
    /// though no snapshot was found at the start.
    pub fn mark_ready(&self) {
        self.core.ready.store(true, Ordering::Release);
    }

    /// Stops listening, lets requests in flight finish for up to `grace`, then closes what is left.
    pub async fn shutdown(self, grace: Duration) {
        let stopping = tokio::task::spawn_blocking(move || self.workers.stop(grace));
        if let Err(error) = stopping.await {
            tracing::error!(error = %error, "The gateway did not stop cleanly");
        }
    }
}

fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let failed = |source| StartError::Listen { address, source };
    let listener = TcpListener::bind(address).map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

fn cores() -> usize {
    thread::available_parallelism().map_or(1, std::num::NonZero::get)
}
