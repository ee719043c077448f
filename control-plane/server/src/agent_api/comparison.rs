//! Comparing the findings of a discovery with the catalog, in bounded memory and outside of long transactions.
//!
//! Findings are read without what they hold. Where that says already that nothing changed, that is all; what the others
//! hold is read, a few hundred at a time, and compared away from the reactor. Nobody sees how findings compare before
//! the discovery has ended, so that each part is written in a transaction of its own.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use gatehouse_control_plane_store::{
    DiscoveredStatus, Discovery, DiscoveryCounts, FindingSummary, InventoryEntry, ItemFilter, LaterFinding,
    PageRequest, Store,
};
use gatehouse_schemas::{
    canonical::Fingerprint,
    identity::{DiscoveredApiId, DiscoveryId, EnvironmentId, ExternalRef},
    observed::{
        CatalogEntry, CatalogView, Classification, DiscoveredItem, ObservedApi, classify_with,
        needs_definition,
    },
};
use serde_json::Value;
use tokio::sync::OnceCell;

use super::{caller::Caller, catalog::Catalog, earlier::Earlier};
use crate::{
    failure::{Answer, Failure},
    write::off_the_reactor,
};

/// How many findings are in memory at once, without what they hold.
const SUMMARIES: u32 = 500;
/// How many are in memory with what they hold.
const WHOLE: usize = 100;

/// What came of comparing.
#[derive(Debug)]
pub(super) struct Compared {
    /// How many findings there are of each class.
    pub(super) counts: DiscoveryCounts,
    /// What was seen on the gateway, readable or not.
    pub(super) seen: BTreeSet<ExternalRef>,
    /// Findings that no page brought.
    pub(super) later: Vec<LaterFinding>,
    /// Whether pages brought findings, which have rows by now.
    pub(super) has_rows: bool,
    /// What the run before said.
    pub(super) earlier: Earlier,
}

impl Compared {
    /// The run whose findings these are exactly.
    pub(super) fn same_as_before(&self) -> Option<DiscoveryId> {
        if self.has_rows {
            return None;
        }
        self.earlier.said(&self.later)
    }
}

/// Compares all findings of a discovery, and writes down how those compare that pages brought.
pub(super) async fn compare(
    store: &Store,
    caller: &Caller,
    discovery: &Discovery,
    catalog: &Catalog,
) -> Answer<Compared> {
    let ignored = store.ignored_apis(discovery.environment_id).await?;
    let mut comparison = Comparison {
        store,
        catalog,
        environment_id: discovery.environment_id,
        ignored: ignored
            .into_iter()
            .map(|ignored| (ignored.external_ref, ignored.reason))
            .collect(),
        view: OnceCell::new(),
        arrived: BTreeSet::new(),
        compared: Compared {
            counts: DiscoveryCounts::default(),
            seen: BTreeSet::new(),
            later: Vec::new(),
            has_rows: false,
            earlier: Earlier::read(store, discovery.environment_id).await?,
        },
    };
    comparison.arrived(caller, discovery).await?;
    comparison.not_read_again(discovery).await?;
    let Comparison {
        arrived,
        mut compared,
        ..
    } = comparison;
    compared.has_rows = !arrived.is_empty();
    if !compared.has_rows && !compared.later.is_empty() {
        compared.earlier.findings(store).await?;
    }
    Ok(compared)
}

struct Comparison<'a> {
    store: &'a Store,
    catalog: &'a Catalog,
    environment_id: EnvironmentId,
    ignored: BTreeMap<ExternalRef, String>,
    /// All of the catalog, read when the first finding needs it.
    view: OnceCell<Arc<CatalogView>>,
    /// What pages brought.
    arrived: BTreeSet<ExternalRef>,
    compared: Compared,
}

/// A finding to compare, and what it is compared with.
struct Case<Key> {
    key: Key,
    item: DiscoveredItem,
    /// The catalog's API that it is; if none, it is compared with all of them.
    entry: Option<CatalogEntry>,
    /// The catalog's definition, where the gateway's is another one.
    definition: Option<Value>,
    /// Whether the catalog says that it was deployed there.
    deployed: bool,
}

