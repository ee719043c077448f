//! The gateway as its embedder sees it: start, put APIs in, take them out, shut down.

use std::{
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use gatehouse_schemas::identity::ExternalRef;
use http::Method;
use tokio::task::{AbortHandle, spawn_blocking};

use crate::{
    admin,
    config::ApiConfig,
    core::Core,
    error::{ApplyError, StartError},
    options::{GatewayOptions, ListenerOptions, ListenerProtocol},
    prepared::{self, Prepared},
    telemetry::Exporting,
    tls::CertificateError,
    worker::Workers,
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
    /// Ends with the gateway.
    _watching: Option<Watching>,
    workers: Workers,
    /// Ends with the gateway.
    exporting: Option<Exporting>,
    options: GatewayOptions,
}

/// The task that looks for new certificates.
#[derive(Debug)]
struct Watching(AbortHandle);

impl Drop for Watching {
    fn drop(&mut self) {
        self.0.abort();
    }
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
        Self::prepare(options).await?.serve().await
    }

    /// Loads the last-known-good snapshot. APIs that are put in before it listens are served from the first request
    /// on, and no caller finds them missing.
    pub async fn prepare(options: GatewayOptions) -> Result<Prepared, StartError> {
        Prepared::new(options).await
    }

    pub(crate) async fn listen(prepared: Prepared) -> Result<Self, StartError> {
        let Prepared {
            core,
            options,
            workers: count,
        } = prepared;
        let listen = |protocol| {
            let listener = ListenerOptions {
                protocol,
                proxy_protocol: options.proxy_protocol,
            };
            add_listener(&core, &listener, &options)
        };
        let address = listen(ListenerProtocol::Http(options.listen))?;
        let tls_address = match &options.tls {
            Some(tls) => Some(listen(ListenerProtocol::Https(tls.clone()))?),
            None => None,
        };
        let admin = match options.admin_listen {
            Some(address) => Some(start_admin(address, &core)?),
            None => None,
        };
        let workers = Workers::start(count, &core.shared, Arc::clone(&core.listeners));
        Ok(Self {
            address,
            tls_address,
            admin,
            _watching: watch_certificates(&core, options.certificate_check),
            workers: workers.map_err(StartError::Worker)?,
            exporting: core
                .shared
                .telemetry
                .as_ref()
                .map(|telemetry| Exporting::start(telemetry, &core)),
            options,
            core,
        })
    }

    /// Listens at one more address, which the answer says: port 0 takes a free one.
    pub async fn add_listener(&self, listener: ListenerOptions) -> Result<SocketAddr, StartError> {
        let (core, options) = (Arc::clone(&self.core), self.options.clone());
        let address = listener.protocol.address();
        let adding = spawn_blocking(move || add_listener(&core, &listener, &options));
        adding.await.unwrap_or_else(|error| {
            Err(StartError::Listen {
                address,
                source: error.into(),
            })
        })
    }

    /// Stops listening at an address, and resolves when it is free. Requests in flight there are answered; the
    /// connections end after that, HTTP/2 with GOAWAY, HTTP/1.1 with `Connection: close`. False if nobody listened.
    pub async fn remove_listener(&self, address: SocketAddr) -> bool {
        self.core.listeners.remove(address).await
    }

    /// Reads those certificates again whose files have changed, for handshakes from now on. Says what is wrong with
    /// those that cannot be used; what they were before stays in use. The gateway looks by itself as well, as often
    /// as [`GatewayOptions::certificate_check`] says.
    pub async fn reload_certificates(&self) -> Vec<CertificateError> {
        let core = Arc::clone(&self.core);
        match spawn_blocking(move || core.reload_certificates()).await {
            Ok(errors) => errors,
            Err(error) => {
                tracing::error!(error = %error, "Reading certificates again was broken off");
                Vec::new()
            }
        }
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
        prepared::put(&self.core, config).await
    }

    /// Stops serving an API. One that is already gone is no error.
    pub async fn remove_api(&self, api: &ExternalRef) -> Result<(), ApplyError> {
        prepared::remove(&self.core, api).await
    }

    /// The APIs being served, ordered by reference.
    pub fn apis(&self) -> Vec<Arc<ApiConfig>> {
        prepared::apis(&self.core)
    }

    /// One API as it is being served.
    pub fn api(&self, api: &ExternalRef) -> Option<Arc<ApiConfig>> {
        let table = self.core.shared.table.load();
        table.apis.get(api).map(|api| Arc::clone(&api.config))
    }

    /// Whether a request with this method, host and path, and nothing else that routes go by, has a route now. It is
    /// looked up as that of a request is.
    ///
    /// ```
    /// # async fn example(gateway: gatehouse_gateway_core::Gateway) {
    /// assert!(!gateway.has_route(&http::Method::GET, "shop.example.com", "/nothing/there"));
    /// # }
    /// ```
    pub fn has_route(&self, method: &Method, host: &str, path: &str) -> bool {
        self.core.has_route(method, host, path)
    }

    /// From now on, nothing that an API answered before comes from the cache: of everything, or of what its upstream
    /// marked with a tag (`Surrogate-Key`, `Cache-Tag`). An answer that is on its way into the cache counts as given
    /// before. What is purged elsewhere by chance is only fetched again.
    pub fn purge_cache(&self, api: &ExternalRef, tag: Option<&str>) {
        self.core.purge(api, tag);
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

    /// Stops listening, lets requests in flight finish for up to `grace`, then closes what is left. Then telemetry that
    /// was not exported yet is, as far as [`TelemetryOptions::flush`](crate::TelemetryOptions::flush) allows.
    pub async fn shutdown(self, grace: Duration) {
        // The last metrics are taken from it.
        let _held = Arc::clone(&self.core);
        let (workers, core) = (self.workers, self.core);
        let stopping = spawn_blocking(move || {
            workers.stop(grace);
            core.save_counts();
        });
        if let Err(error) = stopping.await {
            tracing::error!(error = %error, "The gateway did not stop cleanly");
        }
        if let Some(exporting) = self.exporting {
            exporting.flush().await;
        }
    }
}

fn add_listener(
    core: &Core,
    listener: &ListenerOptions,
    options: &GatewayOptions,
) -> Result<SocketAddr, StartError> {
    if listener.proxy_protocol && options.trusted_proxies.is_empty() {
        return Err(StartError::UntrustedProxies);
    }
    core.listen(listener, options.share_ports)
}

fn watch_certificates(core: &Arc<Core>, every: Duration) -> Option<Watching> {
    if every.is_zero() {
        return None;
    }
    let core = Arc::downgrade(core);
    let task = tokio::spawn(async move {
        loop {
            tokio::time::sleep(every).await;
            let Some(core) = core.upgrade() else {
                return;
            };
            // What is wrong is told where it is found.
            let _ = spawn_blocking(move || core.reload_certificates()).await;
        }
    });
    Some(Watching(task.abort_handle()))
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
