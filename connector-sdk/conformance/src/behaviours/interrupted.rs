//! What `deploy` must do when something interrupts it.

use std::collections::BTreeSet;

use gatehouse_connector_sdk::{connector::Deployed, error::Result, operation::Operation};
use gatehouse_schemas::{desired::DesiredApi, observed::Observation};

use super::deploy::{ask, is_served};
use crate::{
    gateway::Disturbance,
    journal::{REFUSED, TestJournal},
    sample,
    subject::Subject,
    verdict::{Stop, Verdict, ensure, require},
};

/// Where a deploy in several steps can end too early; nowhere if it never takes several.
async fn deaths(subject: &Subject) -> std::result::Result<Vec<Disturbance>, Stop> {
    let Ok(subject) = subject.with_steps() else {
        return Ok(Vec::new());
    };
    let whole = subject.with_journal(TestJournal::default());
    whole.deploy(&sample::desired(9_999)).await?;
    let steps: Vec<u32> = whole.journal.steps().iter().map(|step| step.number).collect();
    let before = steps.iter().copied().map(Disturbance::DieBeforeStep);
    let after = steps.iter().copied().map(Disturbance::DieAfterStep);
    Ok(before.chain(after).collect())
}

pub(super) async fn after_a_failure_the_old_revision_serves(subject: Subject) -> Verdict {
    let old = sample::desired(1);
    subject.deploy(&old).await?;
    let mut seen = 0;
    let disturbances = [Disturbance::Unreachable, Disturbance::ServerError];
    for disturbance in disturbances.into_iter().chain(deaths(&subject).await?) {
        let subject = match disturbance {
            Disturbance::DieBeforeStep(_) | Disturbance::DieAfterStep(_) => match subject.with_steps() {
                Ok(subject) => subject,
                Err(_) => continue,
            },
            _ => subject.clone(),
        };
        if !subject.gateway.disturb(Operation::Deploy, disturbance).await {
            continue;
        }
        seen += 1;
        if subject.try_deploy(&sample::updated(1)).await?.is_ok() {
            // It takes fewer steps; the old revision comes back for the next case.
            subject.deploy(&old).await?;
            continue;
        }
        let observed = subject.observe(&sample::updated(1), None).await?;
        let Observation::Present(api) = &observed else {
            return ensure(false, || {
                format!(
                    "after {disturbance:?} the old revision should be there, and the look told {observed:?}"
                )
            });
        };
        let is_whole = [&old, &sample::updated(1)].map(|it| it.fingerprint == api.fingerprint);
        ensure(is_whole.contains(&true), || {
            format!(
                "after {disturbance:?} the gateway holds neither the old revision nor the new one: {api:?}"
            )
        })?;
        subject.restarted().deploy(&old).await?;
    }
    require(seen > 0, "cannot be brought to fail")
}

pub(super) async fn there_is_never_a_second_one(subject: Subject) -> Verdict {
    let mut seen = 0;
    let mut number = 0;
    for disturbance in [Disturbance::LoseReply]
        .into_iter()
        .chain(deaths(&subject).await?)
    {
        number += 1;
        let is_death = disturbance != Disturbance::LoseReply;
        let subject = match (is_death, subject.with_steps()) {
            (true, Ok(subject)) => subject,
            (true, Err(_)) => continue,
            (false, _) => subject.clone(),
        };
        let subject = subject.with_journal(TestJournal::default());
        if !subject.gateway.disturb(Operation::Deploy, disturbance).await {
            continue;
        }
        seen += 1;
        let desired = sample::desired(number);
        let before = names(&subject).await;
        let first: Result<_> = subject.try_deploy(&desired).await?;
        subject.restarted().deploy(&desired).await?;
        let made: Vec<String> = names(&subject).await.difference(&before).cloned().collect();
        let expected = uninterrupted(&subject, number).await?;
        ensure(made.len() == expected, || {
            format!(
                "the first attempt met with {disturbance:?} ({first:?}); after the second the gateway holds {made:?} more than before"
            )
        })?;
    }
    match seen {
        0 => Err(Stop::Skip(
            "the gateway under test cannot lose an answer".to_owned(),
        )),
        _ => Ok(()),
    }
}

/// How many objects a deploy of the like leaves behind that nothing interrupts.
pub(super) async fn uninterrupted(subject: &Subject, number: u128) -> std::result::Result<usize, Stop> {
    let before = names(subject).await;
    let subject = subject.with_journal(TestJournal::default());
    subject.deploy(&sample::desired(number + 1_000)).await?;
    Ok(names(&subject).await.difference(&before).count())
}

pub(super) async fn names(subject: &Subject) -> BTreeSet<String> {
    subject.gateway.holds().await.into_keys().collect()
}

