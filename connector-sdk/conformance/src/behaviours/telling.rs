//! What `deploy` must tell, and what it must not.

use gatehouse_connector_sdk::{
    error::{Error, ErrorKind, Retry, chain},
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

pub(super) async fn trouble_is_told_by_its_kind(subject: Subject) -> Verdict {
    let wait = std::time::Duration::from_secs(7);
    let cases = [
        (Disturbance::Unreachable, ErrorKind::Unavailable, None),
        (Disturbance::ServerError, ErrorKind::Unavailable, None),
        (
            Disturbance::TooManyRequests { retry_after: None },
            ErrorKind::RateLimited,
            None,
        ),
        (
            Disturbance::TooManyRequests {
                retry_after: Some(wait),
            },
            ErrorKind::RateLimited,
            Some(Retry::After(wait)),
        ),
    ];
    let mut seen = 0;
    for (disturbance, kind, retry) in cases {
        if !subject.gateway.disturb(Operation::Deploy, disturbance).await {
            continue;
        }
        seen += 1;
        let error = failure(&subject, disturbance).await?;
        ensure(error.kind() == kind, || {
            format!("{disturbance:?} was told as {error:?}")
        })?;
        // An agent heeds the time by itself, and reports do not tell it.
        let is_heard = subject.gateway.is_in_process();
        ensure(
            !is_heard || retry.is_none_or(|retry| error.retry() == retry),
            || format!("{disturbance:?} was told with the advice {:?}", error.retry()),
        )?;
    }
    match seen {
        0 => Err(Stop::Skip(
            "the gateway under test cannot be disturbed".to_owned(),
        )),
        _ => Ok(()),
    }
}

async fn failure(subject: &Subject, disturbance: Disturbance) -> Result<Error, Stop> {
    match subject.try_deploy(&sample::desired(1)).await? {
        Err(error) => Ok(error),
        Ok(_) => Err(Stop::Fail(format!(
            "the deploy met with {disturbance:?} and succeeded; retries belong to the runtime"
        ))),
    }
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
    let mut told = vec![format!("{:?}", subject.connector.translate(&desired))];
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
