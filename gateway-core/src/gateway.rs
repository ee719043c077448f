//! The gateway as its embedder sees it: start, put APIs in, take them out, shut down.

use std::{
    net::{SocketAddr, TcpListener},
    num::NonZero,
    sync::Arc,
    thread,
    time::Duration,
};

use gatehouse_schemas::identity::ExternalRef;
use tokio::{
    runtime::Handle,
    task::{AbortHandle, spawn_blocking},
};

use crate::{
    admin,
    config::ApiConfig,
    core::Core,
    error::{ApplyError, StartError},
    options::GatewayOptions,
    policy::limits::Stores,
    shared_limits::SharedLimits,
    tls,
    worker::{Listeners, Workers},
};

/// A running gateway. It serves until it is shut down or dropped.
///
/// ```
/// # async fn example() -> Result<(), gatehouse_gateway_core::StartError> {
/// use gatehouse_gateway_core::{Gateway, GatewayOptions};
///
/// let gateway = Gateway::start(GatewayOptions::default()).await?;
/// assert!(gateway.apis().is_empty());
/// gateway.shutdown(std::time::Duration::from_secs(5)).await;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Gateway {
    address: SocketAddr,
    tls_address: Option<SocketAddr>,
    admin: Option<Admin>,
    core: Arc<Core>,
    workers: Workers,
}

/// The admin listener; it ends with the gateway.
#[derive(Debug)]
struct Admin {
    address: SocketAddr,
    task: AbortHandle,
}

impl Drop for Admin {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Gateway {
    /// Starts a gateway: loads the last-known-good snapshot, then listens. Must be called within a Tokio
    /// runtime, on which the slow work (health, key sets, snapshots) runs; traffic has its own threads.
    pub async fn start(options: GatewayOptions) -> Result<Self, StartError> {
        let count = options.worker_threads.unwrap_or_else(cores).max(1);
        let shared = options.redis.as_ref().map(SharedLimits::start).transpose()?;
        let core = Core::new(count, &options, Stores::new(shared), Handle::current());
        let core = Arc::new(core);
        restore(&core, &options).await?;
        let (plain, address) = listen(options.listen)?;
        let (tls, tls_address) = match &options.tls {
            Some(tls) => {
                let acceptor = tls::acceptor(tls)?;
                let (listener, address) = listen(tls.listen)?;
                (Some((listener, acceptor)), Some(address))
            }
            None => (None, None),
        };
        let admin = match options.admin_listen {
            Some(address) => Some(start_admin(address, &core)?),
            None => None,
        };
        let workers =
            Workers::start(count, &core.shared, &Listeners { plain, tls }).map_err(StartError::Worker)?;
        Ok(Self {
            address,
            tls_address,
            admin,
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
        self.admin.as_ref().map(|admin| admin.address)
    }

    /// Serves an API, new or in place of what was served under the same reference.
    ///
    /// It is compiled and validated first, then durable on disk, then active at once for every new
    /// request; a request under way keeps what it began with. After an error the old one keeps serving.
    /// Other APIs are never touched. Once begun, a change is completed even if the caller stops waiting.
    pub async fn put_api(&self, config: ApiConfig) -> Result<(), ApplyError> {
        let core = Arc::clone(&self.core);
        let api = config.external_ref.clone();
        spawn_blocking(move || core.put(config))
            .await
            .unwrap_or_else(|error| Err(aborted(api, &error)))
    }

    /// Stops serving an API. One that is already gone is no error.
    pub async fn remove_api(&self, api: &ExternalRef) -> Result<(), ApplyError> {
        let core = Arc::clone(&self.core);
        let (api, removed) = (api.clone(), api.clone());
        spawn_blocking(move || core.remove(&removed))
            .await
            .unwrap_or_else(|error| Err(aborted(api, &error)))
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
        self.core.metrics_text()
    }

    /// Has `/metrics` tell, beside the gateway's own, what the embedder counts: lines in Prometheus' text format, of
    /// the last source that was given.
    pub fn add_metrics(&self, more: impl Fn() -> String + Send + Sync + 'static) {
        self.core.add_metrics(more);
    }

    /// Says that the embedder has put in everything it knows of, so that `/readyz` answers 200 even
    /// though no snapshot was found at the start.
    pub fn mark_ready(&self) {
        self.core.mark_ready();
    }

    /// Whether `/readyz` answers 200: a snapshot was loaded, or the embedder said so.
    pub fn is_ready(&self) -> bool {
        self.core.is_ready()
    }

    /// Stops listening, lets requests in flight finish for up to `grace`, then closes what is left.
    pub async fn shutdown(self, grace: Duration) {
        let (workers, core) = (self.workers, self.core);
        let stopping = spawn_blocking(move || {
            workers.stop(grace);
            core.save_counts();
        });
        if let Err(error) = stopping.await {
            tracing::error!(error = %error, "The gateway did not stop cleanly");
        }
    }
}

async fn restore(core: &Arc<Core>, options: &GatewayOptions) -> Result<(), StartError> {
    let Some(folder) = options.state_dir.clone() else {
        return Ok(());
    };
    let reading = {
        let (core, folder) = (Arc::clone(core), folder.clone());
        spawn_blocking(move || core.restore(&folder))
    };
    let read = reading.await.unwrap_or_else(|error| Err(error.into()));
    read.map_err(|source| StartError::State { folder, source })
}

fn aborted(api: ExternalRef, error: &tokio::task::JoinError) -> ApplyError {
    ApplyError::Invalid {
        api,
        reason: format!("the change was broken off: {error}"),
    }
}

fn start_admin(address: SocketAddr, core: &Arc<Core>) -> Result<Admin, StartError> {
    let (listener, bound) = listen(address)?;
    let failed = |source| StartError::Listen { address, source };
    listener.set_nonblocking(true).map_err(failed)?;
    let listener = tokio::net::TcpListener::from_std(listener).map_err(failed)?;
    let task = tokio::spawn(admin::serve(listener, Arc::clone(core)));
    Ok(Admin {
        address: bound,
        task: task.abort_handle(),
    })
}

fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let failed = |source| StartError::Listen { address, source };
    let listener = TcpListener::bind(address).map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

fn cores() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}
