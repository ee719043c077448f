//! What `deploy` must tell, and what it must not.

use std::time::Duration;

use gatehouse_connector_sdk::{
    error::{ErrorKind, Retry, chain},
    operation::Operation,
};
use secrecy::ExposeSecret as _;
use serde_json::Value;
use tracing::instrument::WithSubscriber as _;

use crate::{
    gateway::{Connection, Disturbance, Permission},
    log::CapturedLog,
    sample,
    subject::Subject,
    verdict::{Stop, Verdict, ensure, require},
};

/// How long an attempt may take until it is slowed down; on a busy machine, much longer than it takes.
const TURN: Duration = Duration::from_secs(30);
/// How long the attempt of an agent is watched, which tells nobody of its quotas.
const TURN_OF_AGENTS: Duration = Duration::from_secs(3);
/// How often it is looked whether the quotas were told.
const LOOK: Duration = Duration::from_millis(10);

pub(super) async fn trouble_is_told_by_its_kind(subject: Subject) -> Verdict {
    let mut seen = 0;
    for disturbance in [Disturbance::Unreachable, Disturbance::ServerError] {
        if subject.gateway.disturb(Operation::Deploy, disturbance).await {
            seen += 1;
            is_unavailable(&subject, disturbance).await?;
        }
    }
    for retry_after in [None, Some(Duration::from_secs(7))] {
        let disturbance = Disturbance::TooManyRequests { retry_after };
        if subject.gateway.disturb(Operation::Deploy, disturbance).await {
            seen += 1;
            is_slowed_down(&subject, retry_after).await?;
        }
    }
    require(seen > 0, "cannot be disturbed")
}

async fn is_unavailable(subject: &Subject, disturbance: Disturbance) -> Verdict {
    match subject.try_deploy(&sample::desired(1)).await? {
        Ok(_) => Err(Stop::Fail(format!(
            "the deploy met with {disturbance:?} and succeeded; retries belong to the runtime"
        ))),
        Err(error) => ensure(error.kind() == ErrorKind::Unavailable, || {
            format!("{disturbance:?} was told as {error:?}")
        }),
    }
}

/// The attempt ends as `RateLimited`, or the quotas are told and it goes on in its turn.
async fn is_slowed_down(subject: &Subject, retry_after: Option<Duration>) -> Verdict {
    let subject = subject.counting();
    let is_heard = subject.gateway.is_in_process();
    let turn = if is_heard { TURN } else { TURN_OF_AGENTS };
    let told = async {
        while !subject.quotas.refusals().contains(&retry_after) {
            tokio::time::sleep(LOOK).await;
        }
    };
    let desired = sample::desired(1);
    let attempt = tokio::select! {
        ended = subject.try_deploy(&desired) => Some(ended),
        () = told, if is_heard => None,
        () = tokio::time::sleep(turn) => None,
    };
    subject.gateway.calm(Operation::Deploy).await;
    if let Some(ended) = attempt
        && let Err(error) = ended?
    {
        let advice = retry_after.map(Retry::After);
        // An agent heeds the time by itself, and reports do not tell it.
        let is_advised = !is_heard || advice.is_none_or(|advice| error.retry() == advice);
        return ensure(error.kind() == ErrorKind::RateLimited && is_advised, || {
            format!("the gateway asked to come back after {retry_after:?}, which was told as {error:?}")
        });
    }
    // The quotas of an agent are its own.
    let told = subject.quotas.refusals();
    ensure(!is_heard || told.contains(&retry_after), || {
        format!(
            "the gateway asked to come back after {retry_after:?}; the attempt went on, and the quotas were told {told:?}"
        )
    })
}

pub(super) async fn errors_say_what_they_are_about(subject: Subject) -> Verdict {
    let mut errors = Vec::new();
    subject
        .gateway
        .add_foreign("api-1", sample::content("/api-1"))
        .await;
    if let Err(error) = subject.try_deploy(&sample::desired(1)).await? {
        errors.push(error);
    }
    for disturbance in [Disturbance::Unreachable, Disturbance::ServerError] {
        if subject.gateway.disturb(Operation::Deploy, disturbance).await
            && let Err(error) = subject.try_deploy(&sample::desired(2)).await?
        {
            errors.push(error);
        }
    }
    if let Some(connection) = subject.gateway.connection_without(Permission::Write)
        && let Err(error) = subject
            .through(connection)
            .try_deploy(&sample::desired(3))
            .await?
    {
        errors.push(error);
    }
    require(!errors.is_empty(), "cannot be brought to fail")?;
    let names = names(&subject);
    let vague = errors
        .iter()
        .find(|error| !names.iter().any(|name| chain(*error).contains(name)));
    ensure(vague.is_none(), || {
        format!("an error names neither the API nor the environment nor a setting: {vague:?}")
    })
}

/// What an error can be about: the samples, the environment, and the settings there are.
fn names(subject: &Subject) -> Vec<String> {
    let environment = subject.context().environment;
    let schema = &subject.connector.descriptor().settings_schema;
    let properties = schema.get("properties").and_then(Value::as_object);
    let settings = properties
        .into_iter()
        .flat_map(|properties| properties.keys().cloned());
    let given = environment
        .settings
        .values()
        .filter_map(Value::as_str)
        .map(str::to_owned);
    let samples = ["api-1", "api-2", "api-3", environment.name.as_str()].map(str::to_owned);
    samples.into_iter().chain(settings).chain(given).collect()
}

pub(super) async fn no_secret_is_told(subject: Subject) -> Verdict {
    let log = CapturedLog::default();
    let told = tell(&subject).with_subscriber(log.subscriber()).await?;
    let of_agent = subject.gateway.log().await;
    let places = [
        ("the log", log.text()),
        ("the agent's log", of_agent.unwrap_or_default()),
    ];
    let places = places
        .into_iter()
        .chain(told.into_iter().map(|text| ("what it answers", text)));
    for (place, text) in places {
        for (what, value) in hidden(&subject) {
            ensure(!text.contains(&value), || {
                let around = text
                    .lines()
                    .find(|line| line.contains(&value))
                    .unwrap_or_default();
                format!("{what} is told in {place}: {}", around.replace(&value, "(HERE)"))
            })?;
        }
    }
    Ok(())
}

/// The values that nobody may read.
fn hidden(subject: &Subject) -> Vec<(String, String)> {
    let Connection { credentials, .. } = subject.gateway.connection();
    let credentials = credentials.iter();
    let credentials = credentials.map(|(name, value)| {
        (
            format!("the credential `{name}`"),
            value.expose_secret().to_owned(),
        )
    });
    let secret = ("the value of a secret".to_owned(), sample::SECRET.1.to_owned());
    credentials
        .chain([secret])
        .filter(|(_, value)| !value.is_empty())
        .collect()
}

/// Everything a connector says of an API with a secret, also of one that cannot be deployed.
async fn tell(subject: &Subject) -> Result<Vec<String>, Stop> {
    let desired = sample::guarded(1);
    let mut told = vec![format!(
        "{:?}",
        subject
            .connector
            .translate(&subject.context().environment, &desired)
    )];
    let deployed = subject.deploy(&desired).await?;
    let observed = subject.observe(&desired, Some(&deployed.external_ref)).await?;
    told.push(format!("{deployed:?} {observed:?}"));
    for disturbance in [Disturbance::ServerError, Disturbance::Unreachable] {
        if subject.gateway.disturb(Operation::Deploy, disturbance).await
            && let Err(error) = subject.try_deploy(&sample::guarded(2)).await?
        {
            told.push(format!("{error:?}"));
        }
    }
    told.push(format!("{:?}", subject.connector));
    Ok(told)
}
