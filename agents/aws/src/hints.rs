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
    error::Result,
};
use tracing::warn;

pub(crate) use self::queue::{LONGEST_WAIT, Queue};
use self::{event::Told, queue::Messages};
use crate::client::Account;

/// Waits for messages, removes them, and says what they are about.
pub(crate) async fn hear(account: &Account<'_>, queue: &Queue) -> Result<Vec<Hint>> {
    let messages = Messages::of(account, queue);
    let heard = messages.receive().await?;
    let told: Vec<Told> = heard
        .iter()
        .map(|message| event::read(message.body().unwrap_or_default(), &account.settings.region))
        .collect();
    // Before anything is done about them: one that stays would come back for ever.
    messages.remove(&heard).await?;
    tell_strangers(account, queue, &told);
    let hints: BTreeSet<Hint> = told.into_iter().filter_map(Told::into_hint).collect();
    Ok(hints.into_iter().collect())
}

fn tell_strangers(account: &Account<'_>, queue: &Queue, told: &[Told]) {
    let count = told.iter().filter(|told| **told == Told::Strange).count();
    if count > 0 {
        let environment = &account.context.environment.name;
        warn!(environment.name = %environment, count, "Removed {count} messages from the queue `{}` of `{environment}` that are no events of API Gateway; let a rule for `aws.apigateway` be all that fills it", queue.arn);
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