impl Comparison<'_> {
    /// What pages brought.
    async fn arrived(&mut self, caller: &Caller, discovery: &Discovery) -> Answer<()> {
        let mut request = PageRequest {
            limit: Some(SUMMARIES),
            cursor: None,
        };
        loop {
            let page = self
                .store
                .finding_summaries(discovery.id, &ItemFilter::default(), &request)
                .await?;
            if !page.items.is_empty() {
                self.catalog.read_names(self.store).await?;
            }
            let (mut told, mut others) = (Vec::with_capacity(page.items.len()), Vec::new());
            for finding in page.items {
                self.compared.seen.insert(finding.external_ref.clone());
                self.arrived.insert(finding.external_ref.clone());
                match self.at_a_glance(&finding) {
                    Some(status) => told.push((finding.id, status)),
                    None => others.push(finding.id),
                }
            }
            for ids in others.chunks(WHOLE) {
                told.extend(self.read_and_compare(ids).await?);
            }
            for (_, status) in &told {
                count(&mut self.compared.counts, &status.classification);
            }
            if !told.is_empty() {
                let mut transaction = caller.begin().await?;
                transaction.classify_items(&told).await?;
                transaction.commit().await?;
            }
            request.cursor = page.next_cursor;
            if request.cursor.is_none() {
                return Ok(());
            }
        }
    }

    fn at_a_glance(&self, finding: &FindingSummary) -> Option<DiscoveredStatus> {
        self.glance(&finding.external_ref, finding.fingerprint.as_ref(), &finding.name)
    }

    /// How a finding compares, if that can be said without what it holds.
    fn glance(
        &self,
        external_ref: &ExternalRef,
        fingerprint: Option<&Fingerprint>,
        name: &str,
    ) -> Option<DiscoveredStatus> {
        let known = self.catalog.find(external_ref);
        let status = |classification: Classification| DiscoveredStatus {
            classification,
            api: known.and_then(|known| self.catalog.named(known.api_id)),
            managed: known.is_some_and(|known| known.deployment.is_some()),
        };
        if let Some(reason) = self.ignored.get(external_ref) {
            let reason = reason.clone();
            return Some(status(Classification::Ignored { reason }));
        }
        let unchanged = known?.is_unchanged(fingerprint?, name);
        unchanged.then(|| status(Classification::Unchanged))
    }

    async fn read_and_compare(
        &mut self,
        ids: &[DiscoveredApiId],
    ) -> Answer<Vec<(DiscoveredApiId, DiscoveredStatus)>> {
        let mut items = Vec::with_capacity(ids.len());
        for row in self.store.discovered_items_by_id(ids).await? {
            items.extend(row.item.map(|item| (row.id, item)));
        }
        self.classify(items).await
    }

    /// What the gateway says it did not change since it was last read.
    async fn not_read_again(&mut self, discovery: &Discovery) -> Answer<()> {
        let references: Vec<ExternalRef> = self
            .store
            .seen_unchanged(discovery.id)
            .await?
            .into_iter()
            // What another page brought whole was compared already.
            .filter(|reference| !self.arrived.contains(reference))
            .collect();
        if !references.is_empty() && !self.ignored.is_empty() {
            self.catalog.read_names(self.store).await?;
        }
        for references in references.chunks(SUMMARIES as usize) {
            let entries = self
                .store
                .inventory_entries(self.environment_id, references)
                .await?;
            let mut others = Vec::new();
            for reference in references {
                self.compared.seen.insert(reference.clone());
                match entries.get(reference).filter(|entry| entry.removed_at.is_none()) {
                    None => self.later(reference, reference.0.clone(), false, unread()),
                    Some(entry) => match self.without_content(entry).await? {
                        Some(status) if status.classification == Classification::Unchanged => {
                            self.compared.counts.unchanged += 1;
                        }
                        Some(status) => self.later(reference, entry.name.clone(), true, status),
                        None => others.push(reference.clone()),
                    },
                }
            }
            for references in others.chunks(WHOLE) {
                self.compare_inventory(references).await?;
            }
        }
        Ok(())
    }

    /// How something compares that the gateway did not change, if that can be said without what it holds: at a glance, or
    /// because what the run before said of something that no API of the catalog is holds still.
    async fn without_content(&self, entry: &InventoryEntry) -> Answer<Option<DiscoveredStatus>> {
        let reference = &entry.external_ref;
        let status = self.glance(reference, Some(&entry.fingerprint), &entry.name);
        if status.is_some() || self.catalog.find(reference).is_some() {
            return Ok(status);
        }
        let earlier = &self.compared.earlier;
        earlier.verdict(self.store, self.catalog, reference).await
    }

    async fn compare_inventory(&mut self, references: &[ExternalRef]) -> Answer<()> {
        let items = self
            .store
            .inventory_items(self.environment_id, references)
            .await?;
        let named = |(reference, api): (ExternalRef, ObservedApi)| {
            ((reference, api.name.clone()), DiscoveredItem::Api(Box::new(api)))
        };
        let told = self.classify(items.into_iter().map(named).collect()).await?;
        for ((reference, name), status) in told {
            if status.classification == Classification::Unchanged {
                self.compared.counts.unchanged += 1;
            } else {
                self.later(&reference, name, true, status);
            }
        }
        Ok(())
    }

    fn later(
        &mut self,
        external_ref: &ExternalRef,
        name: String,
        in_inventory: bool,
        status: DiscoveredStatus,
    ) {
        count(&mut self.compared.counts, &status.classification);
        self.compared.later.push(LaterFinding {
            external_ref: external_ref.clone(),
            name,
            in_inventory,
            status,
        });
    }

    async fn classify<Key: Send + 'static>(
        &mut self,
        items: Vec<(Key, DiscoveredItem)>,
    ) -> Answer<Vec<(Key, DiscoveredStatus)>> {
        let mut cases = Vec::with_capacity(items.len());
        for (key, item) in items {
            let case = self.case(key, item).await?;
            // An API that our mark identifies was seen, even if the gateway calls it something else now.
            let entry = case.entry.as_ref();
            self.compared
                .seen
                .extend(entry.and_then(|entry| entry.external_ref.clone()));
            cases.push(case);
        }
        let view = self.view_for(&cases).await?;
        let environment_id = self.environment_id;
        off_the_reactor(move || {
            let told = |case: Case<Key>| told(case, &view, environment_id);
            cases.into_iter().map(told).collect()
        })
        .await
    }

    async fn case<Key>(&self, key: Key, item: DiscoveredItem) -> Answer<Case<Key>> {
        let by_reference = self.catalog.find(item.external_ref()).map(|known| known.api_id);
        let by_mark = match &item {
            DiscoveredItem::Api(api) => api.mark.as_ref().map(|mark| mark.api_id),
            DiscoveredItem::Unchanged { .. } | DiscoveredItem::Unreadable { .. } => None,
        };
        let mut entry = match by_reference.or(by_mark) {
            Some(api_id) => self.catalog.entry(self.store, api_id).await?,
            None => None,
        };
        if let (Some(entry), DiscoveredItem::Api(api)) = (&mut entry, &item) {
            // What people made of it may be what the gateway holds by now.
            if Fingerprint::of(&entry.content).is_ok_and(|content| content == api.fingerprint) {
                entry.fingerprint = api.fingerprint.clone();
            }
        }
        let definition = match &entry {
            Some(entry) => self.definition(&item, entry).await?,
            None => None,
        };
        let deployed = self.catalog.is_deployed(item.external_ref());
        Ok(Case {
            deployed,
            key,
            item,
            entry,
            definition,
        })
    }

    async fn definition(&self, item: &DiscoveredItem, entry: &CatalogEntry) -> Answer<Option<Value>> {
        let alone = CatalogView::new(vec![entry.clone()]);
        let Some(fingerprint) = needs_definition(item, &alone) else {
            return Ok(None);
        };
        match self.store.definition(fingerprint).await? {
            Some(text) => serde_json::from_str(&text).map(Some).map_err(Failure::internal),
            None => Ok(None),
        }
    }

    /// All of the catalog, if one of the findings is none of it.
    async fn view_for<Key>(&self, cases: &[Case<Key>]) -> Answer<Arc<CatalogView>> {
        if cases.iter().all(|case| case.entry.is_some()) {
            return Ok(Arc::default());
        }
        let read = async || {
            // Read before, it is never newer than what is compared with.
            self.compared.earlier.catalog(self.store, self.catalog).await?;
            Ok::<_, Failure>(Arc::new(self.catalog.view(self.store).await?))
        };
        Ok(self.view.get_or_try_init(read).await?.clone())
    }
}

