//! What is served and how it changes: compile, write, swap.

use std::{
    collections::BTreeMap,
    fmt, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use gatehouse_schemas::identity::ExternalRef;
use http::{HeaderMap, Method};
use rustls::DistinguishedName;
use tokio::runtime::Handle;
use tracing::{error, info, warn};

use crate::{
    api::{Api, Parts},
    config::ApiConfig,
    error::{ApplyError, StartError, chain},
    metrics::Registry,
    options::{GatewayOptions, ListenerOptions, ListenerProtocol},
    policy::{
        Compiler,
        cache::{self, store::Name},
        limits::Stores,
        wasm::Modules,
    },
    proxy::{budget::BodyBudget, origin::TrustedProxies},
    router::{Lookup, path::NormalPath, rule::RequestView},
    snapshot::Store,
    table::Table,
    telemetry::Telemetry,
    tls::{Authorities, CertificateError, Tls},
    upstream::{Endpoints, gauges},
    worker::{Lifetimes, Listeners, Shared},
};

/// How long one end of a WebSocket may be silent once the other is done.
const HALF_OPEN: Duration = Duration::from_secs(30);

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
    pub(crate) listeners: Arc<Listeners>,
    /// Whose certificates callers are asked for at HTTPS listeners.
    authorities: Mutex<Authorities>,
    /// Of which authorities all callers there must bring one, if any.
    client_authorities_file: Option<PathBuf>,
    endpoints: Endpoints,
    compiler: Compiler,
    answers: Arc<cache::store::Store>,
    metrics: Registry,
    /// What the embedder tells beside them.
    more_metrics: Mutex<Option<MoreMetrics>>,
    /// Held while a change is made, so that changes happen one after the other.
    store: Mutex<Option<Store>>,
    ready: AtomicBool,
}

impl Core {
    /// Nothing is served yet.
    pub(crate) fn new(
        workers: usize,
        options: &GatewayOptions,
        stores: Stores,
        telemetry: Option<Arc<Telemetry>>,
        runtime: Handle,
    ) -> Self {
        let metrics = Registry::new(workers);
        let answers = cache::store::Store::new(options.cache_bytes);
        let modules = Modules::new(options.policy_modules.clone(), options.policy_module_bytes);
        let shared = Arc::new(Shared {
            table: ArcSwap::default(),
            unrouted: metrics.get(&Arc::from("")),
            access_log: options.access_log,
            telemetry,
            bodies: BodyBudget::new(options.held_body_bytes),
            head_timeout: options.head_timeout,
            stall_timeout: options.stall_timeout,
            trusted_proxies: TrustedProxies::of(options),
            websockets: Lifetimes {
                idle: options.websocket_idle,
                half_open: HALF_OPEN,
                whole: options.websocket_lifetime,
            },
        });
        Self {
            shared,
            listeners: Arc::default(),
            authorities: Mutex::default(),
            client_authorities_file: options.client_authorities_file.clone(),
            endpoints: Endpoints::new(runtime.clone()),
            compiler: Compiler::new(runtime, Arc::clone(&answers), stores, modules),
            answers,
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
            apis = table.apis.size(),
            "Serving {} APIs from the snapshot",
            table.apis.size()
        );
        self.publish(table, true);
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
        let asks = |api: &Api| api.certificate_authorities().next().is_some();
        let asking = asks(&api) || current.is_some_and(|old| asks(old));
        self.publish(table.with(Arc::new(api)), asking);
        Ok(())
    }

    /// Serves a table. Callers are asked for certificates before the first request that needs one is let in.
    fn publish(&self, table: Table, authorities_may_differ: bool) {
        if authorities_may_differ {
            self.ask_for_certificates(&table);
        }
        self.shared.table.store(Arc::new(table));
    }

