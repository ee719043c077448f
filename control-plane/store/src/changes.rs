//! Wake-ups: numbers that change when there may be something new to look at. One for whoever watches states, and one
//! per gateway type for its agents, so that a change wakes those whom it concerns and not a thousand others.
//!
//! On PostgreSQL a commit also notifies the other replicas. A lost connection is made again, and because
//! whatever was notified meanwhile is lost, everybody is woken then.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use gatehouse_schemas::identity::GatewayType;
use sqlx::postgres::PgListener;
use tokio::{sync::watch, task::JoinHandle};
use tracing::{debug, warn};
use uuid::Uuid;

use crate::{
    concern::Concern,
    database::Engine,
    error::{Result, StoreError},
};

/// The channel replicas notify each other on.
pub(crate) const CHANNEL: &str = "gatehouse_changes";

const RECONNECT_DELAY: Duration = Duration::from_secs(1);

pub(crate) struct Changes {
    signals: Arc<Signals>,
    listener: Option<JoinHandle<()>>,
}

/// What this process wakes its own by.
struct Signals {
    /// Goes with notifications, so that a replica need not wake its own twice.
    origin: String,
    states: watch::Sender<u64>,
    agents: Mutex<HashMap<String, watch::Sender<u64>>>,
}

impl Changes {
    pub(crate) async fn start(engine: Engine, url: &str) -> Result<Self> {
        let signals = Arc::new(Signals {
            origin: Uuid::new_v4().simple().to_string(),
            states: watch::Sender::new(0),
            agents: Mutex::default(),
        });
        let listener = match engine {
            Engine::Sqlite => None,
            Engine::Postgres => {
                let listener = listen(url).await.map_err(StoreError::from)?;
                Some(tokio::spawn(forward(listener, url.to_owned(), signals.clone())))
            }
        };
        Ok(Self { signals, listener })
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.signals.states.subscribe()
    }

    pub(crate) fn subscribe_agent(&self, gateway_type: &GatewayType) -> watch::Receiver<u64> {
        let mut agents = self.signals.agents();
        let signal = agents.entry(gateway_type.to_string());
        signal.or_insert_with(|| watch::Sender::new(0)).subscribe()
    }

    pub(crate) fn wake(&self, concern: &Concern) {
        self.signals.wake(concern);
    }

    /// What other replicas are notified with.
    pub(crate) fn notification(&self, concern: &Concern) -> String {
        format!("{} {}", self.signals.origin, concern.to_text())
    }
}

impl Drop for Changes {
    fn drop(&mut self) {
        if let Some(listener) = &self.listener {
            listener.abort();
        }
    }
}

impl Signals {
    fn wake(&self, concern: &Concern) {
        bump(&self.states);
        let agents = self.agents();
        match concern {
            Concern::Everybody => agents.values().for_each(bump),
            Concern::Types(types) => types.iter().filter_map(|name| agents.get(name)).for_each(bump),
        }
    }

    /// What was notified that way by another replica. A text of an older release, which names nobody, is everybody.
    fn take(&self, notification: &str) {
        match notification.split_once(' ') {
            Some((origin, _)) if origin == self.origin => {}
            Some((_, concern)) => self.wake(&Concern::from_text(concern)),
            None => self.wake(&Concern::Everybody),
        }
    }

    fn agents(&self) -> MutexGuard<'_, HashMap<String, watch::Sender<u64>>> {
        self.agents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn bump(signal: &watch::Sender<u64>) {
    signal.send_modify(|number| *number = number.wrapping_add(1));
}

async fn listen(url: &str) -> sqlx::Result<PgListener> {
    let mut listener = PgListener::connect(url).await?;
    listener.listen(CHANNEL).await?;
    Ok(listener)
}

async fn forward(mut listener: PgListener, url: String, signals: Arc<Signals>) {
    loop {
        match listener.try_recv().await {
            Ok(Some(notification)) => signals.take(notification.payload()),
            Ok(None) => {
                debug!("The connection for notifications broke and was made again");
                signals.wake(&Concern::Everybody);
            }
            Err(error) => {
                warn!(%error, "Lost the connection for notifications; connecting again");
                listener = reconnect(&url).await;
                signals.wake(&Concern::Everybody);
            }
        }
    }
}

async fn reconnect(url: &str) -> PgListener {
    loop {
        tokio::time::sleep(RECONNECT_DELAY).await;
        match listen(url).await {
            Ok(listener) => return listener,
            Err(error) => debug!(%error, "PostgreSQL cannot be reached for notifications; trying again"),
        }
    }
}
