//! What is not ours.

use gatehouse_connector_sdk::{
    connector::{DeployRequest, Deployed},
    error::ErrorKind,
};
use gatehouse_schemas::{identity::ExternalRef, observed::Observation, plan::plan};

use crate::{
    sample,
    subject::Subject,
    verdict::{Stop, Verdict, ensure},
};

pub(super) async fn what_is_not_ours_stays_untouched(subject: Subject) -> Verdict {
    let bystander = subject
        .gateway
        .add_foreign("bystander", sample::content("/bystander"))
        .await;
    let in_the_way = subject
        .gateway
        .add_foreign("api-1", sample::content("/api-1"))
        .await;
    let before = subject.gateway.holds().await;
    let desired = sample::desired(1);
    match subject.try_deploy(&desired).await? {
        Ok(deployed) => {
            ensure(is_elsewhere(&subject, &in_the_way, &deployed).await?, || {
                "an API of somebody else answers at the same place, and the deploy succeeded".to_owned()
            })?;
            subject.undeploy(&desired, Some(&deployed.external_ref)).await?;
        }
        Err(error) => ensure(error.kind() == ErrorKind::Conflict, || {
            format!("an API of somebody else answers at the same place, and the deploy failed with {error:?}")
        })?,
    }
    subject.deploy(&sample::desired(2)).await?;
    subject.deploy(&sample::updated(2)).await?;
    let after = subject.gateway.holds().await;
    for (object, state) in &before {
        ensure(after.get(object) == Some(state), || {
            format!(
                "`{object}` is somebody else's and was {state}; now it is {:?}",
                after.get(object)
            )
        })?;
    }
    adopts(&subject, &in_the_way).await?;
    let still = subject.observe(&sample::desired(3), Some(&bystander)).await?;
    ensure(
        matches!(&still, Observation::Present(api) if api.mark.is_none()),
        || format!("`{bystander}` is somebody else's; after an adoption of another it is {still:?}"),
    )
}

/// Where each API has an address of its own, nobody is in the way of anybody.
async fn is_elsewhere(subject: &Subject, foreign: &ExternalRef, deployed: &Deployed) -> Result<bool, Stop> {
    let found = subject.observe(&sample::desired(1), Some(foreign)).await?;
    let Observation::Present(found) = found else {
        return Ok(false);
    };
    let own = &deployed.endpoint_urls;
    Ok(!own.is_empty() && !found.endpoint_urls.iter().any(|url| own.contains(url)))
}

/// The object that the request says to adopt keeps its identity and gets the mark.
async fn adopts(subject: &Subject, foreign: &ExternalRef) -> Verdict {
    let desired = sample::updated(1);
    let observed = subject.observe(&desired, Some(foreign)).await?;
    let plan = plan(&desired, &observed, Some(foreign))
        .map_err(|error| Stop::Fail(format!("there is no plan to adopt `{foreign}`: {error}")))?;
    let request = DeployRequest {
        desired: desired.clone(),
        plan,
        external_ref: Some(foreign.clone()),
        adopt: true,
    };
    let declares = subject.capabilities().adopt;
    let deployed = match subject.connector.deploy(&subject.context(), &request).await {
        Err(error) if error.kind() == ErrorKind::Unsupported => {
            ensure(!declares, || {
                format!("the connector declares `adopt`, and refused to adopt `{foreign}`: {error:?}")
            })?;
            return is_foreign(subject, foreign).await;
        }
        deployed => deployed?,
    };
    ensure(declares, || {
        format!(
            "`{foreign}` was adopted, and the connector does not declare `adopt`; nobody would be offered it"
        )
    })?;
    ensure(deployed.external_ref == *foreign, || {
        format!(
            "`{foreign}` was to be adopted, and became `{}`",
            deployed.external_ref
        )
    })?;
    let adopted = subject.observe(&desired, Some(foreign)).await?;
    let is_ours = matches!(&adopted, Observation::Present(api) if api.mark.as_ref().map(|mark| mark.api_id) == Some(desired.mark.api_id));
    ensure(is_ours, || format!("`{foreign}` was adopted, and is {adopted:?}"))
}

/// A refused adoption changes nothing.
async fn is_foreign(subject: &Subject, foreign: &ExternalRef) -> Verdict {
    let observed = subject.observe(&sample::updated(1), Some(foreign)).await?;
    ensure(
        matches!(&observed, Observation::Present(api) if api.mark.is_none()),
        || format!("the adoption of `{foreign}` was refused, and it is {observed:?}"),
    )
}
