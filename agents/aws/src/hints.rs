//! Hints: what AWS tells of changes, through a queue that EventBridge fills.
//!
//! People make a rule for the events of API Gateway that CloudTrail records, and name its queue in `eventQueueArn`.
//! What is in the queue says where to look, and is never believed: whoever can write into it can make this agent look,
//! and no more.

mod event;
mod problem;
mod queue;

use std::collections::BTreeSet;

use gatehouse_connector_sdk::{
    connector::{CheckFinding, CheckSeverity, Hint},
    error::{Error, Result, chain},
};
use tracing::warn;

pub(crate) use self::queue::{LONGEST_WAIT, Queue};
use self::{event::Told, queue::Messages};
use crate::client::Account;

/// Waits for messages, says what they are about, and removes them.
///
/// `heard` is told first: whether AWS has removed them is not known where its answer is lost.
pub(crate) async fn hear(
    account: &Account<'_>,
    queue: &Queue,
    heard: impl FnOnce(&[Hint]),
) -> Result<Vec<Hint>> {
    let messages = Messages::of(account, queue);
    let received = messages.receive().await?;
    let told: Vec<Told> = received
        .iter()
        .map(|message| event::read(message.body().unwrap_or_default(), &account.settings.region))
        .collect();
    let hints: BTreeSet<Hint> = told.iter().cloned().filter_map(Told::into_hint).collect();
    let hints: Vec<Hint> = hints.into_iter().collect();
    heard(&hints);
    // Before anything else is done about them: one that stays would come back for ever.
    match messages.remove(&received).await {
        Ok(()) => tell_strangers(account, queue, &told),
        Err(error) => tell_that_they_stay(account, queue, &error),
    }
    Ok(hints)
}

/// Hearing twice does no harm, and not hearing does.
fn tell_that_they_stay(account: &Account<'_>, queue: &Queue, error: &Error) {
    let environment = &account.context.environment.name;
    warn!(environment.name = %environment, error = %chain(error), "Messages that were read may stay in the queue `{}` of `{environment}`, and come back", queue.arn);
}

fn tell_strangers(account: &Account<'_>, queue: &Queue, told: &[Told]) {
    let count = told.iter().filter(|told| **told == Told::Strange).count();
    if count > 0 {
        let environment = &account.context.environment.name;
        warn!(environment.name = %environment, count, "Removed {count} messages from the queue `{}` of `{environment}` that are no events of API Gateway; let a rule for its calls and those of AWS WAF be all that fills it", queue.arn);
    }
}

/// Whether the queue can be read, without taking anything out of it. Everything works without it, so that nothing here is
/// an error.
pub(crate) async fn findings(account: &Account<'_>, queue: Result<Option<Queue>>) -> Vec<CheckFinding> {
    let queue = match queue {
        Ok(None) => return Vec::new(),
        Ok(Some(queue)) => queue,
        Err(error) => return vec![warning(error.message())],
    };
    let messages = Messages::of(account, &queue);
    let tried = match messages.try_receive().await {
        Ok(()) => messages.try_remove().await,
        denied => denied,
    };
    vec![match tried {
        Ok(()) => CheckFinding {
            severity: CheckSeverity::Ok,
            message: format!(
                "the queue `{}` can be read; changes are heard of as they happen",
                queue.arn
            ),
        },
        Err(error) => warning(error.message()),
    }]
}

fn warning(message: &str) -> CheckFinding {
    CheckFinding {
        severity: CheckSeverity::Warning,
        message: format!("{message}; until then, changes are seen at the scheduled looks only"),
    }
}
