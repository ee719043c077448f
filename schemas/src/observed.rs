//! Observed state: what a gateway was seen to hold.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    canonical::Fingerprint,
    compatibility::{ChangeClass, ClassifiedChange},
    desired::Mark,
    diff::{Change, diff},
    duplicate::Duplicate,
    identity::{ApiId, ExternalRef, NAME_MAX_LENGTH, ResourceName},
    revision::RevisionContent,
    route,
};

/// What a look at one API on a gateway found. Unknown is not absent: it changes nothing and deletes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", tag = "state")]
pub enum Observation {
    /// It is there.
    Present(Box<ObservedApi>),
    /// The gateway answered, and it is not there.
    Absent,
    /// The gateway could not be asked, or its answer could not be understood.
    Unknown {
        /// Why.
        reason: String,
    },
}

/// One API as a gateway holds it, in canonical words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObservedApi {
    /// The gateway's own identity for it.
    pub external_ref: ExternalRef,
    /// The gateway's name for it.
    pub name: String,
    /// The gateway's own version of it, as its listing gives it (an ETag, a time of change): equal means that
    /// nothing about it changed. Absent if the listing gives none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The gateway's tags or labels, as it writes them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Our mark, if it carries one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<Mark>,
    /// Where consumers reach it.
    #[serde(default)]
    pub endpoint_urls: Vec<String>,
    /// What it is.
    pub content: RevisionContent,
    /// Its machine-readable description, if the gateway keeps one: an OpenAPI document whose canonical form has
    /// the fingerprint that `content` names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub definition: Option<Value>,
    /// The fingerprint of what the gateway holds: for a managed API, that of the desired state it
    /// expresses; otherwise that of `content`.
    pub fingerprint: Fingerprint,
}

/// One finding of a discovery as an agent sends it: an API, or one that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", tag = "result")]
pub enum DiscoveredItem {
    /// An API.
    Api(Box<ObservedApi>),
    /// An API whose version in the listing is the one the control plane knows: it was not read again.
    Unchanged {
        /// The gateway's own identity for it.
        #[serde(rename = "externalRef")]
        external_ref: ExternalRef,
        /// The gateway's name for it.
        name: String,
    },
    /// Something is there, but it could not be read. It is not absent.
    Unreadable {
        /// The gateway's own identity for it.
        #[serde(rename = "externalRef")]
        external_ref: ExternalRef,
        /// The gateway's name for it, as far as known.
        name: String,
        /// Why, and what to do.
        reason: String,
    },
}

/// How a finding compares with the catalog.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", tag = "class")]
pub enum Classification {
    /// Not in the catalog.
    New {
        /// APIs of the catalog that it may be another place of.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        duplicates: Vec<Duplicate>,
    },
    /// In the catalog, and different there.
    Changed {
        /// The fields that differ: catalog before, gateway after. `/name` is the gateway's name for it: a rename.
        changes: Vec<Change>,
        /// What the change means for consumers: that of the gravest of `consumers`.
        #[serde(default, rename = "changeClass")]
        change_class: ChangeClass,
        /// Change by change, what it means for consumers; the gravest first.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        consumers: Vec<ClassifiedChange>,
    },
    /// In the catalog, and the same.
    Unchanged,
    /// In the catalog as coming from this gateway, and not seen in a complete run.
    Gone {
        /// What happens now: waits for further runs, needs approval, or counts as removed.
        #[serde(default)]
        message: String,
    },
    /// On the environment's ignore list.
    Ignored {
        /// What people said when they put it there.
        #[serde(default)]
        reason: String,
    },
    /// Its name or its place belongs to something else in the catalog.
    Conflict {
        /// With what.
        reason: String,
    },
    /// It could not be read.
    Error {
        /// Why.
        reason: String,
    },
}

impl DiscoveredItem {
    /// The gateway's own identity for it.
    pub fn external_ref(&self) -> &ExternalRef {
        match self {
            Self::Api(api) => &api.external_ref,
            Self::Unchanged { external_ref, .. } | Self::Unreadable { external_ref, .. } => external_ref,
        }
    }

    /// The gateway's name for it.
    pub fn name(&self) -> &str {
        match self {
            Self::Api(api) => &api.name,
            Self::Unchanged { name, .. } | Self::Unreadable { name, .. } => name,
        }
    }

    /// A finding that was not read again, with what was read before; others are as they are.
    pub fn with_content(self, before: ObservedApi) -> Self {
        match self {
            Self::Unchanged { external_ref, name } => Self::Api(Box::new(ObservedApi {
                external_ref,
                name,
                ..before
            })),
            Self::Api(_) | Self::Unreadable { .. } => self,
        }
    }
}

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

    fn named(&self, name: &ResourceName) -> Option<&CatalogEntry> {
        self.by_name.get(name).map(|index| &self.entries[*index])
    }

    fn in_the_way(&self, content: &RevisionContent) -> Option<(&CatalogEntry, route::RouteConflict)> {
        let same_base_path = self.by_base_path.get(&route::normalise(&content.base_path));
        same_base_path.into_iter().flatten().find_map(|index| {
            let entry = &self.entries[*index];
            let conflict = route::conflicts(content, &entry.content).into_iter().next();
            conflict.map(|conflict| (entry, conflict))
        })
    }
}

