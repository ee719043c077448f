//! The wake-up: a number that changes when there may be something new to look at.
//!
//! On PostgreSQL a commit also notifies the other replicas. A lost connection is made again, and because
//! whatever was notified meanwhile is lost, everybody is woken then.

use std::time::Duration;

use sqlx::postgres::PgListener;
use tokio::{sync::watch, task::JoinHandle};
use tracing::{debug, warn};

use crate::{
    database::Engine,
    error::{Result, StoreError},
};

/// The channel replicas notify each other on.
pub(crate) const CHANNEL: &str = "gatehouse_changes";

const RECONNECT_DELAY: Duration = Duration::from_secs(1);

pub(crate) struct Changes {
    sender: watch::Sender<u64>,
    listener: Option<JoinHandle<()>>,
}

impl Changes {
    pub(crate) async fn start(engine: Engine, url: &str) -> Result<Self> {
        let (sender, _) = watch::channel(0);
        let listener = match engine {
            Engine::Sqlite => None,
            Engine::Postgres => {
                let listener = listen(url).await.map_err(StoreError::from)?;
                Some(tokio::spawn(forward(listener, url.to_owned(), sender.clone())))
            }
        };
        Ok(Self { sender, listener })
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.sender.subscribe()
    }

    pub(crate) fn wake(&self) {
        wake(&self.sender);
    }
}

impl Drop for Changes {
    fn drop(&mut self) {
        if let Some(listener) = &self.listener {
            listener.abort();
        }
    }
}

fn wake(sender: &watch::Sender<u64>) {
    sender.send_modify(|number| *number = number.wrapping_add(1));
}

async fn listen(url: &str) -> sqlx::Result<PgListener> {
    let mut listener = PgListener::connect(url).await?;
    listener.listen(CHANNEL).await?;
    Ok(listener)
}

async fn forward(mut listener: PgListener, url: String, sender: watch::Sender<u64>) {
    loop {
        match listener.try_recv().await {
            Ok(Some(_)) => {}
            Ok(None) => debug!("The connection for notifications broke and was made again"),
            Err(error) => {
                warn!(%error, "Lost the connection for notifications; connecting again");
                listener = reconnect(&url).await;
            }
        }
        wake(&sender);
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
