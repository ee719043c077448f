//! How an agent keeps up with its control plane.

use gatehouse_control_plane_api::agent::DeploymentOutcome;

use super::{is_supported, present};
use crate::{
    agent::stage::Stage,
    sample,
    subject::Subject,
    verdict::{Stop, Verdict, ensure},
};

pub(super) async fn a_refused_token_is_replaced(subject: Subject) -> Verdict {
    let mut stage = Stage::new(&subject).await?;
    let first = stage.offer(present(sample::desired(1)));
    stage.deployed(first).await?;
    let given = stage.tokens_given();
    stage.refuse_tokens();
    let second = stage.offer(present(sample::updated(1)));
    stage.deployed(second).await?;
    ensure(stage.tokens_given() > given, || {
        "the agent went on without another token".to_owned()
    })
}

pub(super) async fn after_a_position_too_old_everything_is_taken(subject: Subject) -> Verdict {
    let mut stage = Stage::new(&subject).await?;
    let first = stage.offer(present(sample::desired(1)));
    stage.deployed(first).await?;
    stage.move_on();
    stage.taken_in().await?;
    let second = stage.offer_behind(present(sample::updated(1)));
    stage.deployed(second).await
}

pub(super) async fn the_newest_desired_state_is_reached(subject: Subject) -> Verdict {
    if !is_supported(&subject, "auth.apiKey") {
        return Err(Stop::Skip(
            "the connector does not express `auth.apiKey`, whose secret would hold up a deploy".to_owned(),
        ));
    }
    let mut stage = Stage::new(&subject).await?;
    // The credentials are resolved with this one.
    let first = stage.offer(present(sample::desired(1)));
    stage.deployed(first).await?;
    stage.hold_secrets(true);
    let asked = stage.secrets_asked();
    let old = stage.offer(present(sample::guarded(1)));
    stage
        .until("ask for the secret of the API", |stage| {
            stage.secrets_asked() > asked
        })
        .await?;
    let newest = stage.offer(present(sample::updated(1)));
    stage.taken_in().await?;
    stage.hold_secrets(false);
    stage.deployed(newest).await?;
    let sent_again = stage.reports(old).len() > 1;
    ensure(!sent_again, || {
        format!(
            "a report was refused as stale, and came again: {:?}",
            stage.reports(old)
        )
    })?;
    let reached = sample::updated(1).fingerprint;
    let reports = stage.reports(newest);
    let is_newest = |outcome: &DeploymentOutcome| matches!(outcome, DeploymentOutcome::Deployed { observed, .. } if *observed == reached);
    ensure(reports.iter().any(|report| is_newest(&report.outcome)), || {
        format!("the newest desired state is something else than what was reached: {reports:?}")
    })
}
