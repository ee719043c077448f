//! One page of what an account has.
//!
//! Listings of AWS do not tell whether a stage was changed, so each API costs one look at its stage, unless events tell that
//! there is nothing to see; only where that or anything else is not as it was known, it is read.

use std::{collections::HashMap, time::Instant};

use gatehouse_connector_sdk::{
    connector::{DiscoveryPage, PageRequest},
    error::{Error, ErrorKind, Result},
    schemas::{identity::ExternalRef, observed::DiscoveredItem},
};

use super::{
    listing::{Listing, Listings},
    seeing::{self, Seen},
    watching::{Look, Watches},
};
use crate::{apis::listed::Listed, client::Account, mark};

/// How many APIs are on a page at most.
pub(super) const LONGEST_PAGE: usize = 100;

/// The APIs after a position, which is the reference of the last one before; those left out that the filter does not
/// let through, and those of ours that the environment does not have.
pub(super) async fn page(
    account: &Account<'_>,
    (listings, watches): (&Listings, &Watches),
    request: &PageRequest,
) -> Result<DiscoveryPage> {
    refuse_selectors(request)?;
    let listing = listings.of(account, request.position.is_some()).await?;
    let (entries, next) = entries(&listing, request);
    let mut items = Vec::new();
    for (external_ref, listed) in entries {
        items.extend(item(account, (request, watches), external_ref, listed).await?);
    }
    if next.is_none() {
        listings.forget(account.context.environment.id);
        watches.forget_old(account.context.environment.id);
    }
    Ok(DiscoveryPage { items, next })
}

/// The entries of a page that the filter lets through, and the position of the next page.
fn entries<'l>(
    listing: &'l Listing,
    request: &PageRequest,
) -> (Vec<(&'l ExternalRef, &'l Listed)>, Option<String>) {
    let position = request.position.as_ref();
    let is_later = |external_ref: &ExternalRef| position.is_none_or(|position| external_ref.0 > *position);
    let mut rest = listing
        .entries
        .iter()
        .filter(|(external_ref, _)| is_later(external_ref));
    let limit = request.limit.clamp(1, LONGEST_PAGE);
    let mut page: Vec<_> = rest.by_ref().take(limit).collect();
    let last = page.last().map(|(external_ref, _)| external_ref.0.clone());
    let next = rest.next().and(last);
    page.retain(|(_, listed)| admits(request, &listed.api.tags));
    (page, next)
}

async fn item(
    account: &Account<'_>,
    (request, watches): (&PageRequest, &Watches),
    external_ref: &ExternalRef,
    listed: &Listed,
) -> Result<Option<DiscoveredItem>> {
    let known = request.known.get(external_ref).map(String::as_str);
    let (external_ref, name) = (external_ref.clone(), listed.api.name.clone());
    let (environment, began) = (account.context.environment.id, Instant::now());
    let as_listed = seeing::as_listed(listed);
    if known.is_some_and(|known| watches.spares(environment, &external_ref, &as_listed, known)) {
        return Ok(Some(DiscoveredItem::Unchanged { external_ref, name }));
    }
    let seen = seeing::see(account, listed, known).await?;
    if let Some(version) = told(&seen, known) {
        let look = Look {
            began,
            listed: as_listed,
            version: version.to_owned(),
        };
        watches.look(environment, &external_ref, look);
    }
    Ok(match seen {
        Seen::Api(api) => Some(DiscoveredItem::Api(api)),
        Seen::Unchanged => Some(DiscoveredItem::Unchanged { external_ref, name }),
        Seen::Unreadable(reason) => Some(DiscoveredItem::Unreadable {
            external_ref,
            name,
            reason,
        }),
        Seen::Absent => None,
    })
}

/// The version of what was seen.
fn told<'a>(seen: &'a Seen, known: Option<&'a str>) -> Option<&'a str> {
    match seen {
        Seen::Api(api) => api.version.as_deref(),
        Seen::Unchanged => known,
        Seen::Unreadable(_) | Seen::Absent => None,
    }
}

/// A tag is asked for by its name, or by its name and value: `team`, `team=shop`.
fn admits(request: &PageRequest, tags: &HashMap<String, String>) -> bool {
    let wanted = &request.filter.tags;
    let others = mark::others(tags);
    let has = |wanted: &String| {
        let named = |tag: &String| tag.split('=').next() == Some(wanted.as_str());
        others.iter().any(|tag| tag == wanted || named(tag))
    };
    wanted.is_empty() || wanted.iter().any(has)
}

fn refuse_selectors(request: &PageRequest) -> Result<()> {
    match request.filter.selector.keys().next() {
        None => Ok(()),
        Some(name) => Err(Error::new(
            ErrorKind::Invalid,
            format!("API Gateway has no selector `{name}`; filter the discovery by tags and names"),
        )),
    }
}
