//! What the run before said: it need be neither worked out nor written again where nothing that it depends on changed.
//!
//! Of what is no API of the catalog, a verdict depends on what the gateway holds and on the catalog. What the gateway
//! holds is as it was if the gateway says so, and no other run took stock in between; the catalog, if its fingerprint is.

use std::collections::BTreeMap;

use gatehouse_control_plane_store::{
    DiscoveredStatus, LastRun, LaterFinding, Store, ToldFinding, Transaction,
};
use gatehouse_schemas::{
    canonical::Fingerprint,
    identity::{DiscoveryId, EnvironmentId, ExternalRef},
    observed::Classification,
};
use tokio::sync::OnceCell;

use super::catalog::Catalog;
use crate::failure::Answer;

/// What the run before said, read when it is needed.
#[derive(Debug)]
pub(super) struct Earlier {
    environment_id: EnvironmentId,
    last: Option<LastRun>,
    /// The catalog's fingerprint now.
    catalog: OnceCell<Fingerprint>,
    findings: OnceCell<BTreeMap<ExternalRef, ToldFinding>>,
}

impl Earlier {
    pub(super) async fn read(store: &Store, environment_id: EnvironmentId) -> Answer<Self> {
        Ok(Self {
            environment_id,
            last: store.last_run(environment_id).await?,
            catalog: OnceCell::new(),
            findings: OnceCell::new(),
        })
    }

    /// The fingerprint of what this run compares with.
    pub(super) async fn catalog(&self, store: &Store, catalog: &Catalog) -> Answer<&Fingerprint> {
        self.catalog.get_or_try_init(|| catalog.fingerprint(store)).await
    }

    /// The fingerprint of what this run compared with, if that mattered.
    pub(super) fn compared_with(&self) -> Option<&Fingerprint> {
        self.catalog.get()
    }

    /// What was said of each API, apart from those of which there was nothing to say.
    pub(super) async fn findings(&self, store: &Store) -> Answer<&BTreeMap<ExternalRef, ToldFinding>> {
        let read = async || match &self.last {
            Some(last) => {
                let told = store.told_findings(last.findings).await?.into_iter();
                Ok(told.map(|told| (told.external_ref.clone(), told)).collect())
            }
            None => Ok(BTreeMap::new()),
        };
        self.findings.get_or_try_init(read).await
    }

    /// How something compares that is no API of the catalog, and that the gateway did not change; none if that must be
    /// worked out again.
    pub(super) async fn verdict(
        &self,
        store: &Store,
        catalog: &Catalog,
        reference: &ExternalRef,
    ) -> Answer<Option<DiscoveredStatus>> {
        let Some(before) = self.last.as_ref().and_then(|last| last.catalog.as_ref()) else {
            return Ok(None);
        };
        if self.catalog(store, catalog).await? != before {
            return Ok(None);
        }
        let told = self.findings(store).await?.get(reference);
        let status = told.and_then(|told| told.status.as_ref());
        Ok(status.filter(|status| is_of_no_api(status)).cloned())
    }

    /// The run whose findings these are exactly, with what the gateway holds; only for what the gateway did not change.
    pub(super) fn said(&self, findings: &[LaterFinding]) -> Option<DiscoveryId> {
        let (last, told) = self.last.as_ref().zip(self.findings.get())?;
        let said = |finding: &LaterFinding| {
            let told = told.get(&finding.external_ref);
            told.is_some_and(|told| {
                told.name == finding.name && told.status.as_ref() == Some(&finding.status)
            })
        };
        let same = !findings.is_empty() && findings.len() == told.len() && findings.iter().all(said);
        same.then_some(last.findings)
    }

    /// Whether no other run took stock since this one began to compare.
    pub(super) async fn is_still_last(&self, transaction: &mut Transaction) -> Answer<bool> {
        Ok(transaction.last_run(self.environment_id).await? == self.last)
    }
}

/// Whether that was said of something that no API of the catalog is, by its reference or by its mark.
fn is_of_no_api(status: &DiscoveredStatus) -> bool {
    let class = &status.classification;
    status.api.is_none()
        && matches!(
            class,
            Classification::New { .. } | Classification::Conflict { .. }
        )
}
