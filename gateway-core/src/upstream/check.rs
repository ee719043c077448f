//! Active checks: asking an endpoint again and again whether it works, once for everybody who wants to know.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use gatehouse_schemas::api::ActiveCheck;
use http::{StatusCode, Uri};
use tokio::{
    runtime::Handle,
    task::AbortHandle,
    time::{Instant, MissedTickBehavior, interval_at, timeout},
};
use tracing::{info, warn};

use super::{
    Endpoint,
    fetch::{Connections, FetchError},
};
use crate::error::chain;

/// One endpoint as one kind of check sees it. The asking ends when this goes away.
#[derive(Debug)]
pub(crate) struct Check {
    healthy: Arc<AtomicBool>,
    task: AbortHandle,
}

impl Drop for Check {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Check {
    /// Begins to ask. Until it is known better the endpoint is taken for healthy.
    pub(crate) fn start(
        runtime: &Handle,
        endpoint: &Arc<Endpoint>,
        settings: &ActiveCheck,
    ) -> Result<Self, String> {
        let uri = path(settings)?;
        let healthy = Arc::new(AtomicBool::new(true));
        let asking = Asking {
            healthy: Arc::clone(&healthy),
            connections: Arc::new(Connections::to(Arc::clone(endpoint))),
            settings: settings.clone(),
            uri,
        };
        let task = runtime.spawn(asking.go_on()).abort_handle();
        Ok(Self { healthy, task })
    }

    /// What the last answers say.
    pub(crate) fn is_healthy(&self) -> bool {
        self.healthy.load(Relaxed)
    }
}

/// What is asked for.
pub(super) fn path(settings: &ActiveCheck) -> Result<Uri, String> {
    let path = settings.path.parse();
    path.map_err(|error| format!("path `{}` of the health check: {error}", settings.path))
}

/// One endpoint being asked.
struct Asking {
    healthy: Arc<AtomicBool>,
    connections: Arc<Connections>,
    settings: ActiveCheck,
    uri: Uri,
}

impl Asking {
    /// Asks at once, and from some moment within the first interval on in time with it, so that endpoints that became
    /// known together are not asked together for ever. Ends when it is aborted.
    async fn go_on(self) {
        let every = Duration::from_secs(self.settings.interval_seconds.into());
        let second = Instant::now() + every.mul_f64(fastrand::f64());
        let mut ticks = interval_at(second, every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut streak = Streak::default();
        loop {
            let failure = self.ask().await;
            if streak.turns(failure.is_none(), &self.settings) {
                self.healthy.store(!streak.unhealthy, Relaxed);
                tell(self.connections.endpoint(), failure);
            }
            ticks.tick().await;
        }
    }

    /// Why the endpoint does not work, if so.
    async fn ask(&self) -> Option<String> {
        let limit = Duration::from_millis(self.settings.timeout_ms.into());
        let answer = timeout(limit, self.connections.status(&self.uri)).await;
        failure(answer.unwrap_or(Err(FetchError::Timeout)))
    }
}

fn failure(answer: Result<StatusCode, FetchError>) -> Option<String> {
    match answer {
        Ok(status) if status.is_success() || status.is_redirection() => None,
        Ok(status) => Some(format!("it answered {status}")),
        Err(error) => Some(chain(&error)),
    }
}

fn tell(endpoint: &Endpoint, failure: Option<String>) {
    let name = endpoint.name();
    match failure {
        Some(failure) => warn!(
            upstream.endpoint = name,
            error = failure,
            "Endpoint `{name}` fails its health check and gets no requests while others work"
        ),
        None => info!(
            upstream.endpoint = name,
            "Endpoint `{name}` passes its health check again"
        ),
    }
}

/// Answers of one kind in a row.
#[derive(Debug, Default)]
struct Streak {
    unhealthy: bool,
    /// How many answers in a row say otherwise.
    against: u32,
}

impl Streak {
    /// Takes in one answer; says whether the verdict changes.
    fn turns(&mut self, success: bool, settings: &ActiveCheck) -> bool {
        if success != self.unhealthy {
            self.against = 0;
            return false;
        }
        self.against += 1;
        let enough = match success {
            true => settings.healthy_after,
            false => settings.unhealthy_after,
        };
        let turns = self.against >= enough;
        if turns {
            self.unhealthy = !success;
            self.against = 0;
        }
        turns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nobody_asks_any_more_when_nobody_wants_to_know() {
        let endpoint = Endpoint::for_tests("http://127.0.0.1:9");
        let settings = serde_json::from_value(serde_json::json!({"path": "/"})).expect("settings");
        let check = Check::start(&Handle::current(), &endpoint, &settings).expect("starts");
        tokio::task::yield_now().await;
        assert!(Arc::strong_count(&endpoint) > 1, "somebody asks");
        drop(check);
        while Arc::strong_count(&endpoint) > 1 {
            tokio::task::yield_now().await;
        }
    }

    #[test]
    fn only_so_many_answers_in_a_row_change_the_verdict() {
        let settings: ActiveCheck =
            serde_json::from_value(serde_json::json!({"path": "/", "healthyAfter": 2, "unhealthyAfter": 3}))
                .expect("settings");
        let mut streak = Streak::default();
        let verdicts: String = "++--+---+-++-"
            .chars()
            .map(|answer| {
                streak.turns(answer == '+', &settings);
                if streak.unhealthy { '-' } else { '+' }
            })
            .collect();
        assert_eq!(verdicts, "+++++++----++");
    }
}
