//! Waiting for something to happen on the control plane.

use std::time::{Duration, Instant};

use clap::Args;
use gatehouse_control_plane_api::client::ClientError;

use crate::{moment, progress::Progress};

/// Between two looks, at first and at most.
const PAUSE_MIN: Duration = Duration::from_millis(25);
const PAUSE_MAX: Duration = Duration::from_millis(500);

/// The options of commands that start long work.
#[derive(Debug, Clone, Args)]
pub(crate) struct WaitOptions {
    /// Waits until it is done
    #[arg(long)]
    pub(crate) wait: bool,
    /// Does not wait; this is the default
    #[arg(long, conflicts_with = "wait")]
    pub(crate) no_wait: bool,
    /// How long to wait: 500ms, 60s, 5m, 2h
    #[arg(long, value_name = "TIME", default_value = "60s", conflicts_with = "no_wait", value_parser = moment::parse_duration)]
    pub(crate) timeout: Duration,
}

/// What a look found: whether to go on looking, and what to say meanwhile.
pub(crate) enum Look<T> {
    /// It has happened.
    Done(T),
    /// Not yet; this is how it stands.
    NotYet(String),
}

/// Looks again and again until it has happened or the time is over; then the error is the last state.
pub(crate) async fn until<T>(
    timeout: Duration,
    look: impl AsyncFnMut() -> anyhow::Result<Look<T>>,
) -> anyhow::Result<Result<T, String>> {
    let mut progress = Progress::new();
    until_telling(timeout, look, |state| progress.say(state)).await
}

/// The same without showing progress.
pub(crate) async fn quietly_until<T>(
    timeout: Duration,
    look: impl AsyncFnMut() -> anyhow::Result<Look<T>>,
) -> anyhow::Result<Result<T, String>> {
    until_telling(timeout, look, |_| {}).await
}

async fn until_telling<T>(
    timeout: Duration,
    mut look: impl AsyncFnMut() -> anyhow::Result<Look<T>>,
    mut tell: impl FnMut(&str),
) -> anyhow::Result<Result<T, String>> {
    let end = Instant::now() + timeout;
    let mut pause = PAUSE_MIN;
    let mut last = "nothing was heard of it".to_owned();
    loop {
        match look().await {
            Ok(Look::Done(found)) => return Ok(Ok(found)),
            Ok(Look::NotYet(state)) => {
                tell(&state);
                last = state;
            }
            // A control plane that restarts is no reason to give up.
            Err(error) if is_outage(&error) => tell(&format!("{error}; looking again")),
            Err(error) => return Err(error),
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(Err(last));
        }
        tokio::time::sleep(pause.min(left)).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

fn is_outage(error: &anyhow::Error) -> bool {
    use ClientError::{Broken, TimedOut, Unreachable};
    match error.downcast_ref() {
        Some(Unreachable { .. } | Broken { .. } | TimedOut { .. }) => true,
        Some(ClientError::Problem(problem)) => problem.status == 503,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn looks_until_it_has_happened() {
        let mut looks = 0;
        let found = until(Duration::from_secs(60), async || {
            looks += 1;
            Ok(if looks < 3 {
                Look::NotYet("pending".to_owned())
            } else {
                Look::Done(looks)
            })
        });
        assert_eq!(found.await.unwrap(), Ok(3));
    }

    #[tokio::test]
    async fn gives_up_when_the_time_is_over_and_tells_the_last_state() {
        let found = until::<()>(Duration::ZERO, async || Ok(Look::NotYet("pending".to_owned())));
        assert_eq!(found.await.unwrap(), Err("pending".to_owned()));
    }

    #[tokio::test]
    async fn an_error_that_waiting_cannot_heal_ends_it() {
        let found = until::<()>(Duration::from_secs(60), async || anyhow::bail!("no"));
        assert!(found.await.is_err());
    }
}
