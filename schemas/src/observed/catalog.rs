//! The catalog as a discovery of one environment sees it.

use std::collections::BTreeMap;

use super::{DiscoveredItem, ObservedApi};
use crate::{
    canonical::Fingerprint,
    duplicate::Index,
    identity::{ApiId, ExternalRef, ResourceName},
    revision::RevisionContent,
    route,
};

/// One API of the catalog, as a discovery of one environment compares with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogEntry {
    /// The API's identity.
    pub api_id: ApiId,
    /// Its name.
    pub name: ResourceName,
    /// The environment's own identity for it; none for an API that this environment does not have.
    pub external_ref: Option<ExternalRef>,
    /// The environment's name for it, as it was when the API was last imported from there or deployed there; none
    /// if nobody knows. Another name now is a rename.
    pub gateway_name: Option<String>,
    /// The fingerprint that an unchanged API is observed with: of the desired state for one that is
    /// deployed there, of the newest revision's content for one that was imported from there.
    pub fingerprint: Fingerprint,
    /// The content that belongs to the fingerprint.
    pub content: RevisionContent,
}

/// What earlier discoveries saw of one API of a gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InventoryEntry {
    /// The gateway's own identity for it.
    pub external_ref: ExternalRef,
    /// The gateway's name for it.
    pub name: String,
    /// The fingerprint it was observed with; none if it never could be read.
    pub fingerprint: Option<Fingerprint>,
}

/// The catalog as a discovery of one environment sees it.
#[derive(Debug, Clone, Default)]
pub struct CatalogView {
    entries: Vec<CatalogEntry>,
    inventory: BTreeMap<ExternalRef, InventoryEntry>,
    ignored: BTreeMap<ExternalRef, String>,
    by_reference: BTreeMap<ExternalRef, usize>,
    by_api: BTreeMap<ApiId, usize>,
    by_name: BTreeMap<ResourceName, usize>,
    by_base_path: BTreeMap<String, Vec<usize>>,
    likeness: Index,
}

impl CatalogView {
    /// A view of these APIs: all of the catalog, those of other places too, since their names and places
    /// are taken.
    pub fn new(entries: Vec<CatalogEntry>) -> Self {
        let mut view = Self::default();
        for (index, entry) in entries.iter().enumerate() {
            if let Some(reference) = &entry.external_ref {
                view.by_reference.insert(reference.clone(), index);
            }
            view.by_api.insert(entry.api_id, index);
            view.by_name.insert(entry.name.clone(), index);
            let path = route::normalise(&entry.content.base_path);
            view.by_base_path.entry(path).or_default().push(index);
        }
        view.likeness = Index::of(&entries);
        view.entries = entries;
        view
    }

    /// The view, with what earlier discoveries of this environment saw.
    pub fn with_inventory(mut self, inventory: impl IntoIterator<Item = InventoryEntry>) -> Self {
        let by_reference = |entry: InventoryEntry| (entry.external_ref.clone(), entry);
        self.inventory = inventory.into_iter().map(by_reference).collect();
        self
    }

    /// The view, with the environment's ignore list: the gateway's identities, each with the reason.
    pub fn with_ignored(mut self, ignored: impl IntoIterator<Item = (ExternalRef, String)>) -> Self {
        self.ignored = ignored.into_iter().collect();
        self
    }

    /// The APIs of the catalog, in the order in which they were given.
    pub fn entries(&self) -> &[CatalogEntry] {
        &self.entries
    }

    /// The catalog's API that a finding is: by the gateway's own identity, else by our mark.
    pub fn find(&self, item: &DiscoveredItem) -> Option<&CatalogEntry> {
        let marked = |api: &ObservedApi| api.mark.as_ref().map(|mark| mark.api_id);
        let index = self.by_reference.get(item.external_ref()).or_else(|| match item {
            DiscoveredItem::Api(api) => marked(api).and_then(|id| self.by_api.get(&id)),
            DiscoveredItem::Unchanged { .. } | DiscoveredItem::Unreadable { .. } => None,
        });
        index.map(|index| &self.entries[*index])
    }

    /// What people said when they put an object of the gateway on the ignore list; none if it is not there.
    pub(super) fn ignored(&self, reference: &ExternalRef) -> Option<&str> {
        self.ignored.get(reference).map(String::as_str)
    }

    /// What earlier discoveries saw of an object of the gateway.
    pub(super) fn seen_before(&self, reference: &ExternalRef) -> Option<&InventoryEntry> {
        self.inventory.get(reference)
    }

    /// By what APIs are alike.
    pub(crate) fn likeness(&self) -> &Index {
        &self.likeness
    }

    pub(super) fn named(&self, name: &ResourceName) -> Option<&CatalogEntry> {
        self.by_name.get(name).map(|index| &self.entries[*index])
    }

    pub(super) fn in_the_way(
        &self,
        content: &RevisionContent,
    ) -> Option<(&CatalogEntry, route::RouteConflict)> {
        let same_base_path = self.by_base_path.get(&route::normalise(&content.base_path));
        same_base_path.into_iter().flatten().find_map(|index| {
            let entry = &self.entries[*index];
            let conflict = route::conflicts(content, &entry.content).into_iter().next();
            conflict.map(|conflict| (entry, conflict))
        })
    }
}
