//! One page of what the gateway has.

use gatehouse_connector_sdk::{
    connector::{DiscoveryPage, PageRequest},
    error::{Error, ErrorKind, Result},
    schemas::{identity::ExternalRef, observed::DiscoveredItem},
};

use crate::{
    client::{Client, documents::Summary},
    translate,
};

/// The APIs of a page, those left out that the filter does not let through. A page may be shorter for it.
pub(super) async fn page(
    client: &Client<'_>,
    request: &PageRequest,
    reached_at: &[String],
) -> Result<DiscoveryPage> {
    refuse_selectors(request)?;
    let listing = client
        .list(request.position.as_deref(), request.limit, None)
        .await?;
    let mut items = Vec::new();
    for summary in listing.items.iter().filter(|summary| admits(request, summary)) {
        items.extend(item(client, request, summary, reached_at).await?);
    }
    Ok(DiscoveryPage {
        items,
        next: listing.next,
    })
}

/// What is told of one API; none if somebody removed it since the listing.
async fn item(
    client: &Client<'_>,
    request: &PageRequest,
    summary: &Summary,
    reached_at: &[String],
) -> Result<Option<DiscoveredItem>> {
    let (external_ref, name) = (ExternalRef(summary.id.clone()), summary.name.clone());
    if request.known.get(&external_ref) == Some(&summary.version.to_string()) {
        return Ok(Some(DiscoveredItem::Unchanged { external_ref, name }));
    }
    match client.get(&summary.id).await {
        Ok(api) => Ok(api.map(|api| DiscoveredItem::Api(Box::new(translate::observed(api, reached_at))))),
        // That is about this one. If the gateway is not able to answer, the whole page cannot be read.
        Err(error) if error.kind() == ErrorKind::Unexpected => Ok(Some(DiscoveredItem::Unreadable {
            external_ref,
            name,
            reason: error.message().to_owned(),
        })),
        Err(error) => Err(error),
    }
}

fn admits(request: &PageRequest, summary: &Summary) -> bool {
    let tags = &request.filter.tags;
    tags.is_empty() || tags.iter().any(|tag| summary.tags.contains(tag))
}

fn refuse_selectors(request: &PageRequest) -> Result<()> {
    match request.filter.selector.keys().next() {
        None => Ok(()),
        Some(name) => Err(Error::new(
            ErrorKind::Invalid,
            format!("the gateway has no selector `{name}`; filter the discovery by tags and names"),
        )),
    }
}
