//! Starting and stopping a server.

use std::{fs, io, net::SocketAddr, path::PathBuf, time::Duration};

use axum::{Router, serve::ListenerExt as _};
use gatehouse_control_plane_store::{EncryptionKey, Store, StoreError};
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{
    bootstrap, drift_policy, health, options::ServerOptions, reconcile, rollouts, routes, schedules,
    state::AppState,
};

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data folder cannot be used.
    #[error("the data folder `{path}` cannot be used; give one that this user can write to")]
    DataDir {
        /// Which folder or file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// An address cannot be listened on.
    #[error("cannot listen on {address}; choose another address or stop what listens there")]
    Listen {
        /// Which address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The key file of an existing database is not there.
    #[error(
        "the key file `{path}` is missing, but the database has secrets that key `{key_id}` encrypts; \
         put that key file back, from a backup or from where it was moved"
    )]
    KeyMissing {
        /// Where it should be.
        path: PathBuf,
        /// Which key the database wants.
        key_id: String,
    },
    /// The database or the key file cannot be used.
    #[error("the database cannot be used")]
    Store(#[from] StoreError),
    /// The first admin token could not be made.
    #[error("the first admin token could not be made: {0}")]
    FirstToken(String),
}

/// A running control plane.
#[derive(Debug)]
pub struct Server {
    state: AppState,
    address: SocketAddr,
    admin_address: Option<SocketAddr>,
    admin_token_file: Option<PathBuf>,
    tasks: JoinSet<()>,
}

impl Server {
    /// Opens the database, makes the key file and the first admin token where there are none, and listens.
    pub async fn start(options: ServerOptions) -> Result<Self, StartError> {
        bootstrap::data_dir(&options.data_dir)?;
        let state = open(&options).await?;
        let admin_token_file = bootstrap::first_admin_token(&state, &options.data_dir).await?;
        let mut tasks = JoinSet::new();
        let address = spawn(
            &mut tasks,
            options.listen,
            routes::router(state.clone()),
            &state.shutdown,
        )
        .await?;
        let admin_address = match options.admin_listen {
            Some(listen) => Some(spawn(&mut tasks, listen, admin_router(&state), &state.shutdown).await?),
            None => None,
        };
        tasks.spawn(reconcile::run(state.clone()));
        tasks.spawn(schedules::run(state.clone()));
        tasks.spawn(rollouts::run(state.clone()));
        tasks.spawn(drift_policy::run(state.clone()));
        info!(listen = %address, "The control plane listens on `{address}`");
        Ok(Self {
            state,
            address,
            admin_address,
            admin_token_file,
            tasks,
        })
    }

    /// Where the Admin API and the Agent API listen.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where health and metrics are, if anywhere.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin_address
    }

    /// The file of the first admin token, if it is still there.
    pub fn admin_token_file(&self) -> Option<PathBuf> {
        self.admin_token_file.clone()
    }

    /// The database.
    pub fn store(&self) -> &Store {
        &self.state.store
    }

    pub(crate) fn state(&self) -> &AppState {
        &self.state
    }

    /// Stops taking requests, ends long polls, and waits at most `grace` for the requests under way.
    pub async fn shutdown(mut self, grace: Duration) {
        self.state.shutdown.cancel();
        let finished = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(grace, finished).await.is_err() {
            warn!("Requests were still under way after {grace:?}; they are broken off");
            self.tasks.shutdown().await;
        }
        self.state.store.close().await;
    }
}

async fn open(options: &ServerOptions) -> Result<AppState, StartError> {
    let path = options.data_dir.join("key");
    let is_new = path.symlink_metadata().is_err();
    let key = EncryptionKey::from_file_or_create(&path)?;
    match AppState::open(&options.database_url, key, options.lease).await {
        Err(StoreError::WrongKey { expected, .. }) if is_new => {
            // A new key in the place of the lost one would hide that it is lost.
            fs::remove_file(&path).map_err(|source| bootstrap::data_error(&path, source))?;
            Err(StartError::KeyMissing {
                path,
                key_id: expected,
            })
        }
        opened => Ok(opened?),
    }
}

fn admin_router(state: &AppState) -> Router {
    routes::observed(health::router(), state.clone())
}

async fn spawn(
    tasks: &mut JoinSet<()>,
    listen: SocketAddr,
    router: Router,
    shutdown: &CancellationToken,
) -> Result<SocketAddr, StartError> {
    let failed = |source| StartError::Listen {
        address: listen,
        source,
    };
    let listener = TcpListener::bind(listen).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let listener = listener.tap_io(|connection| {
        // Small answers must not wait for an acknowledgement; without it they are only slower.
        let _ = connection.set_nodelay(true);
    });
    // Made a service once; a router itself would be copied, route by route, for every connection.
    let service = router.into_make_service();
    let serve = axum::serve(listener, service).with_graceful_shutdown(shutdown.clone().cancelled_owned());
    tasks.spawn(async move {
        if let Err(error) = serve.await {
            tracing::error!(error = %error, "The listener on `{address}` broke");
        }
    });
    Ok(address)
}
