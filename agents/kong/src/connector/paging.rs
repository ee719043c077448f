//! One page of what a Kong has.

use gatehouse_connector_sdk::{
    connector::{DiscoveryPage, PageRequest},
    error::{Error, ErrorKind, Result},
    schemas::{
        identity::ExternalRef,
        observed::{DiscoveredItem, ObservedApi},
    },
};

use super::listing::{Entry, Listing, What};
use crate::{
    entities::Entity,
    observed,
    portal::Finding,
    read::{self, Index},
};

/// How many APIs are on a page at most.
pub(super) const LONGEST_PAGE: usize = 100;

/// The APIs after a position, which is the reference of the last one before; those left out that the filter does not
/// let through.
pub(super) fn page(listing: &Listing, request: &PageRequest, reached_at: &[String]) -> Result<DiscoveryPage> {
    refuse_selectors(request)?;
    let is_later = |external_ref: &&ExternalRef| {
        request
            .position
            .as_ref()
            .is_none_or(|position| external_ref.0 > *position)
    };
    let mut rest = listing
        .entries
        .iter()
        .filter(|(external_ref, _)| is_later(external_ref));
    let limit = request.limit.clamp(1, LONGEST_PAGE);
    let page: Vec<_> = rest.by_ref().take(limit).collect();
    let next = rest
        .next()
        .and(page.last())
        .map(|(external_ref, _)| external_ref.0.clone());
    let index = Index::new(&listing.snapshot);
    let admitted = page.into_iter().filter(|(_, entry)| admits(request, entry));
    let items = admitted
        .map(|(external_ref, entry)| item(listing, &index, request, (external_ref, entry), reached_at));
    Ok(DiscoveryPage {
        items: items.collect(),
        next,
    })
}

fn item(
    listing: &Listing,
    index: &Index<'_>,
    request: &PageRequest,
    (external_ref, entry): (&ExternalRef, &Entry),
    reached_at: &[String],
) -> DiscoveredItem {
    let (external_ref, name) = (external_ref.clone(), entry.name.clone());
    if request.known.get(&external_ref) == Some(&entry.version) {
        return DiscoveredItem::Unchanged { external_ref, name };
    }
    match read(listing, index, (&external_ref, entry), reached_at) {
        Ok(api) => DiscoveredItem::Api(Box::new(api)),
        Err(reason) => DiscoveredItem::Unreadable {
            external_ref,
            name,
            reason,
        },
    }
}

/// An API of a listing, or why it cannot be read.
pub(super) fn read(
    listing: &Listing,
    index: &Index<'_>,
    (external_ref, entry): (&ExternalRef, &Entry),
    reached_at: &[String],
) -> std::result::Result<ObservedApi, String> {
    let by_id = |entities: &'_ [Entity], id: &str| entities.iter().find(|entity| entity.id() == id).cloned();
    let mut finding = Finding::Nothing;
    let read = match &entry.what {
        What::Ours(owner) => {
            let mut api = of_ours(listing, owner, reached_at)?;
            api.version = Some(entry.version.clone());
            return Ok(api);
        }
        What::Service(id) => {
            let service = by_id(&listing.snapshot.services, id).ok_or_else(gone)?;
            finding = listing.portal.finding(id);
            read::service(index, &service)?
        }
        What::Route(id) => {
            let route = by_id(&listing.snapshot.routes, id).ok_or_else(gone)?;
            read::route_without_service(index, &route)?
        }
    };
    Ok(observed::foreign(
        read,
        finding,
        external_ref.clone(),
        entry.version.clone(),
        reached_at,
    ))
}

fn of_ours(
    listing: &Listing,
    owner: &str,
    reached_at: &[String],
) -> std::result::Result<ObservedApi, String> {
    let holding = listing.holdings.get(owner).ok_or_else(gone)?;
    match holding.current() {
        Some(current) => Ok(observed::observed(&current, holding, reached_at)),
        None => Err(without_record()),
    }
}

fn gone() -> String {
    "it is not there any more; discover again".to_owned()
}

/// What is told of an API of ours whose record somebody broke.
pub(super) fn without_record() -> String {
    "it carries our mark, but the record of what was applied is gone or broken; deploy the API once more, or remove its tags that begin with `gatehouse`"
        .to_owned()
}

fn admits(request: &PageRequest, entry: &Entry) -> bool {
    let tags = &request.filter.tags;
    tags.is_empty() || tags.iter().any(|tag| entry.tags.contains(tag))
}

fn refuse_selectors(request: &PageRequest) -> Result<()> {
    match request.filter.selector.keys().next() {
        None => Ok(()),
        Some(name) => Err(Error::new(
            ErrorKind::Invalid,
            format!("Kong has no selector `{name}`; filter the discovery by tags and names"),
        )),
    }
}
