//! The thread that keeps the connection to Redis: connects, watches, counts the gateways, connects again.

use std::{
    io,
    sync::{Arc, atomic::Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use redis::{RedisError, aio::MultiplexedConnection};
use tokio::{
    runtime::Builder,
    sync::watch,
    time::{sleep, timeout},
};
use tracing::{info, warn};

use super::{State, connect::Target};
use crate::error::chain;

/// How often Redis is asked whether it is well.
const BEAT: Duration = Duration::from_secs(1);

/// How soon after the connection was taken away.
const QUICK_BEAT: Duration = Duration::from_millis(100);

/// Without an answer for so long, the connection is given up.
const PATIENCE: Duration = Duration::from_millis(500);

/// How long connecting may take.
const CONNECT_TIME: Duration = Duration::from_secs(2);

/// How long after a failure the next attempt begins.
const RETRY_AFTER: Duration = Duration::from_millis(250);

/// A gateway that was not heard of for so long does not count any more, in milliseconds.
const GONE_AFTER_MS: u64 = 15_000;

/// Starts the thread; it ends when the channel does.
pub(super) fn start(target: Target, state: Arc<State>, mut stopped: watch::Receiver<()>) -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    thread::Builder::new()
        .name("gateway-redis".to_owned())
        .spawn(move || {
            runtime.block_on(async {
                let keeper = Keeper { target, state };
                tokio::select! {
                    () = keeper.run() => {}
                    _ = stopped.changed() => {}
                }
            });
        })
        .map(drop)
}

struct Keeper {
    target: Target,
    state: Arc<State>,
}

/// Why a connection is given up.
#[derive(Debug, thiserror::Error)]
enum GivenUp {
    #[error("it does not answer")]
    Silent,
    #[error("it closed the connection")]
    Closed,
    #[error("it answers with an error")]
    Refused(#[source] RedisError),
}

impl Keeper {
    async fn run(&self) {
        let mut told = false;
        loop {
            match timeout(CONNECT_TIME, self.target.connect()).await {
                Ok(Ok((connection, driver))) => {
                    let reason = tokio::select! {
                        reason = self.watch(&connection, &mut told) => reason,
                        () = driver => GivenUp::Closed,
                    };
                    self.state.take_away(&chain(&reason));
                }
                Ok(Err(error)) => self.complain(&mut told, &chain(&error)),
                Err(_) => self.complain(&mut told, "it does not answer"),
            }
            sleep(RETRY_AFTER).await;
        }
    }

    /// Says once that Redis is not there, not each time it is tried again.
    fn complain(&self, told: &mut bool, reason: &str) {
        if !std::mem::replace(told, true) {
            warn!(
                "Redis at `{}` cannot be used: {reason}; limits are not shared, this gateway gives out its own share",
                self.target.address()
            );
        }
    }

    /// Offers the connection to requests while it answers in time.
    async fn watch(&self, connection: &MultiplexedConnection, told: &mut bool) -> GivenUp {
        let offered = Arc::new(connection.clone());
        loop {
            let begun = Instant::now();
            match timeout(PATIENCE, self.beat(connection.clone())).await {
                Err(_) => return GivenUp::Silent,
                Ok(Err(error)) => return GivenUp::Refused(error),
                Ok(Ok(gateways)) => self.state.observed.store(gateways, Relaxed),
            }
            if begun.elapsed() <= self.state.budget && self.state.connection.load().is_none() {
                self.state.late_answers.store(0, Relaxed);
                self.state.connection.store(Some(Arc::clone(&offered)));
                *told = false;
                info!("Limits are shared through Redis at `{}`", self.target.address());
            }
            match self.state.connection.load().is_some() {
                true => sleep(BEAT).await,
                false => sleep(QUICK_BEAT).await,
            }
        }
    }

    /// Says that this gateway is there, and hears how many are.
    async fn beat(&self, mut connection: MultiplexedConnection) -> Result<u32, RedisError> {
        let key = format!("{}:gateways", self.state.prefix);
        // By Redis' clock, since those of gateways may differ.
        let (seconds, micros): (u64, u64) = redis::cmd("TIME").query_async(&mut connection).await?;
        let now = seconds * 1_000 + micros / 1_000;
        let mut pipeline = redis::pipe();
        pipeline.atomic();
        pipeline
            .cmd("ZADD")
            .arg(&key)
            .arg(now)
            .arg(&self.state.own_name)
            .ignore();
        let gone = now.saturating_sub(GONE_AFTER_MS);
        pipeline
            .cmd("ZREMRANGEBYSCORE")
            .arg(&key)
            .arg("-inf")
            .arg(gone)
            .ignore();
        pipeline.cmd("PEXPIRE").arg(&key).arg(GONE_AFTER_MS).ignore();
        pipeline.cmd("ZCARD").arg(&key);
        let (gateways,): (u32,) = pipeline.query_async(&mut connection).await?;
        Ok(gateways)
    }
}
