//! What an agent may do where: modes, leases, and what it was not told.

use std::time::Duration;

use gatehouse_connector_sdk::operation::Operation;
use gatehouse_control_plane_api::agent::{DesiredState, DiscoveryOutcome};
use gatehouse_schemas::{environment::Mode, identity::FencingNumber};

use super::{ensure_failed, present, trouble};
use crate::{
    agent::stage::{Answer, Stage},
    sample,
    subject::Subject,
    verdict::{Stop, Verdict, ensure},
};

pub(super) async fn a_read_only_environment_is_not_changed(subject: Subject) -> Verdict {
    let mut stage = Stage::new(&subject).await?;
    let first = stage.offer(present(sample::desired(1)));
    stage.deployed(first).await?;
    let before = stage.holds().await;
    let mut wishes = vec![present(sample::updated(1))];
    if subject.capabilities().undeploy {
        let mark = sample::desired(1).mark;
        wishes.push(DesiredState::Absent { mark });
    }
    for desired in wishes {
        let generation = stage.offer_as(desired, |_, environment| environment.mode = Mode::ReadOnly);
        let outcome = stage.outcome(generation).await?;
        ensure_failed(&outcome, None)?;
        stage.is_unchanged(&before).await?;
    }
    Ok(())
}

pub(super) async fn nothing_is_discovered_in_a_write_only_environment(subject: Subject) -> Verdict {
    subject
        .gateway
        .add_foreign("foreign", sample::content("/foreign"))
        .await;
    let mut stage = Stage::with(&subject, |environment| environment.mode = Mode::WriteOnly).await?;
    stage.discover();
    let completion = stage.completion().await?;
    ensure(
        completion.outcome == DiscoveryOutcome::Failed && stage.pages() == 0,
        || {
            format!(
                "nothing was to be discovered; {} pages came, and then {completion:?}",
                stage.pages()
            )
        },
    )
}

pub(super) async fn without_a_lease_nothing_is_done(subject: Subject) -> Verdict {
    let mut stage = Stage::with(&subject, |environment| environment.fencing = None).await?;
    let before = stage.holds().await;
    let generation = stage.offer(present(sample::desired(1)));
    stage.taken_in().await?;
    stage.settle().await?;
    ensure(!stage.has_reports(), || {
        "the agent has no lease and reports on a deployment".to_owned()
    })?;
    stage.is_unchanged(&before).await?;
    let next = FencingNumber(7);
    stage.assign(|environment| environment.fencing = Some(next));
    let report = stage.report(generation).await?;
    ensure(report.fencing == next, || {
        format!(
            "under the lease {next} the agent reported under {}",
            report.fencing
        )
    })?;
    stage.deployed(generation).await
}

pub(super) async fn when_the_lease_ran_out_nothing_is_changed(subject: Subject) -> Verdict {
    if subject.capabilities().replicated {
        return Err(Stop::Skip(
            "each of its gateways has an agent of its own, which nobody else can take the lease from"
                .to_owned(),
        ));
    }
    let lease = Duration::from_secs(1);
    trouble::fail(&subject).await?;
    let mut stage = Stage::with_lease(&subject, lease).await?;
    // The agent waits for somebody to take its report, and would try again as soon as somebody does.
    stage.answer = Answer::Silence;
    let generation = stage.offer(present(sample::desired(1)));
    stage.report(generation).await?;
    let before = stage.holds().await;
    stage.fall_silent(true);
    stage.hear_for(lease).await?;
    subject.gateway.calm(Operation::Deploy).await;
    stage.answer = Answer::AsUsual;
    stage.answer_reports();
    stage.settle().await?;
    stage.is_unchanged(&before).await?;
    stage.fall_silent(false);
    stage.deployed(generation).await
}

pub(super) async fn what_is_not_listed_stays(subject: Subject) -> Verdict {
    let mut stage = Stage::new(&subject).await?;
    let generation = stage.offer(present(sample::desired(1)));
    stage.deployed(generation).await?;
    let before = stage.holds().await;
    // Once by an agent that knew of it, once by one that never did.
    for _ in 0..2 {
        stage.list_nothing();
        stage.assign(|environment| {
            environment.fencing = environment.fencing.map(|it| FencingNumber(it.0 + 1));
        });
        stage.taken_in().await?;
        if subject.capabilities().observe {
            stage.look();
            stage.task_answered().await?;
        }
        stage.settle().await?;
        stage.is_unchanged(&before).await?;
        stage.kill().await;
        stage.start()?;
    }
    Ok(())
}
