//! What is served and how it changes: compile, write, swap.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use arc_swap::ArcSwap;
use gatehouse_schemas::identity::ExternalRef;
use tokio::runtime::Handle;
use tracing::{error, info};

use crate::{
    api::{Api, Parts},
    config::ApiConfig,
    error::{ApplyError, chain},
    metrics::Registry,
    options::GatewayOptions,
    policy::{Compiler, limits::Stores},
    snapshot::Store,
    table::Table,
    upstream::Endpoints,
    worker::Shared,
};

/// Metrics that are not the gateway's, in the same text format.
struct MoreMetrics(Box<dyn Fn() -> String + Send + Sync>);

impl fmt::Debug for MoreMetrics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("MoreMetrics").finish_non_exhaustive()
    }
}

/// The state of a gateway, shared by its embedder's calls, its workers and its admin listener.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) shared: Arc<Shared>,
    endpoints: Endpoints,
    compiler: Compiler,
    metrics: Registry,
    /// What the embedder tells beside them.
    more_metrics: Mutex<Option<MoreMetrics>>,
    /// Held while a change is made, so that changes happen one after the other.
    store: Mutex<Option<Store>>,
    ready: AtomicBool,
}

impl Core {
    /// Nothing is served yet.
    pub(crate) fn new(workers: usize, options: &GatewayOptions, stores: Stores, runtime: Handle) -> Self {
        let metrics = Registry::new(workers);
        let shared = Arc::new(Shared {
            table: ArcSwap::default(),
            unrouted: metrics.get(&Arc::from("")),
            access_log: options.access_log,
            head_timeout: options.head_timeout,
        });
        Self {
            shared,
            endpoints: Endpoints::default(),
            compiler: Compiler::new(runtime, stores),
            metrics,
            more_metrics: Mutex::default(),
            store: Mutex::default(),
            ready: AtomicBool::new(false),
        }
    }

    /// Serves what was served last. An API that cannot be compiled is left out: no answer is better than
    /// one without its policies.
    pub(crate) fn restore(&self, folder: &Path) -> io::Result<()> {
        let (store, snapshot) = Store::open(folder)?;
        self.compiler.keep_counts(folder);
        let mut table = Table::default();
        for config in snapshot.iter().flatten() {
            match self.compile(config.clone()) {
                Ok(api) => table = table.with(Arc::new(api)),
                Err(error) => error!(
                    api.reference = %config.external_ref, error = %chain(&error),
                    "API `{}` of the snapshot cannot be served; deploy it again", config.external_ref
                ),
            }
        }
        info!(
            apis = table.apis.len(),
            "Serving {} APIs from the snapshot",
            table.apis.len()
        );
        self.shared.table.store(Arc::new(table));
        *self.store.lock().unwrap_or_else(PoisonError::into_inner) = Some(store);
        if snapshot.is_some() {
            self.mark_ready();
        }
        Ok(())
    }

    /// Compiles, writes, swaps. Takes a while: the write waits for the disk.
    pub(crate) fn put(&self, config: ApiConfig) -> Result<(), ApplyError> {
        let mut store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        let table = self.shared.table.load_full();
        let current = table.apis.get(&config.external_ref);
        if current.is_some_and(|api| *api.config == config) {
            return Ok(());
        }
        let api = self.compile(config)?;
        if let Some(store) = store.as_mut() {
            let written = store.put(&api.config);
            written.map_err(|source| not_written(&api.config.external_ref, store.folder(), source))?;
        }
        self.shared.table.store(Arc::new(table.with(Arc::new(api))));
        Ok(())
    }

    /// Writes, swaps.
    pub(crate) fn remove(&self, api: &ExternalRef) -> Result<(), ApplyError> {
        let mut store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(store) = store.as_mut() {
            let written = store.remove(api);
            written.map_err(|source| not_written(api, store.folder(), source))?;
        }
        let table = self.shared.table.load_full();
        if table.apis.contains_key(api) {
            self.shared.table.store(Arc::new(table.without(api)));
        }
        Ok(())
    }

    /// The metrics in Prometheus' text format.
    pub(crate) fn metrics_text(&self) -> String {
        let apis = self.shared.table.load().apis.len();
        let mut text = self.metrics.text();
        text.push_str(
            "# HELP gatehouse_gateway_apis APIs being served.\n# TYPE gatehouse_gateway_apis gauge\n",
        );
        text.push_str(&format!("gatehouse_gateway_apis {apis}\n"));
        if let Some(shared) = &self.compiler.stores.shared {
            text.push_str(&shared.metrics_text());
        }
        let more = self.more_metrics.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(MoreMetrics(more)) = more.as_ref() {
            text.push_str(&more());
        }
        text
    }

    /// Tells of more metrics; of those from the last such source.
    pub(crate) fn add_metrics(&self, more: impl Fn() -> String + Send + Sync + 'static) {
        let mut held = self.more_metrics.lock().unwrap_or_else(PoisonError::into_inner);
        *held = Some(MoreMetrics(Box::new(more)));
    }

    /// Writes what would otherwise be lost at the end. Waits for the disk.
    pub(crate) fn save_counts(&self) {
        self.compiler.stores.save();
    }

    pub(crate) fn mark_ready(&self) {
        self.ready.store(true, Ordering::Release);
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    fn compile(&self, config: ApiConfig) -> Result<Api, ApplyError> {
        let parts = Parts {
            endpoints: &self.endpoints,
            compiler: &self.compiler,
            metrics: &self.metrics,
        };
        Api::compile(config, &parts)
    }
}

fn not_written(api: &ExternalRef, folder: &Path, source: io::Error) -> ApplyError {
    ApplyError::Snapshot {
        api: api.clone(),
        folder: PathBuf::from(folder),
        source,
    }
}
