//! What an account has: its APIs, and what it has beside them, listed once for all pages.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use gatehouse_connector_sdk::{
    error::Result,
    schemas::identity::{EnvironmentId, ExternalRef},
};

use crate::{
    apis::{
        listed::{self, Listed},
        shared::Shared,
    },
    client::Account,
};

/// How long the pages of one listing are told from one look, which may take hours at AWS's pace.
const FRESH: Duration = Duration::from_secs(3_600);

/// One look at everything.
#[derive(Debug)]
pub(super) struct Listing {
    /// The APIs, with what is shared of the account put in.
    pub(super) entries: BTreeMap<ExternalRef, Listed>,
}

impl Listing {
    async fn look(account: &Account<'_>) -> Result<Self> {
        let all = listed::all(account).await?;
        let shared = Shared::look(account).await?;
        let with_shared = |mut listed: Listed| {
            shared.add_to(&mut listed.snapshot);
            (listed.api.id.external_ref(), listed)
        };
        Ok(Self {
            entries: all.into_iter().map(with_shared).collect(),
        })
    }
}

/// The listings that pages are told from, by environment.
#[derive(Debug, Default)]
pub(super) struct Listings {
    kept: Mutex<BTreeMap<EnvironmentId, (Arc<Listing>, Instant)>>,
}

impl Listings {
    /// The listing to tell a page from. A first page takes a new look.
    pub(super) async fn of(&self, account: &Account<'_>, goes_on: bool) -> Result<Arc<Listing>> {
        let environment = account.context.environment.id;
        if let Some(kept) = self.kept(environment).filter(|_| goes_on) {
            return Ok(kept);
        }
        let listing = Arc::new(Listing::look(account).await?);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|_, (_, since)| since.elapsed() < FRESH);
        kept.insert(environment, (listing.clone(), Instant::now()));
        Ok(listing)
    }

    /// Lets go of a listing whose last page was told.
    pub(super) fn forget(&self, environment: EnvironmentId) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.remove(&environment);
    }

    fn kept(&self, environment: EnvironmentId) -> Option<Arc<Listing>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let (listing, since) = kept.get(&environment)?;
        (since.elapsed() < FRESH).then(|| listing.clone())
    }
}