    fn ask_for_certificates(&self, table: &Table) {
        let wanted = table.apis.values().flat_map(|api| api.certificate_authorities());
        let wanted: BTreeMap<&[u8], &DistinguishedName> =
            wanted.map(|authority| (authority.as_ref(), authority)).collect();
        let mut authorities = self.authorities.lock().unwrap_or_else(PoisonError::into_inner);
        if authorities.iter().map(AsRef::as_ref).eq(wanted.keys().copied()) {
            return;
        }
        *authorities = wanted.into_values().cloned().collect();
        for tls in self.listeners.tls() {
            if let Err(error) = tls.ask_for(authorities.clone()) {
                error!(
                    error = %chain(&error),
                    "Callers cannot be asked for certificates, so nobody is let in to APIs with `auth.mtls`"
                );
            }
        }
    }

    /// Begins to listen. Must be called within a Tokio runtime.
    pub(crate) fn listen(
        &self,
        listener: &ListenerOptions,
        share_port: bool,
    ) -> Result<SocketAddr, StartError> {
        // Held until the listener is there, so that it misses no change.
        let authorities = self.authorities.lock().unwrap_or_else(PoisonError::into_inner);
        let tls = match &listener.protocol {
            ListenerProtocol::Http(_) => None,
            ListenerProtocol::Https(options) => {
                let required = self.client_authorities_file.as_deref();
                Some(Arc::new(Tls::open(options, authorities.clone(), required)?))
            }
        };
        let address = listener.protocol.address();
        self.listeners
            .add(address, tls, listener.proxy_protocol, share_port)
            .map_err(|source| StartError::Listen { address, source })
    }

    /// Reads certificates again whose files have changed, and says of each that cannot be used why.
    pub(crate) fn reload_certificates(&self) -> Vec<CertificateError> {
        let errors: Vec<_> = self.listeners.tls().iter().flat_map(|tls| tls.reload()).collect();
        for error in &errors {
            warn!(error = %error, "A certificate has changed and cannot be used; what it was before stays in use");
        }
        errors
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
            self.publish(table.without(api), true);
        }
        Ok(())
    }

    /// The metrics in Prometheus' text format.
    pub(crate) fn metrics_text(&self) -> String {
        let table = self.shared.table.load();
        let apis = table.apis.size();
        let mut text = self.metrics.text();
        let upstreams = table.apis.values().map(|api| (&*api.name, &*api.upstreams));
        text.push_str(&gauges::text(upstreams));
        text.push_str(
            "# HELP gatehouse_gateway_apis APIs being served.\n# TYPE gatehouse_gateway_apis gauge\n",
        );
        text.push_str(&format!("gatehouse_gateway_apis {apis}\n"));
        text.push_str(&self.shared.bodies.text());
        text.push_str(&self.answers.text());
        text.push_str(&self.compiler.modules.text());
        if let Some(shared) = &self.compiler.stores.shared {
            text.push_str(&shared.metrics_text());
        }
        if let Some(telemetry) = &self.shared.telemetry {
            text.push_str(&telemetry.text());
        }
        let more = self.more_metrics.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(MoreMetrics(more)) = more.as_ref() {
            text.push_str(&more());
        }
        text
    }

    /// Whether an API is served.
    pub(crate) fn serves(&self, api: &ExternalRef) -> bool {
        self.shared.table.load().apis.contains_key(api)
    }

    /// Whether a request without headers and query has a route.
    pub(crate) fn has_route(&self, method: &Method, host: &str, path: &str) -> bool {
        let Ok(path) = NormalPath::parse(path) else {
            return false;
        };
        let view = RequestView {
            method,
            headers: &HeaderMap::new(),
            query: None,
        };
        let table = self.shared.table.load();
        matches!(table.router.find(host, &path, &view), Lookup::Found(_))
    }

    /// From now on, nothing that an API answered before comes from the cache; only what has the tag, if there is one.
    pub(crate) fn purge(&self, api: &ExternalRef, tag: Option<&str>) {
        let name = match tag {
            Some(tag) => Name::Tag(&api.0, tag),
            None => Name::Api(&api.0),
        };
        self.answers.purge(&name);
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
