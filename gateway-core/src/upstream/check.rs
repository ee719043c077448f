//! Active checks: asking an endpoint again and again whether it works, once for everybody who wants to know.

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use gatehouse_schemas::api::ActiveCheck;
use http::{StatusCode, Uri};
use tokio::{
    runtime::Handle,
    task::AbortHandle,
    time::{MissedTickBehavior, interval, timeout},
};
use tracing::{info, warn};

use super::{
    Endpoint,
    fetch::{self, FetchError},
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
        let uri = settings
            .path
            .parse::<Uri>()
            .map_err(|error| format!("path `{}` of the health check: {error}", settings.path))?;
        let healthy = Arc::new(AtomicBool::new(true));
        let asking = ask(
            Arc::downgrade(&healthy),
            Arc::clone(endpoint),
            settings.clone(),
            uri,
        );
        let task = runtime.spawn(asking).abort_handle();
        Ok(Self { healthy, task })
    }

    /// What the last answers say.
    pub(crate) fn is_healthy(&self) -> bool {
        self.healthy.load(Relaxed)
    }
}

async fn ask(healthy: Weak<AtomicBool>, endpoint: Arc<Endpoint>, settings: ActiveCheck, uri: Uri) {
    let mut ticks = interval(Duration::from_secs(settings.interval_seconds.into()));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let limit = Duration::from_millis(settings.timeout_ms.into());
    let mut streak = Streak::default();
    loop {
        ticks.tick().await;
        let answer = timeout(limit, fetch::status(&endpoint, &uri)).await;
        let failure = failure(answer.unwrap_or(Err(FetchError::Timeout)));
        let Some(healthy) = healthy.upgrade() else {
            return;
        };
        if streak.turns(failure.is_none(), &settings) {
            healthy.store(!streak.unhealthy, Relaxed);
            tell(&endpoint, failure);
        }
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
