//! A gateway that knows what it will serve, and serves nobody yet.

use std::sync::Arc;

use gatehouse_schemas::identity::ExternalRef;
use tokio::{runtime::Handle, task::spawn_blocking};

use crate::{
    config::ApiConfig,
    core::Core,
    error::{ApplyError, StartError},
    gateway::Gateway,
    options::GatewayOptions,
    policy::limits::Stores,
    shared_limits::SharedLimits,
    telemetry::Telemetry,
    worker::cores,
};

/// A gateway before it listens: the last-known-good snapshot is loaded, and APIs can be put in that are served from the
/// first request on.
///
/// ```
/// # async fn example() -> Result<(), gatehouse_gateway_core::StartError> {
/// use gatehouse_gateway_core::{Gateway, GatewayOptions};
///
/// let prepared = Gateway::prepare(GatewayOptions::default()).await?;
/// assert!(prepared.apis().is_empty());
/// let gateway = prepared.serve().await?;
/// gateway.shutdown(std::time::Duration::from_secs(5)).await;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Prepared {
    pub(crate) core: Arc<Core>,
    pub(crate) options: GatewayOptions,
    /// How many threads will carry traffic.
    pub(crate) workers: usize,
}

impl Prepared {
    pub(crate) async fn new(options: GatewayOptions) -> Result<Self, StartError> {
        let workers = options.worker_threads.unwrap_or_else(cores).max(1);
        let shared = options.redis.as_ref().map(SharedLimits::start).transpose()?;
        let telemetry = options.telemetry.as_ref().map(Telemetry::new).transpose()?;
        let core = Core::new(
            workers,
            &options,
            Stores::new(shared),
            telemetry,
            Handle::current(),
        );
        let core = Arc::new(core);
        restore(&core, &options).await?;
        Ok(Self {
            core,
            options,
            workers,
        })
    }

    /// Puts an API in, as [`Gateway::put_api`] does.
    pub async fn put_api(&self, config: ApiConfig) -> Result<(), ApplyError> {
        put(&self.core, config).await
    }

    /// Takes an API out, as [`Gateway::remove_api`] does.
    pub async fn remove_api(&self, api: &ExternalRef) -> Result<(), ApplyError> {
        remove(&self.core, api).await
    }

    /// The APIs that will be served, ordered by reference.
    pub fn apis(&self) -> Vec<Arc<ApiConfig>> {
        apis(&self.core)
    }

    /// Listens and serves.
    pub async fn serve(self) -> Result<Gateway, StartError> {
        Gateway::listen(self).await
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

pub(crate) async fn put(core: &Arc<Core>, config: ApiConfig) -> Result<(), ApplyError> {
    let core = Arc::clone(core);
    let api = config.external_ref.clone();
    spawn_blocking(move || core.put(config))
        .await
        .unwrap_or_else(|error| Err(aborted(api, &error)))
}

pub(crate) async fn remove(core: &Arc<Core>, api: &ExternalRef) -> Result<(), ApplyError> {
    let core = Arc::clone(core);
    let (api, removed) = (api.clone(), api.clone());
    spawn_blocking(move || core.remove(&removed))
        .await
        .unwrap_or_else(|error| Err(aborted(api, &error)))
}

pub(crate) fn apis(core: &Core) -> Vec<Arc<ApiConfig>> {
    let table = core.shared.table.load();
    table.apis.values().map(|api| Arc::clone(&api.config)).collect()
}

fn aborted(api: ExternalRef, error: &tokio::task::JoinError) -> ApplyError {
    ApplyError::Invalid {
        api,
        reason: format!("the change was broken off: {error}"),
    }
}