fn told<Key>(case: Case<Key>, all: &CatalogView, environment_id: EnvironmentId) -> (Key, DiscoveredStatus) {
    // Whoever takes our mark away beside us does not make it another's.
    let managed = case.deployed
        || match &case.item {
            DiscoveredItem::Api(api) => api
                .mark
                .as_ref()
                .is_some_and(|mark| mark.environment_id == environment_id),
            DiscoveredItem::Unchanged { .. } | DiscoveredItem::Unreadable { .. } => false,
        };
    let definition = case.definition.as_ref();
    let (classification, api) = match case.entry {
        Some(entry) => {
            let api = (entry.api_id, entry.name.clone());
            let alone = CatalogView::new(vec![entry]);
            (classify_with(&case.item, &alone, definition), Some(api))
        }
        None => (classify_with(&case.item, all, definition), None),
    };
    let status = DiscoveredStatus {
        classification,
        api,
        managed,
    };
    (case.key, status)
}

/// Of something that an agent did not read although nobody told it that it need not.
fn unread() -> DiscoveredStatus {
    DiscoveredStatus {
        classification: Classification::Error {
            reason:
                "the agent did not read it, and nothing is known of it; run the discovery again, and if this \
                     stays, report it to the connector's authors"
                    .to_owned(),
        },
        api: None,
        managed: false,
    }
}

/// Counts one more of a class.
pub(super) fn count(counts: &mut DiscoveryCounts, classification: &Classification) {
    let counter = match classification {
        Classification::New { .. } => &mut counts.new,
        Classification::Changed { .. } => &mut counts.changed,
        Classification::Unchanged => &mut counts.unchanged,
        Classification::Ignored { .. } => &mut counts.ignored,
        Classification::Gone { .. } => &mut counts.gone,
        Classification::Conflict { .. } => &mut counts.conflict,
        Classification::Error { .. } => &mut counts.error,
    };
    *counter += 1;
}
