//! The listings that pages are told from: each as long as it is of use.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use gatehouse_connector_sdk::{
    connector::{DiscoveryPage, PageRequest},
    error::Result,
    schemas::identity::EnvironmentId,
};

use super::{Listing, look, paging};
use crate::client::Client;

/// How long the pages of one listing are told from one look, which may take hours at a vendor's pace elsewhere.
const FRESH: Duration = Duration::from_secs(600);

/// The listings that pages are told from, by environment.
#[derive(Debug, Default)]
pub(in crate::connector) struct Listings {
    kept: Mutex<BTreeMap<EnvironmentId, Kept>>,
}

#[derive(Debug, Clone)]
struct Kept {
    listing: Arc<Listing>,
    /// What the Kong said of its configuration then, if it says so.
    hash: Option<String>,
    since: Instant,
}

impl Listings {
    /// A page of what the Kong of an environment has.
    pub(in crate::connector) async fn page(
        &self,
        environment: EnvironmentId,
        client: &Client,
        request: &PageRequest,
        reached_at: &[String],
    ) -> Result<DiscoveryPage> {
        let kept = self.of(environment, client, request.position.is_some()).await?;
        let page = paging::page(&kept.listing, request, reached_at)?;
        // Only a Kong that says whether anything changed is told from it once more; it takes tens of megabytes.
        if page.next.is_none() && kept.hash.is_none() {
            self.lock().remove(&environment);
        }
        Ok(page)
    }

    /// The listing to tell a page from. A first page takes a new look, unless the Kong says that nothing changed.
    async fn of(&self, environment: EnvironmentId, client: &Client, goes_on: bool) -> Result<Kept> {
        let kept = self.lock().get(&environment).cloned();
        if let Some(kept) = kept
            .as_ref()
            .filter(|kept| goes_on && kept.since.elapsed() < FRESH)
        {
            return Ok(kept.clone());
        }
        let node = client.node().await?;
        let hash = match node.has_database {
            true => None,
            false => client.configuration_hash().await?,
        };
        if let Some(kept) = kept.filter(|kept| hash.is_some() && kept.hash == hash) {
            return Ok(self.keep(environment, kept.listing, hash));
        }
        // It need not be there twice.
        self.lock().remove(&environment);
        let listing = Arc::new(look(client, node.edition).await?);
        Ok(self.keep(environment, listing, hash))
    }

    fn keep(&self, environment: EnvironmentId, listing: Arc<Listing>, hash: Option<String>) -> Kept {
        let since = Instant::now();
        let kept = Kept { listing, hash, since };
        self.lock().insert(environment, kept.clone());
        kept
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<EnvironmentId, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
