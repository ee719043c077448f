//! How long a discovery of 10,000 APIs keeps the single writer busy. Prints; run it with
//! `cargo test -p gatehouse-control-plane-store --release -- --ignored --nocapture volume`.

use std::time::Instant;

use gatehouse_control_plane_store::{
    DiscoveredStatus, InventoryFilter, ItemFilter, LaterFinding, PackedFindings, PageEnd, PageRequest,
    Resource, Store,
};
use gatehouse_schemas::{
    identity::{DiscoveredApiId, DiscoveryId, ExternalRef},
    observed::{Classification, DiscoveredItem},
    resource::Kind,
};
use uuid::Uuid;

use crate::{
    harness::{begin, environment, name, on_every_database},
    inventory::observed,
};

const APIS: usize = 10_000;
const PAGE: usize = 500;

/// Says how long something took, and keeps the longest.
struct Clock {
    engine: &'static str,
}

impl Clock {
    async fn measure<T>(&self, what: &str, work: impl Future<Output = T>) -> T {
        let began = Instant::now();
        let done = work.await;
        eprintln!(
            "{:<10} {what:<58} {:>8.1} ms",
            self.engine,
            began.elapsed().as_secs_f64() * 1e3
        );
        done
    }
}

fn items(version: &str) -> Vec<DiscoveredItem> {
    (0..APIS)
        .map(|number| {
            let api = observed(&format!("svc-{number:05}"), &format!("/api-{number}"), version);
            DiscoveredItem::Api(Box::new(api))
        })
        .collect()
}

async fn begin_run(store: &Store, place: &Resource) -> DiscoveryId {
    let mut transaction = begin(store).await;
    let made = transaction
        .create_discovery(place, &Default::default(), false)
        .await
        .expect("asked");
    transaction.commit().await.expect("committed");
    made.id
}

async fn send(store: &Store, id: DiscoveryId, pages: Vec<PackedFindings>) {
    for (index, page) in pages.into_iter().enumerate() {
        let number = u32::try_from(index).expect("few pages") + 1;
        let attempt = Uuid::now_v7();
        let mut transaction = begin(store).await;
        transaction
            .add_items(id, number, attempt, &page)
            .await
            .expect("added");
        let end = PageEnd {
            items: page.len() as u64,
            seen: page.unchanged(),
            position: Some("more"),
            ..PageEnd::default()
        };
        transaction
            .finish_page(id, number, attempt, end)
            .await
            .expect("finished");
        transaction.commit().await.expect("committed");
    }
}

async fn pack(items: &[DiscoveredItem]) -> Vec<PackedFindings> {
    let mut pages = Vec::new();
    for page in items.chunks(PAGE) {
        pages.push(PackedFindings::of(page.to_vec()).await.expect("packed"));
    }
    pages
}

async fn summaries(store: &Store, id: DiscoveryId) -> Vec<DiscoveredApiId> {
    let mut request = PageRequest {
        limit: Some(1_000),
        cursor: None,
    };
    let mut found = Vec::new();
    loop {
        let page = store
            .finding_summaries(id, &ItemFilter::default(), &request)
            .await
            .expect("a page");
        found.extend(page.items.into_iter().map(|row| row.id));
        request.cursor = page.next_cursor;
        if request.cursor.is_none() {
            return found;
        }
    }
}

fn new() -> DiscoveredStatus {
    DiscoveredStatus {
        classification: Classification::New {
            duplicates: Vec::new(),
        },
        api: None,
        managed: false,
    }
}

