//! What `undeploy` must do.

use gatehouse_connector_sdk::operation::Operation;
use gatehouse_schemas::observed::Observation;

use super::behaviours;
use crate::{
    behaviour::Behaviour,
    gateway::Disturbance,
    sample,
    subject::Subject,
    verdict::{Verdict, ensure, require},
};

pub(super) fn behaviours() -> Vec<Behaviour> {
    behaviours![
        Undeploy Core removing_what_is_gone_succeeds [Deploy, Observe] "Removing an API that is already gone succeeds.";
        Undeploy Core what_is_unfinished_is_removed [Deploy, Observe] "What deploys recorded with `context.journal` and did not finish is removed with it, also when the API itself is not there.";
        Undeploy Core others_are_not_removed [Deploy, Observe] "Resources that this environment does not manage stay untouched.";
    ]
}

async fn removing_what_is_gone_succeeds(subject: Subject) -> Verdict {
    let desired = sample::desired(1);
    subject.undeploy(&desired, None).await?;
    let empty = subject.gateway.holds().await;
    let deployed = subject.deploy(&desired).await?;
    let lost = subject
        .gateway
        .disturb(Operation::Undeploy, Disturbance::LoseReply)
        .await;
    let first = subject.undeploy(&desired, Some(&deployed.external_ref)).await;
    ensure(lost || first.is_ok(), || format!("the removal failed: {first:?}"))?;
    subject
        .restarted()
        .undeploy(&desired, Some(&deployed.external_ref))
        .await?;
    let observed = subject.observe(&desired, Some(&deployed.external_ref)).await?;
    ensure(observed == Observation::Absent, || {
        format!("after the removal the look told {observed:?}")
    })?;
    let after = subject.gateway.holds().await;
    ensure(after == empty, || {
        format!("before the deploy the gateway held {empty:?}, after the removal {after:?}")
    })
}

async fn what_is_unfinished_is_removed(subject: Subject) -> Verdict {
    let subject = subject.with_steps()?;
    let before = subject.gateway.holds().await;
    let can = subject
        .gateway
        .disturb(Operation::Deploy, Disturbance::DieAfterStep(1))
        .await;
    require(can, "cannot be brought to end between two steps")?;
    let desired = sample::desired(1);
    let attempt = subject.try_deploy(&desired).await?;
    ensure(attempt.is_err(), || {
        "the process ended, and the deploy succeeded".to_owned()
    })?;
    subject.restarted().undeploy(&desired, None).await?;
    let after = subject.gateway.holds().await;
    ensure(after == before, || {
        format!("before the attempt the gateway held {before:?}, after the removal {after:?}")
    })
}

async fn others_are_not_removed(subject: Subject) -> Verdict {
    let foreign = subject
        .gateway
        .add_foreign("foreign", sample::content("/foreign"))
        .await;
    subject.deploy(&sample::desired(2)).await?;
    let before = subject.gateway.holds().await;
    // The identity of somebody else's API: whatever the answer is, the API stays.
    let misled = subject.undeploy(&sample::desired(1), Some(&foreign)).await;
    let after = subject.gateway.holds().await;
    ensure(after == before, || {
        format!(
            "`{foreign}` is somebody else's; its removal was answered with {misled:?}, and the gateway holds {after:?}"
        )
    })?;
    subject.undeploy(&sample::desired(1), None).await?;
    let after = subject.gateway.holds().await;
    ensure(after == before, || {
        format!("nothing of the API was there; its removal left {after:?} of {before:?}")
    })
}
