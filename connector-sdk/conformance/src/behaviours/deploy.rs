//! What `deploy` must do when nothing interrupts it.

use gatehouse_connector_sdk::connector::Deployed;
use gatehouse_schemas::observed::Observation;

use super::{behaviours, interrupted, ownership, rivals, telling};
use crate::{
    behaviour::Behaviour,
    gateway::GatewayAnswer,
    sample,
    subject::Subject,
    verdict::{Stop, Verdict, ensure},
};

pub(super) fn behaviours() -> Vec<Behaviour> {
    behaviours![
        Deploy Core deploying_again_changes_nothing [Observe] "Deploying the same desired API again changes nothing and succeeds.";
        Deploy Core requests_are_answered_by_the_new_revision [Observe] "On success, requests are answered by the new revision.";
        Deploy Extended no_request_meets_a_mixture [Observe] "While it runs, each request is answered by the old revision or the new one, never by a mixture.";
        Deploy Extended interrupted::never_reachable_without_security [Observe] "The API is never reachable without its security policies.";
        Deploy Core ownership::what_is_not_ours_stays_untouched [Observe] "What does not carry our mark stays untouched; if it is in the way, that is a `Conflict`. The one exception is the object that the request says to adopt, which is marked and changed in place; a connector that cannot do so refuses it as `Unsupported`.";
        Deploy Core interrupted::after_a_failure_the_old_revision_serves [Observe] "After a failure, the old revision still serves.";
        Deploy Core interrupted::there_is_never_a_second_one [Observe] "What one attempt made and did not finish, the next one finds, by mark, name or recorded step, and uses or removes; there is never a second one of it.";
        Deploy Extended interrupted::steps_are_recorded_before_they_are_taken [Observe] "With more than one step, each is recorded with `context.journal` before it is taken. When a record is refused, the attempt ends there with that error.";
        Deploy Extended interrupted::leftovers_of_other_generations_are_removed [Observe] "What earlier attempts recorded and this one does not use is removed, whichever generation it was for.";
        Deploy Extended rivals::cut_off_anywhere_the_next_attempt_puts_it_right [Observe] "Cut off anywhere, by its deadline or by the end of the agent, it leaves what the next attempt puts right.";
        Deploy Extended rivals::attempts_at_once_leave_one_object [Observe] "Two attempts at once leave one object; the one that came too late finds its work done or ends in an error.";
        Deploy Extended rivals::an_edit_meanwhile_is_told [Observe] "When somebody else changes the API meanwhile, that is a `Conflict`, or `Deployed::observed` tells what the gateway holds in the end.";
        Deploy Core what_is_told_is_what_the_gateway_holds [Observe] "`Deployed::observed` is what the gateway holds, not what was asked for; if it is not the desired fingerprint, the runtime looks once more, and tries again.";
        Deploy Core telling::trouble_is_told_by_its_kind [Observe] "A gateway that cannot be reached or fails is an `Unavailable` error; one that asks to come back later is `RateLimited`, with the time it says, unless the quotas are told of it and the call is made again in its turn.";
        Deploy Core telling::errors_say_what_they_are_about [Observe] "An error says what it is about: the API's name, path or identity, or else the environment or the setting.";
        Deploy Core telling::no_secret_is_told [Observe] "No secret's value appears in a translation, an observation, an error or the log, nor does a credential's.";
    ]
}

async fn deploying_again_changes_nothing(subject: Subject) -> Verdict {
    let desired = sample::desired(1);
    let first = subject.deploy(&desired).await?;
    let before = subject.gateway.holds().await;
    let again = subject.restarted().deploy(&desired).await?;
    ensure(first.external_ref == again.external_ref, || {
        format!(
            "first it was `{}`, then `{}`",
            first.external_ref, again.external_ref
        )
    })?;
    let after = subject.gateway.holds().await;
    ensure(before == after, || {
        format!("before the second deploy the gateway held {before:?}, after it {after:?}")
    })
}

async fn requests_are_answered_by_the_new_revision(subject: Subject) -> Verdict {
    let deployed = subject.deploy(&sample::desired(1)).await?;
    let answer = ask(&subject, &deployed, "/items/7", None).await?;
    ensure(is_served(&answer), || {
        format!(
            "the first revision is deployed, and its operation answers {}",
            answer.status
        )
    })?;
    let deployed = subject.deploy(&sample::guarded(1)).await?;
    let answer = ask(&subject, &deployed, "/items/7", None).await?;
    ensure(matches!(answer.status, 401 | 403), || {
        format!(
            "the new revision wants a key, and without one the answer is {}",
            answer.status
        )
    })?;
    let answer = ask(&subject, &deployed, "/items/7", Some(sample::SECRET.1)).await?;
    ensure(is_served(&answer), || {
        format!(
            "the new revision wants a key, and with it the answer is {}",
            answer.status
        )
    })
}

/// Nothing listens at the sample's upstream: what the gateway lets through is its own 502, 503 or 504.
pub(super) fn is_served(answer: &GatewayAnswer) -> bool {
    (200..300).contains(&answer.status) || (502..=504).contains(&answer.status)
}

pub(super) async fn ask(
    subject: &Subject,
    deployed: &Deployed,
    path: &str,
    key: Option<&str>,
) -> Result<GatewayAnswer, Stop> {
    let url = deployed.endpoint_urls.first();
    let url = url.ok_or_else(|| Stop::Skip("the connector tells no endpoint URL".to_owned()))?;
    let answer = subject.gateway.ask(url, path, key).await;
    answer.ok_or_else(|| Stop::Skip("the gateway under test answers no requests".to_owned()))
}

async fn no_request_meets_a_mixture(subject: Subject) -> Verdict {
    let deployed = subject.deploy(&sample::desired(1)).await?;
    ask(&subject, &deployed, "/items/7", None).await?;
    let switching = async {
        for _ in 0..5 {
            subject.deploy(&sample::guarded(1)).await?;
            subject.deploy(&sample::desired(1)).await?;
        }
        Ok::<_, Stop>(())
    };
    let asking = async {
        loop {
            let answer = ask(&subject, &deployed, "/items/7", None).await?;
            let is_one = is_served(&answer) || matches!(answer.status, 401 | 403);
            ensure(is_one, || {
                format!(
                    "either revision knows the operation, and the answer was {}",
                    answer.status
                )
            })?;
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        switched = switching => switched,
        asked = asking => asked,
    }
}

async fn what_is_told_is_what_the_gateway_holds(subject: Subject) -> Verdict {
    let desired = sample::desired(1);
    let deployed = subject.deploy(&desired).await?;
    let observed = subject.observe(&desired, Some(&deployed.external_ref)).await?;
    ensure(
        matches!(&observed, Observation::Present(api) if api.fingerprint == deployed.observed),
        || {
            format!(
                "the deploy told `{}`, and the look {observed:?}",
                deployed.observed
            )
        },
    )
}