pub(super) async fn steps_are_recorded_before_they_are_taken(subject: Subject) -> Verdict {
    let subject = subject.with_steps()?;
    let desired = sample::desired(1);
    let whole = subject.with_journal(TestJournal::default());
    whole.deploy(&desired).await?;
    let steps = whole.journal.steps();
    ensure(steps.len() > 1, || {
        format!("the deploy takes several steps, and recorded {steps:?}")
    })?;
    let mut number = 100;
    for refused in steps.iter().map(|step| step.number) {
        number += 1;
        let desired = sample::desired(number);
        let before = names(&subject).await;
        let journal = TestJournal::default();
        let attempt = subject.with_journal(journal.refusing_from(refused));
        match attempt.try_deploy(&desired).await? {
            Ok(_) => {
                return Err(Stop::Fail(format!(
                    "the record of step {refused} was refused, and the deploy succeeded"
                )));
            }
            Err(error) => ensure(error.message().contains(REFUSED), || {
                format!("the record of step {refused} was refused, and the attempt ended with {error:?}")
            })?,
        }
        let made = names(&subject).await.difference(&before).count();
        let recorded = journal.steps().len();
        ensure(made <= recorded, || {
            format!("{recorded} steps were recorded, and the attempt made {made} objects")
        })?;
    }
    Ok(())
}

pub(super) async fn leftovers_of_other_generations_are_removed(subject: Subject) -> Verdict {
    let subject = subject.with_steps()?;
    let journal = TestJournal::default();
    let first = subject.with_journal(journal.clone());
    let before = names(&subject).await;
    let can = subject
        .gateway
        .disturb(Operation::Deploy, Disturbance::DieAfterStep(1))
        .await;
    require(can, "cannot be brought to end between two steps")?;
    let attempt = first.try_deploy(&sample::desired(1)).await?;
    ensure(attempt.is_err(), || {
        "the process ended, and the deploy succeeded".to_owned()
    })?;
    let left: BTreeSet<String> = names(&subject).await.difference(&before).cloned().collect();
    ensure(!left.is_empty(), || {
        "the first step was taken, and nothing of it is on the gateway".to_owned()
    })?;
    // Another revision: what the first made is of no use for it.
    let next = first.restarted();
    let deployed = next.deploy(&sample::updated(1)).await?;
    let after = names(&subject).await;
    let still: Vec<_> = left
        .intersection(&after)
        .filter(|name| **name != deployed.external_ref.0)
        .collect();
    ensure(still.is_empty(), || {
        format!("an attempt for another revision left {still:?} behind, and the next one did not remove it")
    })
}

pub(super) async fn never_reachable_without_security(subject: Subject) -> Verdict {
    let like = subject.deploy(&sample::guarded(900)).await?;
    let answer = ask(&subject, &like, "/items/7", Some(sample::SECRET.1)).await?;
    ensure(is_served(&answer), || {
        format!(
            "a deployed API that wants a key answers {} with it",
            answer.status
        )
    })?;
    for number in 901..906 {
        let desired = sample::guarded(number);
        let url = below(&like, &desired);
        tokio::select! {
            deployed = subject.deploy(&desired) => drop(deployed?),
            () = opened(&subject, &url) => return Err(Stop::Fail(
                "while it is deployed the API answers without a key".to_owned(),
            )),
        }
    }
    let mut number = 0;
    for disturbance in [Disturbance::LoseReply]
        .into_iter()
        .chain(deaths(&subject).await?)
    {
        number += 1;
        let subject = subject.with_steps().unwrap_or_else(|_| subject.clone());
        let subject = subject.with_journal(TestJournal::default());
        if !subject.gateway.disturb(Operation::Deploy, disturbance).await {
            continue;
        }
        let desired = sample::guarded(number);
        let url = below(&like, &desired);
        let attempt = subject.try_deploy(&desired).await?;
        let answer = subject.gateway.ask(&url, "/items/7", None).await;
        let open = answer.as_ref().is_some_and(is_served);
        ensure(!open, || {
            format!("after {disturbance:?} ({attempt:?}) the API answers without a key")
        })?;
    }
    Ok(())
}

/// Where an API answers, if another one answers there.
fn below(like: &Deployed, desired: &DesiredApi) -> String {
    let url = like.endpoint_urls.first().map_or("", String::as_str);
    url.replace("/api-900", &desired.content.base_path)
}

/// Ends when an API answers without a key.
async fn opened(subject: &Subject, url: &str) {
    loop {
        let answer = subject.gateway.ask(url, "/items/7", None).await;
        if answer.as_ref().is_some_and(is_served) {
            return;
        }
        tokio::task::yield_now().await;
    }
}
