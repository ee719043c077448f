//! Undeploying: first nothing serves it any more, then it goes.

use std::time::{Duration, Instant};

use gatehouse_connector_sdk::{
    connector::ApiReference,
    error::{Error, ErrorKind, Result, Retry},
    journal::StepIntent,
};
use reqwest::Method;

use super::{
    client::{Client, Listed, Request},
    deploy::gone_is_well,
    locate,
};

const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Removes everything that carries the mark.
pub(super) async fn undeploy(client: &Client<'_>, api: &ApiReference) -> Result<()> {
    let mut found = by_identity(client, api).await?;
    for listed in marked(client, api).await? {
        if found.iter().all(|it| it.id != listed.id) {
            found.push(listed);
        }
    }
    let recorded = client.context.journal.recorded();
    let mut number = recorded.iter().map(|step| step.number).max().unwrap_or_default();
    for object in &found {
        for stage in &object.stages {
            number += 1;
            intend(
                client,
                number,
                format!("stop serving `{}` at stage `{stage}`", api.mark.api_name),
            )
            .await?;
            let path = format!("/apis/{}/stages/{stage}", object.id);
            delete(client, "DeleteStage", path, &object.name).await?;
        }
        number += 1;
        intend(client, number, format!("remove the API `{}`", api.mark.api_name)).await?;
        delete(client, "DeleteApi", format!("/apis/{}", object.id), &object.name).await?;
        gone(client, object).await?;
    }
    Ok(())
}

async fn by_identity(client: &Client<'_>, api: &ApiReference) -> Result<Vec<Listed>> {
    let Some(reference) = &api.external_ref else {
        return Ok(Vec::new());
    };
    match look(client, &reference.0).await {
        Ok(listed) if locate::carries(&listed.tags, &api.mark) => Ok(vec![listed]),
        Ok(listed) => Err(Error::new(
            ErrorKind::Conflict,
            format!(
                "API `{}` (`{}`) does not carry our mark for `{}` and stays as it is; remove it at the vendor if it is not needed",
                listed.id, listed.name, api.mark.api_name
            ),
        )),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

async fn look(client: &Client<'_>, id: &str) -> Result<Listed> {
    let object = format!("API `{id}`");
    client
        .read(Request::new(
            "GetApi",
            Method::GET,
            format!("/apis/{id}"),
            &object,
        ))
        .await
}

/// What carries the mark. If an attempt to deploy was about to make it, readers get the time to see it.
async fn marked(client: &Client<'_>, api: &ApiReference) -> Result<Vec<Listed>> {
    let object = locate::object_of(&api.mark);
    let recorded = client.context.journal.recorded();
    let may_appear = recorded
        .iter()
        .any(|step| step.object.as_deref() == Some(&object));
    let began = Instant::now();
    loop {
        let found = locate::by_mark(client, &api.mark).await?;
        if !found.is_empty() || !may_appear || began.elapsed() > client.settings.consistency_window() {
            return Ok(found);
        }
        client.pause(LOOK_AGAIN).await?;
    }
}

async fn intend(client: &Client<'_>, number: u32, description: String) -> Result<()> {
    let intent = StepIntent {
        number,
        of: None,
        description,
        object: None,
    };
    client.context.journal.intend(intent).await
}

async fn delete(client: &Client<'_>, operation: &'static str, path: String, name: &str) -> Result<()> {
    let removed = client
        .send(Request::new(operation, Method::DELETE, path, name))
        .await;
    match gone_is_well(removed) {
        // It serves at a stage that readers did not see yet.
        Err(error) if error.kind() == ErrorKind::Invalid => Err(error.with_retry(Retry::Backoff)),
        other => other,
    }
}

/// Looks until it is seen that it is gone.
async fn gone(client: &Client<'_>, object: &Listed) -> Result<()> {
    let began = Instant::now();
    loop {
        match look(client, &object.id).await {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
            Ok(_) if began.elapsed() > client.settings.consistency_window() => {
                return Err(Error::new(
                    ErrorKind::Unavailable,
                    format!(
                        "the vendor took the removal of `{}` and still shows it; it is looked at again",
                        object.name
                    ),
                ));
            }
            Ok(_) => client.pause(LOOK_AGAIN).await?,
        }
    }
}