/// Whether a finding that was not read again can only be classified with what was read before: then put it in with
/// [`DiscoveredItem::with_content`].
pub fn needs_content(item: &DiscoveredItem, catalog: &CatalogView) -> bool {
    let _ = (item, catalog);
    false
}

/// The catalog's definition that [`classify_with`] needs to say what a change means for consumers: given only where
/// the gateway's definition is another one.
pub fn needs_definition<'a>(item: &DiscoveredItem, catalog: &'a CatalogView) -> Option<&'a Fingerprint> {
    let _ = (item, catalog);
    None
}

/// As [`classify`], with the catalog's definition that [`needs_definition`] asked for.
pub fn classify_with(
    item: &DiscoveredItem,
    catalog: &CatalogView,
    definition: Option<&Value>,
) -> Classification {
    let _ = definition;
    classify(item, catalog)
}

/// How a finding compares with the catalog. Only the gateway's own identity or our mark make it the same
/// API; an equal name alone is a conflict.
pub fn classify(item: &DiscoveredItem, catalog: &CatalogView) -> Classification {
    let api = match item {
        DiscoveredItem::Unreadable { reason, .. } => {
            return Classification::Error {
                reason: reason.clone(),
            };
        }
        DiscoveredItem::Unchanged { .. } => return Classification::Unchanged,
        DiscoveredItem::Api(api) => api,
    };
    match catalog.find(item) {
        Some(entry) if entry.fingerprint == api.fingerprint => Classification::Unchanged,
        Some(entry) => changed(entry, api),
        None => unknown(api, catalog),
    }
}

fn changed(entry: &CatalogEntry, api: &ObservedApi) -> Classification {
    let values = (
        serde_json::to_value(&entry.content),
        serde_json::to_value(&api.content),
    );
    let (Ok(before), Ok(after)) = values else {
        return Classification::Error {
            reason: "what was observed cannot be written as JSON".to_owned(),
        };
    };
    let mut changes = diff(&before, &after);
    if changes.is_empty() {
        // The contents agree; the fingerprint of a managed API also covers the versions of its secrets.
        changes.push(Change {
            path: String::new(),
            before: Some(Value::String(entry.fingerprint.to_string())),
            after: Some(Value::String(api.fingerprint.to_string())),
        });
    }
    Classification::Changed {
        changes,
        change_class: ChangeClass::default(),
        consumers: Vec::new(),
    }
}

fn unknown(api: &ObservedApi, catalog: &CatalogView) -> Classification {
    if let Some(mark) = &api.mark {
        return conflict(format!(
            "it carries the mark of API `{}` ({}), which is not in this catalog; another control plane may own it",
            mark.api_name, mark.api_id
        ));
    }
    let name = resource_name(&api.name);
    if let Some(entry) = name.as_ref().and_then(|name| catalog.named(name)) {
        return conflict(format!(
            "the name `{}` belongs to another API of the catalog; rename one of the two",
            entry.name
        ));
    }
    if let Some((entry, place)) = catalog.in_the_way(&api.content) {
        return conflict(format!(
            "`{} {}` on host `{}` belongs to API `{}` of the catalog",
            place.method, place.path, place.host, entry.name
        ));
    }
    Classification::New {
        duplicates: Vec::new(),
    }
}

fn conflict(reason: String) -> Classification {
    Classification::Conflict { reason }
}

/// The APIs of the catalog that come from this gateway and were not seen. Only a complete run says
/// anything about absence; after any other, nothing is gone.
pub fn gone<'a>(
    catalog: &'a CatalogView,
    seen: &BTreeSet<ExternalRef>,
    complete: bool,
) -> Vec<&'a CatalogEntry> {
    if !complete {
        return Vec::new();
    }
    let unseen = |entry: &&CatalogEntry| {
        let reference = entry.external_ref.as_ref();
        reference.is_some_and(|reference| !seen.contains(reference))
    };
    catalog.entries.iter().filter(unseen).collect()
}

/// The resource name that a gateway's name suggests: `Orders API (v2)` is `orders-api-v2`. None if
/// nothing is left.
pub fn resource_name(name: &str) -> Option<ResourceName> {
    let mut text = String::new();
    for character in name.chars().flat_map(char::to_lowercase) {
        if character.is_ascii_alphanumeric() {
            text.push(character);
        } else if !text.is_empty() && !text.ends_with('-') {
            text.push('-');
        }
    }
    text.truncate(NAME_MAX_LENGTH);
    text.trim_end_matches('-').parse().ok()
}

#[cfg(test)]
mod tests;
