//! What `discover` must do.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    sync::Arc,
    time::Duration,
};

use gatehouse_connector_sdk::{connector::PageRequest, error::ErrorKind, operation::Operation};
use gatehouse_schemas::{environment::DiscoveryFilter, identity::ExternalRef, observed::DiscoveredItem};
use serde_json::{Map, json};

use super::behaviours;
use crate::{
    behaviour::Behaviour,
    gateway::{Disturbance, Edit},
    sample,
    subject::{Subject, item_ref, pages_of},
    verdict::{Stop, Verdict, ensure, require},
};

/// How long a page may wait for its turn before it counts as waiting.
const WAIT: Duration = Duration::from_secs(3);

pub(super) fn behaviours() -> Vec<Behaviour> {
    behaviours![
        Discover Core every_api_is_listed_exactly_once [] "Following `next` from the first page lists every API exactly once.";
        Discover Extended more_than_a_thousand_are_listed [] "So it does when there are more than a thousand.";
        Discover Core an_unreadable_api_is_told_and_the_listing_goes_on [] "An API that cannot be read is an `Unreadable` item; the listing goes on.";
        Discover Core an_unreadable_page_is_an_error [] "A page that cannot be read is an error, never an empty page.";
        Discover Core what_did_not_change_costs_nothing [] "An API whose version in the listing is the one in `known` is `Unchanged` and not read, and costs no call but the one that may tell its version. A version changes whenever anything about the API does, its name and tags included.";
        Discover Core a_filter_leaves_out_what_it_does_not_let_through [] "What the filter's `tags` and `selector` do not let through is left out; a selector that is not understood is an `Invalid` error. `names` are applied by the runtime, too.";
        Discover Core another_process_goes_on_with_a_listing [] "A page's `next` is good for going on in another process, as long as the gateway takes it.";
        Discover Extended a_position_that_is_not_taken_begins_anew [] "A position that the gateway no longer takes is a `Conflict` error; the listing begins anew.";
        Discover Core a_listing_changes_nothing [] "Nothing on the gateway changes.";
    ]
}

async fn every_api_is_listed_exactly_once(subject: Subject) -> Verdict {
    is_complete(&subject, 25, 7).await
}

async fn more_than_a_thousand_are_listed(subject: Subject) -> Verdict {
    is_complete(&subject, 1_050, 100).await
}

async fn is_complete(subject: &Subject, count: usize, page: usize) -> Verdict {
    let made: BTreeSet<ExternalRef> = make(subject, count).await.into_iter().collect();
    let listed: Vec<ExternalRef> = subject
        .list(pages_of(page))
        .await?
        .iter()
        .map(|item| item_ref(item).clone())
        .collect();
    let distinct: BTreeSet<ExternalRef> = listed.iter().cloned().collect();
    ensure(distinct.len() == listed.len(), || {
        format!(
            "{} of {} items are listed twice",
            listed.len() - distinct.len(),
            listed.len()
        )
    })?;
    ensure(made.is_subset(&distinct), || {
        let missing: Vec<_> = made.difference(&distinct).take(3).collect();
        format!(
            "{} of {count} APIs are listed; missing are {missing:?} …",
            distinct.len()
        )
    })
}

async fn an_unreadable_api_is_told_and_the_listing_goes_on(subject: Subject) -> Verdict {
    let made = make(&subject, 5).await;
    let [_, _, damaged, ..] = made.as_slice() else {
        return Ok(());
    };
    let can = subject.gateway.make_unreadable(damaged).await;
    require(can, "has no API that can be listed and not be read")?;
    let items = subject.list(pages_of(2)).await?;
    let told = items.iter().any(|item| {
        matches!(item, DiscoveredItem::Unreadable { external_ref, reason, .. } if external_ref == damaged && !reason.is_empty())
    });
    ensure(told, || {
        format!("`{damaged}` cannot be read, and the listing told: {items:?}")
    })?;
    let others = items
        .iter()
        .filter(|item| matches!(item, DiscoveredItem::Api(_)))
        .count();
    ensure(others == 4, || {
        format!("one of 5 APIs cannot be read, and {others} others were listed")
    })
}

async fn an_unreadable_page_is_an_error(subject: Subject) -> Verdict {
    make(&subject, 3).await;
    let mut seen = 0;
    for disturbance in [
        Disturbance::ServerError,
        Disturbance::Unreachable,
        Disturbance::TooManyRequests { retry_after: None },
    ] {
        if !subject.gateway.disturb(Operation::Discover, disturbance).await {
            continue;
        }
        seen += 1;
        // One that makes the call again in its turn waits for as long as the gateway asks it to.
        let page = tokio::time::timeout(WAIT, subject.page(pages_of(10))).await;
        subject.gateway.calm(Operation::Discover).await;
        if let Ok(Ok(page)) = page {
            return Err(Stop::Fail(format!(
                "the listing met with {disturbance:?}, and the page had {} items",
                page.items.len()
            )));
        }
    }
    require(seen > 0, "cannot be brought to fail")
}

