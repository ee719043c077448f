//! How a finding compares with the catalog.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{CatalogEntry, CatalogView, Classification, DiscoveredItem, ObservedApi};
use crate::{
    canonical::Fingerprint,
    compatibility::{ClassifiedChange, compare, gravest},
    diff::{Change, diff},
    duplicate::{Duplicate, duplicates},
    identity::{ExternalRef, NAME_MAX_LENGTH, ResourceName},
};

/// How a finding compares with the catalog. Only the gateway's own identity or our mark make it the same
/// API; an equal name alone is a conflict.
pub fn classify(item: &DiscoveredItem, catalog: &CatalogView) -> Classification {
    classify_with(item, catalog, None)
}

/// As [`classify`], with the catalog's definition that [`needs_definition`] asked for.
pub fn classify_with(
    item: &DiscoveredItem,
    catalog: &CatalogView,
    definition: Option<&Value>,
) -> Classification {
    if let Some(reason) = catalog.ignored(item.external_ref()) {
        return Classification::Ignored {
            reason: reason.to_owned(),
        };
    }
    match item {
        DiscoveredItem::Unreadable { reason, .. } => Classification::Error {
            reason: reason.clone(),
        },
        DiscoveredItem::Unchanged { .. } => not_read_again(item, catalog),
        DiscoveredItem::Api(api) => match catalog.find(item) {
            Some(entry) => known(entry, api, renamed(entry, item, catalog), definition),
            None => unknown(api, catalog),
        },
    }
}

/// Whether a finding that was not read again can only be classified with what was read before: then put it in with
/// [`DiscoveredItem::with_content`].
pub fn needs_content(item: &DiscoveredItem, catalog: &CatalogView) -> bool {
    matches!(item, DiscoveredItem::Unchanged { .. })
        && catalog.ignored(item.external_ref()).is_none()
        && as_the_catalog_has_it(item, catalog).is_none()
}

/// The catalog's definition that [`classify_with`] needs to say what a change means for consumers: given only where
/// the gateway's definition is another one.
pub fn needs_definition<'a>(item: &DiscoveredItem, catalog: &'a CatalogView) -> Option<&'a Fingerprint> {
    let DiscoveredItem::Api(api) = item else {
        return None;
    };
    api.definition.as_ref()?;
    let there = api.content.definition.as_ref()?;
    let here = catalog.find(item)?.content.definition.as_ref()?;
    (here.fingerprint != there.fingerprint).then_some(&here.fingerprint)
}

/// The catalog's API that an unread finding is, if what was read of it before is what the catalog has.
fn as_the_catalog_has_it<'a>(item: &DiscoveredItem, catalog: &'a CatalogView) -> Option<&'a CatalogEntry> {
    let before = catalog.seen_before(item.external_ref())?.fingerprint.as_ref()?;
    catalog.find(item).filter(|entry| entry.fingerprint == *before)
}

fn not_read_again(item: &DiscoveredItem, catalog: &CatalogView) -> Classification {
    let Some(entry) = as_the_catalog_has_it(item, catalog) else {
        return Classification::Error {
            reason: "it has not changed since it was last read, but what was read then is not known any more; discover again"
                .to_owned(),
        };
    };
    match renamed(entry, item, catalog) {
        Some(rename) => changed(vec![rename], Vec::new()),
        None => Classification::Unchanged,
    }
}

/// The change of the gateway's name for an API whose identity there is the same.
fn renamed(entry: &CatalogEntry, item: &DiscoveredItem, catalog: &CatalogView) -> Option<Change> {
    let reference = item.external_ref();
    let before = entry.gateway_name.as_deref().or_else(|| {
        let seen = catalog.seen_before(reference);
        seen.map(|seen| seen.name.as_str())
    })?;
    let same_object = entry.external_ref.as_ref().is_none_or(|known| known == reference);
    (same_object && before != item.name()).then(|| Change {
        path: "/name".to_owned(),
        before: Some(Value::from(before)),
        after: Some(Value::from(item.name())),
    })
}

fn known(
    entry: &CatalogEntry,
    api: &ObservedApi,
    rename: Option<Change>,
    definition: Option<&Value>,
) -> Classification {
    let mut changes: Vec<Change> = rename.into_iter().collect();
    if entry.fingerprint == api.fingerprint {
        return match changes.is_empty() {
            true => Classification::Unchanged,
            false => changed(changes, Vec::new()),
        };
    }
    let values = (
        serde_json::to_value(&entry.content),
        serde_json::to_value(&api.content),
    );
    let (Ok(before), Ok(after)) = values else {
        return Classification::Error {
            reason: "what was observed cannot be written as JSON".to_owned(),
        };
    };
    changes.extend(diff(&before, &after));
    if changes.is_empty() {
        // The contents agree; the fingerprint of a managed API also covers the versions of its secrets.
        changes.push(Change {
            path: String::new(),
            before: Some(Value::String(entry.fingerprint.to_string())),
            after: Some(Value::String(api.fingerprint.to_string())),
        });
    }
    let definitions = definition.zip(api.definition.as_ref());
    changed(changes, compare(&entry.content, &api.content, definitions))
}

fn changed(changes: Vec<Change>, consumers: Vec<ClassifiedChange>) -> Classification {
    Classification::Changed {
        changes,
        change_class: gravest(&consumers),
        consumers,
    }
}

fn unknown(api: &ObservedApi, catalog: &CatalogView) -> Classification {
    if let Some(mark) = &api.mark {
        return conflict(format!(
            "it carries the mark of API `{}` ({}), which is not in this catalog; another control plane may own it",
            mark.api_name, mark.api_id
        ));
    }
    let duplicates = duplicates(api, catalog);
    let name = resource_name(&api.name);
    if let Some(entry) = name.as_ref().and_then(|name| catalog.named(name)) {
        return conflict(format!(
            "the name `{}` belongs to another API of the catalog; rename one of the two{}",
            entry.name,
            maybe_the_same(entry, &duplicates)
        ));
    }
    if let Some((entry, place)) = catalog.in_the_way(&api.content) {
        return conflict(format!(
            "`{} {}` on host `{}` belongs to API `{}` of the catalog{}",
            place.method,
            place.path,
            place.host,
            entry.name,
            maybe_the_same(entry, &duplicates)
        ));
    }
    Classification::New { duplicates }
}

/// What speaks for it that the API in the way is this one, at another place.
fn maybe_the_same(entry: &CatalogEntry, duplicates: &[Duplicate]) -> String {
    let same = duplicates.iter().find(|duplicate| duplicate.api == entry.name);
    same.map_or_else(String::new, |same| {
        format!(
            "; it may be that API on another gateway: {}",
            same.evidence.join(", ")
        )
    })
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
    catalog.entries().iter().filter(unseen).collect()
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
