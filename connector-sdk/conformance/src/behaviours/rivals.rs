//! What `deploy` must do beside others: attempts that were cut off, attempts at the same time, people who edit.

use std::{pin::pin, time::Duration};

use futures_util::poll;
use gatehouse_connector_sdk::{error::ErrorKind, operation::Operation};
use gatehouse_schemas::{desired::DesiredApi, observed::Observation};

use super::interrupted::{names, uninterrupted};
use crate::{
    gateway::Disturbance,
    sample,
    subject::Subject,
    verdict::{Stop, Verdict, ensure, require},
};

/// Where a deploy in the suite's process is cut off: after so many looks whether it goes on.
const CUTS: [u32; 8] = [1, 2, 3, 4, 6, 9, 13, 20];
/// How long an attempt in the suite's process hears nothing before it is cut off.
const DEADLINE: Duration = Duration::from_millis(50);
/// The same for an agent, which may have to be started first.
const DEADLINE_OF_AGENTS: Duration = Duration::from_millis(600);

pub(super) async fn cut_off_anywhere_the_next_attempt_puts_it_right(subject: Subject) -> Verdict {
    let subject = subject.with_steps().unwrap_or(subject);
    let mut number = 0;
    if subject.gateway.is_in_process() {
        for cut in CUTS {
            number += 1;
            let place = format!("its {cut}. look");
            is_put_right(&subject, number, &place, async |desired: &DesiredApi| {
                cut_off(&subject, desired, cut).await
            })
            .await?;
        }
    }
    if subject
        .gateway
        .disturb(Operation::Deploy, Disturbance::Silence)
        .await
    {
        number += 1;
        is_put_right(&subject, number, "its deadline", async |desired: &DesiredApi| {
            let deadline = match subject.gateway.is_in_process() {
                true => DEADLINE,
                false => DEADLINE_OF_AGENTS,
            };
            // What came of it is not heard.
            let _ = tokio::time::timeout(deadline, subject.try_deploy(desired)).await;
            subject.gateway.calm(Operation::Deploy).await;
            Ok(())
        })
        .await?;
    }
    require(number > 0, "cannot be brought to keep silent")
}

/// Deploys once through `attempt`, and then without interruption: one object is there, and it is the desired one.
async fn is_put_right(
    subject: &Subject,
    number: u128,
    place: &str,
    attempt: impl AsyncFnOnce(&DesiredApi) -> Result<(), Stop>,
) -> Verdict {
    let desired = sample::desired(number);
    let before = names(subject).await;
    attempt(&desired).await?;
    subject.restarted().deploy(&desired).await?;
    let made: Vec<_> = names(subject).await.difference(&before).cloned().collect();
    is_desired(subject, &desired, &format!("cut off at {place}")).await?;
    let expected = uninterrupted(subject, number).await?;
    ensure(made.len() == expected, || {
        format!(
            "an attempt was cut off at {place}; after the next one the gateway holds {made:?} more than before"
        )
    })
}

async fn cut_off(subject: &Subject, desired: &DesiredApi, cut: u32) -> Result<(), Stop> {
    let request = subject.request(desired).await?;
    let context = subject.context();
    let mut attempt = pin!(subject.connector.deploy(&context, &request));
    for _ in 0..cut {
        if poll!(attempt.as_mut()).is_ready() {
            return Ok(());
        }
        tokio::task::yield_now().await;
    }
    Ok(())
}

async fn is_desired(subject: &Subject, desired: &DesiredApi, after: &str) -> Verdict {
    let observed = subject.observe(desired, None).await?;
    ensure(
        matches!(&observed, Observation::Present(api) if api.fingerprint == desired.fingerprint),
        || format!("{after}, and deployed once more, the look told {observed:?}"),
    )
}

pub(super) async fn attempts_at_once_leave_one_object(subject: Subject) -> Verdict {
    for number in 1..6 {
        let desired = sample::desired(number);
        let before = names(&subject).await;
        let rival = subject.restarted();
        let (one, other) = tokio::join!(subject.try_deploy(&desired), rival.try_deploy(&desired));
        ensure(matches!((&one, &other), (Ok(Ok(_)), _) | (_, Ok(Ok(_)))), || {
            format!("of two attempts at once none succeeded: {one:?}, {other:?}")
        })?;
        subject.deploy(&desired).await?;
        is_desired(&subject, &desired, "attempted twice at once").await?;
        let made: Vec<_> = names(&subject).await.difference(&before).cloned().collect();
        let expected = uninterrupted(&subject, number).await?;
        ensure(made.len() == expected, || {
            format!("two attempts at once left {made:?}")
        })?;
    }
    Ok(())
}

pub(super) async fn an_edit_meanwhile_is_told(subject: Subject) -> Verdict {
    let deployed = subject.deploy(&sample::desired(1)).await?;
    let can = subject
        .gateway
        .edit_during_next_deploy(&deployed.external_ref)
        .await;
    require(can, "cannot be edited at the right moment")?;
    let desired = sample::updated(1);
    match subject.try_deploy(&desired).await? {
        Err(error) => ensure(error.kind() == ErrorKind::Conflict, || {
            format!("somebody else changed the API meanwhile, and the attempt ended with {error:?}")
        })?,
        Ok(deployed) => {
            let observed = subject.observe(&desired, Some(&deployed.external_ref)).await?;
            ensure(
                matches!(&observed, Observation::Present(api) if api.fingerprint == deployed.observed),
                || {
                    format!(
                        "somebody else changed the API meanwhile; the deploy told `{}`, and the look {observed:?}",
                        deployed.observed
                    )
                },
            )?;
        }
    }
    subject.deploy(&desired).await?;
    is_desired(&subject, &desired, "changed by somebody else").await
}