async fn what_did_not_change_costs_nothing(subject: Subject) -> Verdict {
    // What a listing costs where there is nothing.
    let before = subject.gateway.calls().await;
    subject.list(pages_of(10)).await?;
    let listing = subject
        .gateway
        .calls()
        .await
        .zip(before)
        .map(|(after, before)| after - before);
    let made = make(&subject, 4).await;
    let versions = versions(&subject).await?;
    let declares = subject.capabilities().versions;
    ensure(declares != versions.is_empty(), || {
        format!(
            "the connector {} `versions`, and {} of 4 APIs have one in the listing",
            if declares { "declares" } else { "does not declare" },
            versions.len()
        )
    })?;
    require(declares, "gives no versions in its listing")?;
    let known = PageRequest {
        known: Arc::new(versions),
        ..pages_of(10)
    };
    let before = subject.gateway.calls().await;
    let items = subject.list(known.clone()).await?;
    let is_unchanged = |item: &DiscoveredItem| matches!(item, DiscoveredItem::Unchanged { .. });
    ensure(items.iter().all(is_unchanged), || {
        format!("nothing changed, and the listing told: {items:?}")
    })?;
    if let (Some(before), Some(after)) = (before, subject.gateway.calls().await) {
        let listing = listing.unwrap_or_default().max(1);
        let own = u64::try_from(made.len()).unwrap_or(u64::MAX);
        ensure(after - before <= listing + own, || {
            format!(
                "one page on which nothing changed of {own} APIs took {} calls, and one without any API {listing}",
                after - before
            )
        })?;
    }
    for (api, edit) in made.iter().zip([Edit::Content, Edit::Name, Edit::Tags]) {
        if !subject.gateway.edit(api, edit).await {
            continue;
        }
        let items = subject.list(known.clone()).await?;
        let of_it = items.iter().find(|item| item_ref(item) == api);
        ensure(matches!(of_it, Some(DiscoveredItem::Api(_))), || {
            format!("somebody changed the {edit:?} of `{api}`, and the listing told: {of_it:?}")
        })?;
    }
    Ok(())
}

async fn versions(subject: &Subject) -> Result<BTreeMap<ExternalRef, String>, Stop> {
    let items = subject.list(pages_of(10)).await?;
    let version = |item: DiscoveredItem| match item {
        DiscoveredItem::Api(api) => Some((api.external_ref.clone(), api.version.clone()?)),
        _ => None,
    };
    Ok(items.into_iter().filter_map(version).collect())
}

async fn a_filter_leaves_out_what_it_does_not_let_through(subject: Subject) -> Verdict {
    let made = make(&subject, 3).await;
    let strange = DiscoveryFilter {
        selector: Map::from_iter([("no-connector-has-this".to_owned(), json!(true))]),
        ..DiscoveryFilter::default()
    };
    match subject.page(filtered(strange)).await {
        Ok(_) => {
            return Err(Stop::Fail(
                "a selector that nobody has was taken; what it should have left out was listed".to_owned(),
            ));
        }
        // How a listing failed, an agent tells in words alone.
        Err(error) => ensure(
            error.kind() == ErrorKind::Invalid || !subject.gateway.is_in_process(),
            || format!("a selector that nobody has was refused with {error:?}"),
        )?,
    }
    let Some(tagged) = made.first() else { return Ok(()) };
    let can = subject.gateway.edit(tagged, Edit::Tags).await;
    require(can, "has no tags")?;
    let tags = DiscoveryFilter {
        tags: vec!["edited".to_owned()],
        ..DiscoveryFilter::default()
    };
    let items = subject.list(filtered(tags)).await?;
    let listed: Vec<_> = items.iter().map(item_ref).collect();
    ensure(listed == [tagged], || {
        format!("`{tagged}` alone carries the tag, and {listed:?} were listed")
    })
}

fn filtered(filter: DiscoveryFilter) -> PageRequest {
    PageRequest {
        filter,
        ..pages_of(10)
    }
}

async fn another_process_goes_on_with_a_listing(subject: Subject) -> Verdict {
    let mut count = 6;
    make(&subject, count).await;
    let mut first = subject.page(pages_of(2)).await?;
    if first.next.is_none() {
        // An agent decides itself how long its pages are.
        count = 306;
        make_more(&subject, 6..count).await;
        first = subject.page(pages_of(2)).await?;
    }
    require(first.next.is_some(), "gives all APIs in one page")?;
    let rest = PageRequest {
        position: first.next,
        ..pages_of(2)
    };
    let rest = subject.restarted().list(rest).await?;
    let distinct: BTreeSet<_> = first.items.iter().chain(&rest).map(item_ref).collect();
    ensure(
        distinct.len() == first.items.len() + rest.len() && distinct.len() == count,
        || {
            format!(
                "{count} APIs are there; going on listed {} of them",
                distinct.len()
            )
        },
    )
}

async fn a_position_that_is_not_taken_begins_anew(subject: Subject) -> Verdict {
    make(&subject, 3).await;
    let strange = PageRequest {
        position: Some("\u{0}no gateway gives this position".to_owned()),
        ..pages_of(2)
    };
    match subject.page(strange).await {
        // A position may be a place in an order, in which every text has one.
        Ok(_) => Err(Stop::Skip("the gateway takes every position".to_owned())),
        Err(error) => ensure(error.kind() == ErrorKind::Conflict, || {
            format!("a position that the gateway does not take was refused with {error:?}")
        }),
    }
}

async fn a_listing_changes_nothing(subject: Subject) -> Verdict {
    make(&subject, 3).await;
    let before = subject.gateway.holds().await;
    subject.list(pages_of(2)).await?;
    let after = subject.gateway.holds().await;
    ensure(before == after, || {
        format!("before the listing the gateway held {before:?}, after it {after:?}")
    })
}

async fn make(subject: &Subject, count: usize) -> Vec<ExternalRef> {
    make_more(subject, 0..count).await
}

async fn make_more(subject: &Subject, numbers: Range<usize>) -> Vec<ExternalRef> {
    let api = |number| {
        let name = format!("foreign-{number}");
        let content = sample::content(&format!("/{name}"));
        (name, content)
    };
    subject
        .gateway
        .add_several_foreign(numbers.map(api).collect())
        .await
}
