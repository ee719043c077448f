//! What is not ours, and stays as it is unless people chose to adopt it.

use gatehouse_connector_sdk::{
    connector::{ApiReference, DeployRequest},
    error::{Error, ErrorKind, Result},
};

use super::{conflicts, listing, looking};
use crate::{
    client::Client,
    entities::{Collection, Entity},
    holding::Holding,
    read::{self, Index},
    translate::TAG,
};

/// What is not ours stays untouched, unless it is the object that people chose to adopt.
pub(super) async fn refuse_strangers(
    client: &Client,
    request: &DeployRequest,
    holding: &Holding,
) -> Result<()> {
    let Some(known) = &request.external_ref else {
        return Ok(());
    };
    let is_ours = holding
        .current()
        .is_some_and(|current| current.record.external_ref == *known);
    if is_ours || holding.get(Collection::Services, &known.0).is_some() {
        return Ok(());
    }
    match client.get(Collection::Services, &known.0).await? {
        Some(service) if !request.adopt || service.has_tag(TAG) => Err(not_ours(&service)),
        _ => Ok(()),
    }
}

/// Puts what is adopted to what the new generation takes the place of.
pub(super) async fn adopted(client: &Client, request: &DeployRequest, holding: &mut Holding) -> Result<()> {
    let Some(known) = request.external_ref.as_ref().filter(|_| request.adopt) else {
        return Ok(());
    };
    if let Some(service) = client.get(Collection::Services, &known.0).await? {
        looking::below(client, service.id(), holding).await?;
        holding.extend(Collection::Services, [service]);
    }
    Ok(())
}

/// The identity of somebody else's service is not one to remove.
pub(super) async fn refuse_to_remove(client: &Client, api: &ApiReference, holding: &Holding) -> Result<()> {
    let ApiReference {
        external_ref: Some(known),
        ..
    } = api
    else {
        return Ok(());
    };
    if holding.all(Collection::Services).next().is_some() {
        return Ok(());
    }
    match client.get(Collection::Services, &known.0).await? {
        Some(service) => Err(not_ours(&service)),
        None => Ok(()),
    }
}

/// Whatever answers at the API's places and is neither ours nor adopted stays as it is.
pub(super) async fn refuse_places(client: &Client, request: &DeployRequest, holding: &Holding) -> Result<()> {
    let mark = &request.desired.mark;
    if holding
        .get(
            Collection::Services,
            request.external_ref.as_ref().map_or("", |id| id.0.as_str()),
        )
        .is_none()
    {
        conflicts::refuse_taken_name(client, mark.api_name.as_str()).await?;
    }
    let listing = listing::look_at_places(client).await?;
    let index = Index::new(&listing);
    let is_own = |route: &Entity| {
        route
            .owner("service")
            .is_some_and(|service| holding.get(Collection::Services, service).is_some())
    };
    let in_the_way = read::in_the_way(&request.desired.content, &index, is_own);
    match in_the_way.into_iter().next() {
        None => Ok(()),
        Some(conflict) => Err(Error::new(
            ErrorKind::Conflict,
            format!(
                "{conflict} is in the way of `{}`; remove it on Kong, import and adopt it, or choose another base path",
                mark.api_name
            ),
        )),
    }
}

fn not_ours(service: &Entity) -> Error {
    Error::new(
        ErrorKind::Conflict,
        format!(
            "service `{}` ({}) on Kong does not carry our mark and stays as it is; remove it there, or import and adopt it",
            service.title(),
            service.id()
        ),
    )
}
