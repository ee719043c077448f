//! Waiting for what an agent does, and for what it must not do.

use std::time::Duration;

use gatehouse_control_plane_api::agent::{DeploymentOutcome, DeploymentReport, DiscoveryCompletion};
use gatehouse_schemas::identity::Generation;
use tokio::{sync::watch, time::Instant};

use super::Stage;
use crate::verdict::{Stop, Verdict, ensure};

/// How long an agent has for one thing.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long an agent is watched for what it must not do: much longer than it would take.
const SETTLING: Duration = Duration::from_millis(400);

impl Stage {
    /// Hears the agent until something holds.
    pub(crate) async fn until(&mut self, what: &str, holds: impl Fn(&Self) -> bool) -> Verdict {
        let mut changed = self.control_plane.changes();
        let ends = Instant::now() + self.patience();
        while !holds(self) {
            match tokio::time::timeout_at(ends, self.next(&mut changed)).await {
                Ok(ended) => ended?,
                Err(_) => return Err(self.waited_in_vain(what).await),
            }
        }
        match self.mistakes.first() {
            Some(mistake) => Err(Stop::Fail(mistake)),
            None => Ok(()),
        }
    }

    fn patience(&self) -> Duration {
        PATIENCE.saturating_mul(self.subject.gateway.patience())
    }

    /// Hears the agent for as long as it would take to do what it must not.
    pub(crate) async fn settle(&mut self) -> Verdict {
        self.hear_for(SETTLING).await
    }

    /// Hears the agent for some time.
    pub(crate) async fn hear_for(&mut self, time: Duration) -> Verdict {
        let mut changed = self.control_plane.changes();
        let ends = Instant::now() + time;
        while let Ok(ended) = tokio::time::timeout_at(ends, self.next(&mut changed)).await {
            ended?;
        }
        Ok(())
    }

    /// Until the agent has taken in everything that there is to do, and waits for more.
    pub(crate) async fn taken_in(&mut self) -> Verdict {
        self.until("ask for more work", |stage| {
            let world = stage.control_plane.world();
            world.asked.last() == Some(&world.generation)
        })
        .await
    }

    /// The first report on a generation.
    pub(crate) async fn report(&mut self, generation: Generation) -> Result<DeploymentReport, Stop> {
        self.until("report what became of the deployment", |stage| {
            !stage.reports(generation).is_empty()
        })
        .await?;
        let first = self.reports(generation).first().map(|report| (*report).clone());
        first.ok_or_else(|| Stop::Fail("a report was there and is gone".to_owned()))
    }

    /// The first outcome of a generation.
    pub(crate) async fn outcome(&mut self, generation: Generation) -> Result<DeploymentOutcome, Stop> {
        Ok(self.report(generation).await?.outcome)
    }

    /// Until a generation is reported as deployed, whatever was reported before.
    pub(crate) async fn deployed(&mut self, generation: Generation) -> Verdict {
        self.until("report the deployment as deployed", |stage| {
            let reports = stage.reports(generation);
            reports.iter().any(|report| is_deployed(&report.outcome))
        })
        .await
    }

    /// Until the completion of a discovery comes.
    pub(crate) async fn completion(&mut self) -> Result<DiscoveryCompletion, Stop> {
        self.until("complete the discovery", |stage| stage.completion.is_some())
            .await?;
        let completion = self.completion.take();
        completion.ok_or_else(|| Stop::Fail("a completion was there and is gone".to_owned()))
    }

    /// Until the answer to a task comes.
    pub(crate) async fn task_answered(&mut self) -> Verdict {
        let before = self.tasks_answered;
        self.until("answer the task", |stage| stage.tasks_answered > before)
            .await
    }

    /// Fails unless the gateway holds what it held.
    pub(crate) async fn is_unchanged(&self, before: &std::collections::BTreeMap<String, String>) -> Verdict {
        let after = self.holds().await;
        ensure(*before == after, || {
            format!("the gateway held {before:?} and holds {after:?} now")
        })
    }

    /// The next thing that the agent tells or asks for. Its end is a failure.
    async fn next(&mut self, changed: &mut watch::Receiver<u64>) -> Verdict {
        let Some(agent) = &mut self.agent else {
            return Err(Stop::Fail("the agent does not run".to_owned()));
        };
        let event = tokio::select! {
            event = self.events.recv() => event,
            _ = changed.changed() => return Ok(()),
            how = agent.ended() => return Err(Stop::Fail(format!("the agent ended by itself ({how})"))),
        };
        if let Some(event) = event {
            self.hear(event);
        }
        Ok(())
    }

    async fn waited_in_vain(&self, what: &str) -> Stop {
        let log = self.subject.gateway.log().await.unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let last = lines[lines.len().saturating_sub(4)..].join("\n");
        Stop::Fail(format!(
            "the agent did not {what} within {:?}; of its {} reports, the last was {:?}\n{last}",
            self.patience(),
            self.reports.len(),
            self.reports.last()
        ))
    }
}

pub(crate) fn is_deployed(outcome: &DeploymentOutcome) -> bool {
    matches!(outcome, DeploymentOutcome::Deployed { .. })
}
