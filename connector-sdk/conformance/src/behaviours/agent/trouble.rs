//! What an agent does when something goes wrong: at the gateway, at the control plane, with itself.

use std::time::Duration;

use gatehouse_connector_sdk::operation::Operation;
use gatehouse_control_plane_api::agent::DeploymentOutcome;
use tokio::time::Instant;

use super::present;
use crate::{
    agent::stage::{Answer, Stage, is_deployed},
    gateway::Disturbance,
    sample,
    subject::Subject,
    verdict::{Verdict, ensure, require},
};

/// So often a report is not taken.
const REFUSALS: usize = 3;

/// Between two looks at what cannot be waited for.
const A_MOMENT: Duration = Duration::from_millis(10);

/// Lets the next changes of the gateway fail, in a way that can pass.
pub(super) async fn fail(subject: &Subject) -> Verdict {
    let gateway = &subject.gateway;
    let is_down = gateway.disturb(Operation::Deploy, Disturbance::ServerError).await
        || gateway.disturb(Operation::Deploy, Disturbance::Unreachable).await;
    require(is_down, "cannot be brought to fail")
}

pub(super) async fn what_can_succeed_later_is_tried_again(subject: Subject) -> Verdict {
    fail(&subject).await?;
    let mut stage = Stage::new(&subject).await?;
    let generation = stage.offer(present(sample::desired(1)));
    let outcome = stage.outcome(generation).await?;
    let goes_on = matches!(outcome, DeploymentOutcome::Failed { retrying: true, .. });
    ensure(goes_on, || {
        format!("the gateway failed, which can pass, and the agent reported {outcome:?}")
    })?;
    subject.gateway.calm(Operation::Deploy).await;
    stage.deployed(generation).await
}

pub(super) async fn the_gateway_says_when(subject: Subject) -> Verdict {
    let pause = Duration::from_secs(2);
    let later = Disturbance::TooManyRequests {
        retry_after: Some(pause),
    };
    subject.disturb(Operation::Deploy, later).await?;
    let mut stage = Stage::new(&subject).await?;
    let began = Instant::now();
    let generation = stage.offer(present(sample::desired(1)));
    // A connector that makes the call again in its turn has no failure to tell, and is known to be at work.
    stage
        .until("say that it is at work", |stage| stage.is_taken_up(generation))
        .await?;
    while !subject.gateway.has_disturbed().await {
        stage.hear_for(A_MOMENT).await?;
    }
    subject.gateway.calm(Operation::Deploy).await;
    stage.deployed(generation).await?;
    let took = began.elapsed();
    ensure(took >= pause, || {
        format!("the gateway asked to come back after {pause:?}, and all was done after {took:?}")
    })
}

pub(super) async fn reports_are_sent_until_they_are_taken(subject: Subject) -> Verdict {
    let mut stage = Stage::new(&subject).await?;
    stage.answer = Answer::Unavailable;
    let generation = stage.offer(present(sample::desired(1)));
    stage.report(generation).await?;
    let before = stage.holds().await;
    stage
        .until("send the report again", |stage| {
            stage.reports(generation).len() > REFUSALS
        })
        .await?;
    stage.answer = Answer::AsUsual;
    let refused = stage.reports(generation).len();
    stage
        .until("send the report until it was taken", |stage| {
            stage.reports(generation).len() > refused
        })
        .await?;
    let reports = stage.reports(generation);
    ensure(reports.iter().all(|report| is_deployed(&report.outcome)), || {
        format!("the same report was to come again, and these came: {reports:?}")
    })?;
    stage.is_unchanged(&before).await
}

pub(super) async fn nothing_is_done_twice_after_a_crash(subject: Subject) -> Verdict {
    let mut stage = Stage::new(&subject).await?;
    stage.answer = Answer::Silence;
    let generation = stage.offer(present(sample::desired(1)));
    let told = stage.outcome(generation).await?;
    let before = stage.holds().await;
    stage.kill().await;
    stage.answer = Answer::AsUsual;
    stage.start()?;
    let found = stage.outcome(generation).await?;
    ensure(told == found, || {
        format!("before the crash the agent reported {told:?}, and then {found:?}")
    })?;
    stage.is_unchanged(&before).await
}
