//! Which findings are imported: those that are named, those that a selection chooses, or all that are new or changed.

use std::collections::BTreeSet;

use gatehouse_control_plane_api::{admin::CreateImportRequest, problem::FieldError};
use gatehouse_control_plane_store::{
    Discovery, FindingSummary, ItemFilter, MAX_PAGE_SIZE, PageRequest, Store,
};
use gatehouse_schemas::{
    identity::{DiscoveredApiId, DiscoveryId},
    select::{Selectable, Selection},
};

use crate::failure::{Answer, Failure};

/// Which findings.
#[derive(Debug)]
pub(super) enum Choice<'a> {
    /// These.
    Named(&'a [DiscoveredApiId]),
    /// Those that are what it says.
    Selected(Selection),
    /// Those that are new or changed.
    Usual,
}

impl<'a> Choice<'a> {
    pub(super) fn of(request: &'a CreateImportRequest) -> Answer<Self> {
        match (&request.items, &request.select) {
            (Some(_), Some(_)) => Err(wrong(
                "/select",
                "`items` and `select` are two ways to choose; give one of them".to_owned(),
            )),
            (Some(items), None) => Ok(Self::Named(items)),
            (None, Some(text)) => Selection::parse(text)
                .map(Self::Selected)
                .map_err(|error| wrong("/select", error.to_string())),
            (None, None) => Ok(Self::Usual),
        }
    }

    /// The chosen findings of a discovery, in the order of their arrival; named ones in the order in which they are
    /// named.
    pub(super) async fn findings(
        &self,
        store: &Store,
        discovery: &Discovery,
    ) -> Answer<Vec<DiscoveredApiId>> {
        let discovery_id = discovery.id;
        match self {
            Self::Named(items) => named(store, discovery, items).await,
            Self::Selected(selection) => {
                let chosen = |finding: &FindingSummary| {
                    finding.status.as_ref().is_some_and(|status| {
                        selection.matches(&Selectable {
                            name: &finding.name,
                            tags: &finding.tags,
                            managed: status.managed,
                            classification: &status.classification,
                        })
                    })
                };
                listed(store, discovery_id, None, chosen).await
            }
            Self::Usual => {
                let mut found = listed(store, discovery_id, Some("new"), |_| true).await?;
                found.extend(listed(store, discovery_id, Some("changed"), |_| true).await?);
                Ok(found)
            }
        }
    }
}

async fn named(
    store: &Store,
    discovery: &Discovery,
    items: &[DiscoveredApiId],
) -> Answer<Vec<DiscoveredApiId>> {
    let (mut known, mut seen, mut errors) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
    for ids in items.chunks(super::AT_ONCE) {
        let rows = store.discovered_items_by_id(ids).await?;
        let ours = rows
            .into_iter()
            .filter(|row| row.discovery_id == discovery.findings());
        known.extend(ours.map(|row| row.id));
    }
    for (index, id) in items.iter().enumerate() {
        if !known.contains(id) {
            errors.push(FieldError {
                document: None,
                pointer: format!("/items/{index}"),
                detail: format!("discovery `{}` has no finding `{id}`", discovery.id),
            });
        }
    }
    if !errors.is_empty() {
        return Err(Failure::invalid(errors));
    }
    Ok(items.iter().copied().filter(|id| seen.insert(*id)).collect())
}

async fn listed(
    store: &Store,
    discovery_id: DiscoveryId,
    class: Option<&str>,
    mut chosen: impl FnMut(&FindingSummary) -> bool,
) -> Answer<Vec<DiscoveredApiId>> {
    let filter = ItemFilter {
        class: class.map(str::to_owned),
    };
    let mut request = PageRequest {
        limit: Some(MAX_PAGE_SIZE),
        cursor: None,
    };
    let mut found = Vec::new();
    loop {
        let page = store.finding_summaries(discovery_id, &filter, &request).await?;
        found.extend(
            page.items
                .into_iter()
                .filter(|finding| chosen(finding))
                .map(|finding| finding.id),
        );
        request.cursor = page.next_cursor;
        if request.cursor.is_none() {
            return Ok(found);
        }
    }
}

fn wrong(pointer: &str, detail: String) -> Failure {
    Failure::invalid(vec![FieldError {
        document: None,
        pointer: pointer.to_owned(),
        detail,
    }])
}