#[tokio::test]
#[ignore = "measures and prints"]
async fn ten_thousand_apis() {
    on_every_database(|database| async move {
        let store = &database.store;
        let clock = Clock {
            engine: if database.is_postgres() {
                "PostgreSQL"
            } else {
                "SQLite"
            },
        };
        environment(store, "kong-eu", "kong").await;
        let place = store.resource(Kind::Environment, &name("kong-eu")).await;
        let place = place.expect("a read").expect("one");
        let environment_id = place.environment_id();
        let all = items("1");
        let pages = clock
            .measure("packing 10,000 findings, outside of any transaction", pack(&all))
            .await;
        let id = begin_run(store, &place).await;
        clock
            .measure(
                "20 pages of 500 findings, 20 transactions",
                send(store, id, pages),
            )
            .await;
        let ids = clock
            .measure("reading 10,000 summaries of findings", summaries(store, id))
            .await;
        let told: Vec<_> = ids.into_iter().map(|id| (id, new())).collect();
        let completion = async {
            let mut transaction = begin(store).await;
            clock
                .measure("  keep_pages", transaction.keep_pages(id, 20))
                .await
                .expect("kept");
            clock
                .measure("  classify_items, 10,000", transaction.classify_items(&told))
                .await
                .expect("told");
            clock
                .measure(
                    "  take_stock, 10,000 new",
                    transaction.take_stock(environment_id, id),
                )
                .await
                .expect("taken");
            clock
                .measure("  commit", transaction.commit())
                .await
                .expect("committed");
        };
        clock
            .measure("completing a run of 10,000 new APIs: one transaction", completion)
            .await;
        unchanged_run(store, &place, &clock, &all).await;
        let references: Vec<_> = (0..APIS)
            .map(|number| ExternalRef(format!("svc-{number:05}")))
            .collect();
        let removal = async {
            let mut transaction = begin(store).await;
            clock
                .measure(
                    "  mark_missing",
                    transaction.mark_missing(environment_id, &references),
                )
                .await
                .expect("marked");
            clock
                .measure("  mark_seen", transaction.mark_seen(environment_id, &references))
                .await
                .expect("seen");
            clock
                .measure(
                    "  mark_missing",
                    transaction.mark_missing(environment_id, &references),
                )
                .await
                .expect("marked");
            let removal = transaction.count_as_removed(environment_id, &references, "gone");
            clock
                .measure("  count_as_removed", removal)
                .await
                .expect("removed");
            transaction.commit().await.expect("committed");
        };
        clock
            .measure("10,000 missing, seen, missing, removed", removal)
            .await;
    })
    .await;
}

async fn unchanged_run(store: &Store, place: &Resource, clock: &Clock, all: &[DiscoveredItem]) {
    let environment_id = place.environment_id();
    clock
        .measure(
            "reading 10,000 known versions",
            store.inventory_versions(environment_id),
        )
        .await
        .expect("a read");
    let unchanged: Vec<_> = all
        .iter()
        .map(|item| DiscoveredItem::Unchanged {
            external_ref: item.external_ref().clone(),
            name: item.name().to_owned(),
        })
        .collect();
    let pages = pack(&unchanged).await;
    let id = begin_run(store, place).await;
    clock
        .measure(
            "20 pages of 500 unchanged, 20 transactions",
            send(store, id, pages),
        )
        .await;
    let seen = clock
        .measure("reading 10,000 seen references", store.seen_unchanged(id))
        .await;
    assert_eq!(seen.expect("a read").len(), APIS);
    let known = async {
        let mut request = PageRequest {
            limit: Some(1_000),
            cursor: None,
        };
        loop {
            let page = store
                .inventory(environment_id, InventoryFilter::Known, &request)
                .await
                .expect("a page");
            request.cursor = page.next_cursor;
            if request.cursor.is_none() {
                break;
            }
        }
    };
    clock
        .measure("reading 10,000 entries of the inventory", known)
        .await;
    let later: Vec<_> = all
        .iter()
        .map(|item| LaterFinding {
            external_ref: item.external_ref().clone(),
            name: item.name().to_owned(),
            in_inventory: true,
            status: new(),
        })
        .collect();
    let completion = async {
        let mut transaction = begin(store).await;
        let written = transaction.take_stock(environment_id, id).await.expect("taken");
        assert_eq!(written, 0);
        transaction.commit().await.expect("committed");
    };
    clock.measure("completing an unchanged run", completion).await;
    let completion = async {
        let mut transaction = begin(store).await;
        transaction.add_later_findings(id, &later).await.expect("added");
        transaction.commit().await.expect("committed");
    };
    clock
        .measure("the same, when all 10,000 are still not imported", completion)
        .await;
}
