//! What an agent does about a gateway that is not as it was.

use gatehouse_control_plane_api::agent::{DeploymentOutcome, ExpectedState};
use gatehouse_schemas::environment::DriftPolicy;

use super::{ensure_failed, present};
use crate::{
    agent::stage::Stage,
    gateway::Edit,
    sample,
    subject::Subject,
    verdict::{Stop, Verdict, ensure},
};

pub(super) async fn a_void_plan_is_not_carried_out(subject: Subject) -> Verdict {
    let mut stage = Stage::new(&subject).await?;
    let (first, second) = (sample::desired(1), sample::updated(1));
    let seen = |fingerprint: &gatehouse_schemas::canonical::Fingerprint| ExpectedState::Present {
        fingerprint: fingerprint.clone(),
    };
    // Two plans that saw something else, and in between one that saw what is there.
    let cases = [
        (&first, seen(&second.fingerprint), false),
        (&first, ExpectedState::Absent, true),
        (&second, ExpectedState::Absent, false),
        (&second, seen(&first.fingerprint), true),
    ];
    for (desired, expected, is_good) in cases {
        let before = stage.holds().await;
        let plan = expected.clone();
        let generation = stage.offer_as(present(desired.clone()), |work, _| work.expected = Some(plan));
        if is_good {
            stage.deployed(generation).await?;
            continue;
        }
        let outcome = stage.outcome(generation).await?;
        ensure_failed(&outcome, Some("PlanVoid"))?;
        stage.is_unchanged(&before).await?;
    }
    Ok(())
}

/// A deployment that is confirmed, and changed by somebody else before the agent comes back.
async fn drifted(stage: &mut Stage) -> Result<gatehouse_schemas::identity::Generation, Stop> {
    let generation = stage.offer(present(sample::desired(1)));
    let outcome = stage.outcome(generation).await?;
    let DeploymentOutcome::Deployed { external_ref, .. } = outcome else {
        return Err(Stop::Fail(format!(
            "it was to be deployed, and the agent reported {outcome:?}"
        )));
    };
    stage.confirm();
    stage.kill().await;
    let gateway = &stage.subject.gateway;
    if !gateway.edit(&external_ref, Edit::Content).await {
        gateway.delete(&external_ref).await;
    }
    Ok(generation)
}

pub(super) async fn drift_is_told_and_left(subject: Subject) -> Verdict {
    if subject.capabilities().replicated {
        return Err(Stop::Skip(
            "each of its gateways has an agent of its own, which puts right what differs".to_owned(),
        ));
    }
    let mut stage = Stage::new(&subject).await?;
    let generation = drifted(&mut stage).await?;
    let before = stage.holds().await;
    stage.start()?;
    let outcome = stage.outcome(generation).await?;
    ensure(matches!(outcome, DeploymentOutcome::Drifted { .. }), || {
        format!("somebody else changed the gateway, and the agent reported {outcome:?}")
    })?;
    stage.settle().await?;
    stage.is_unchanged(&before).await
}

pub(super) async fn drift_is_put_right_where_people_want_it(subject: Subject) -> Verdict {
    let mut stage = Stage::with(&subject, |it| it.drift_policy = DriftPolicy::Revert).await?;
    let generation = drifted(&mut stage).await?;
    let before = stage.holds().await;
    stage.start()?;
    let outcome = stage.outcome(generation).await?;
    let desired = sample::desired(1).fingerprint;
    let is_right = matches!(&outcome, DeploymentOutcome::Deployed { observed, .. } if *observed == desired);
    let is_changed = stage.holds().await != before;
    ensure(is_right && is_changed, || {
        format!("what somebody else changed was to be put right, and the agent reported {outcome:?}")
    })
}
