//! What `observe` must do.

use gatehouse_schemas::observed::Observation;

use super::behaviours;
use crate::{
    behaviour::Behaviour,
    gateway::Edit,
    sample,
    subject::Subject,
    verdict::{Verdict, ensure, require},
};

pub(super) fn behaviours() -> Vec<Behaviour> {
    behaviours![
        Observe Core what_was_deployed_is_observed [Deploy] "After a deploy, the observation is `Present` and its fingerprint is the desired one.";
        Observe Core absent_is_what_the_gateway_says [Deploy] "`Absent` only when the gateway answered that it is not there.";
        Observe Core what_cannot_be_asked_is_not_absent [Deploy] "A gateway that cannot be asked is `Unknown` or an error, never `Absent`.";
        Observe Core the_identity_comes_before_the_mark [Deploy] "What the identity names is told as it is, whether it carries our mark or not; only if nothing is there does the mark decide.";
        Observe Core a_look_changes_nothing [Deploy] "Nothing on the gateway changes.";
    ]
}

async fn what_was_deployed_is_observed(subject: Subject) -> Verdict {
    for desired in [sample::desired(1), sample::updated(1)] {
        let deployed = subject.deploy(&desired).await?;
        let observed = subject
            .restarted()
            .observe(&desired, Some(&deployed.external_ref))
            .await?;
        let Observation::Present(api) = &observed else {
            return ensure(false, || {
                format!("the deploy succeeded, and the look told {observed:?}")
            });
        };
        ensure(api.fingerprint == desired.fingerprint, || {
            let changes = gatehouse_schemas::plan::plan(&desired, &observed, None);
            format!("the deploy succeeded, and the look found differences: {changes:?}")
        })?;
    }
    Ok(())
}

async fn absent_is_what_the_gateway_says(subject: Subject) -> Verdict {
    let desired = sample::desired(1);
    let observed = subject.observe(&desired, None).await?;
    ensure(observed == Observation::Absent, || {
        format!("nothing was ever there, and the look told {observed:?}")
    })?;
    let deployed = subject.deploy(&desired).await?;
    subject.gateway.delete(&deployed.external_ref).await;
    let observed = subject.observe(&desired, Some(&deployed.external_ref)).await?;
    ensure(observed == Observation::Absent, || {
        format!("somebody deleted it, and the look told {observed:?}")
    })
}

async fn what_cannot_be_asked_is_not_absent(subject: Subject) -> Verdict {
    let desired = sample::desired(1);
    let deployed = subject.deploy(&desired).await?;
    require(
        subject.gateway.hide().await,
        "cannot be brought to give no answers",
    )?;
    let observed = subject.observe(&desired, Some(&deployed.external_ref)).await;
    ensure(
        matches!(observed, Err(_) | Ok(Observation::Unknown { .. })),
        || format!("the gateway gave no answer, and the look told {observed:?}"),
    )
}

async fn the_identity_comes_before_the_mark(subject: Subject) -> Verdict {
    let desired = sample::desired(1);
    let ours = subject.deploy(&desired).await?.external_ref;
    let foreign = subject
        .gateway
        .add_foreign("foreign", sample::content("/foreign"))
        .await;
    let named = subject.observe(&desired, Some(&foreign)).await?;
    let is_foreign = |observed: &Observation| matches!(observed, Observation::Present(api) if api.external_ref == foreign && api.mark.is_none());
    ensure(is_foreign(&named), || {
        format!("the identity names `{foreign}`, and the look told {named:?}")
    })?;
    subject.gateway.delete(&foreign).await;
    let marked = subject.observe(&desired, Some(&foreign)).await?;
    ensure(
        matches!(&marked, Observation::Present(api) if api.external_ref == ours),
        || format!("nothing is under the identity, `{ours}` carries the mark, and the look told {marked:?}"),
    )
}

async fn a_look_changes_nothing(subject: Subject) -> Verdict {
    let desired = sample::desired(1);
    let deployed = subject.deploy(&desired).await?;
    subject.gateway.edit(&deployed.external_ref, Edit::Content).await;
    let before = subject.gateway.holds().await;
    subject.observe(&desired, Some(&deployed.external_ref)).await?;
    subject.observe(&sample::desired(2), None).await?;
    let after = subject.gateway.holds().await;
    ensure(before == after, || {
        format!("before the looks the gateway held {before:?}, after them {after:?}")
    })
}
