//! Paging through one listing: from its beginning or from where an interrupted run stopped, with bounded memory.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use gatehouse_control_plane_api::agent::DiscoveryWork;
use gatehouse_schemas::{environment::DiscoveryFilter, identity::ExternalRef, observed::DiscoveredItem};
use tracing::{info, warn};

use super::{Ending, Shared, pages::PageSender};
use crate::{
    connector::PageRequest,
    context::Context,
    error::{Error, ErrorKind, chain},
    runtime::environments::Lease,
};

/// How many items are asked for at once, unless they are large.
const PAGE_ITEMS: usize = 100;
/// How many bytes of items are wanted at once.
const WANTED_BYTES: usize = 2 << 20;
/// How often a listing may begin anew.
const RESTARTS: u32 = 3;
/// How often progress is told.
const PROGRESS: std::time::Duration = std::time::Duration::from_secs(10);

/// One listing under way.
pub(super) struct Listing<'a> {
    shared: &'a Shared,
    work: &'a DiscoveryWork,
    lease: &'a Lease,
    request: PageRequest,
    restarts: u32,
    found: u64,
    unchanged: u64,
    told: Instant,
}

impl<'a> Listing<'a> {
    pub(super) fn new(
        shared: &'a Shared,
        work: &'a DiscoveryWork,
        lease: &'a Lease,
        known: BTreeMap<ExternalRef, String>,
    ) -> Self {
        let position = work.resume.as_ref().and_then(|resume| resume.position.clone());
        Self {
            shared,
            work,
            lease,
            request: PageRequest {
                known: Arc::new(known),
                position,
                limit: PAGE_ITEMS,
                filter: work.filter.clone(),
            },
            restarts: 0,
            found: 0,
            unchanged: 0,
            told: Instant::now(),
        }
    }

    /// Pages through the listing, sending as it goes.
    pub(super) async fn run(mut self, context: &Context, sender: &mut PageSender<'_>) -> Ending {
        loop {
            if self.lease.ended.is_cancelled() || self.shared.stopping.is_cancelled() {
                return Ending::Stopped;
            }
            let page = match self
                .shared
                .connector
                .discover(context, self.request.clone())
                .await
            {
                Ok(page) => page,
                Err(error) if self.may_restart(&error) => continue,
                Err(error) => return Ending::BrokenOff(error),
            };
            self.take(&page.items, sender);
            drop(page.items);
            if page.next.is_some() && page.next == self.request.position {
                return Ending::BrokenOff(stuck());
            }
            if let Err(ending) = sender.end_page(page.next.clone()).await {
                return ending;
            }
            if page.next.is_none() {
                return Ending::Listed;
            }
            self.request.position = page.next;
            self.tell_progress(sender.pages);
        }
    }

    /// A position that the gateway does not take any more: everything is listed once more. What was sent stays
    /// sent; the control plane takes each API as it was told last.
    fn may_restart(&mut self, error: &Error) -> bool {
        let can = error.kind() == ErrorKind::Conflict
            && self.request.position.is_some()
            && self.restarts < RESTARTS;
        if can {
            let environment = &self.lease.assignment.name;
            warn!(environment.name = %environment, discovery.id = %self.work.id, error = %chain(error), "The listing of `{environment}` cannot go on from where it was; beginning anew");
            self.restarts += 1;
            self.request.position = None;
        }
        can
    }

    fn take(&mut self, items: &[DiscoveredItem], sender: &mut PageSender<'_>) {
        let mut bytes = 0;
        let filter = &self.request.filter;
        for item in items.iter().filter(|item| admits(filter, item)) {
            bytes += sender.add(item);
            self.found += 1;
            self.unchanged += u64::from(matches!(item, DiscoveredItem::Unchanged { .. }));
        }
        // Large items come in smaller pages, so that memory stays bounded whatever they are.
        if let Some(average) = bytes.checked_div(items.len()) {
            let fitting = WANTED_BYTES.checked_div(average).unwrap_or(PAGE_ITEMS);
            self.request.limit = fitting.clamp(1, PAGE_ITEMS);
        }
    }

    fn tell_progress(&mut self, pages: u32) {
        if self.told.elapsed() < PROGRESS {
            return;
        }
        self.told = Instant::now();
        let environment = &self.lease.assignment.name;
        info!(environment.name = %environment, discovery.id = %self.work.id, pages, found = self.found, unchanged = self.unchanged, "Discovering `{environment}`: {} APIs so far", self.found);
    }
}

/// The filter once more, for connectors that cannot apply all of it. What has no tags here was let through by the
/// connector, which knows them.
fn admits(filter: &DiscoveryFilter, item: &DiscoveredItem) -> bool {
    match item {
        DiscoveredItem::Api(api) => filter.admits(&api.name, &api.tags),
        DiscoveredItem::Unchanged { name, .. } | DiscoveredItem::Unreadable { name, .. } => {
            filter.admits(name, &filter.tags)
        }
    }
}

fn stuck() -> Error {
    Error::new(
        ErrorKind::Unexpected,
        "the gateway's listing does not advance; report this to the connector's authors",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_that_does_not_advance_is_the_connectors_fault() {
        let error = stuck();
        assert_eq!(error.kind(), ErrorKind::Unexpected);
        assert_eq!(
            error.message(),
            "the gateway's listing does not advance; report this to the connector's authors"
        );
    }
}
