//! Discoveries: pages that come twice or break off, classes, what is gone; imports.

use gatehouse_control_plane_store::{
    ApiSource, DiscoveredStatus, Discovery, DiscoveryCounts, DiscoveryQuery, DiscoveryState, ItemFilter,
    PageRequest, Store,
};
use gatehouse_schemas::{
    identity::{DiscoveryId, ExternalRef},
    observed::{Classification, DiscoveredItem},
    resource::Kind,
};
use serde_json::json;
use uuid::Uuid;

use crate::harness::{begin, create, environment, name, on_every_database};

async fn discovery(store: &Store) -> Discovery {
    environment(store, "kong-eu", "kong").await;
    let place = store
        .resource(Kind::Environment, &name("kong-eu"))
        .await
        .expect("a read")
        .expect("one");
    let mut transaction = begin(store).await;
    let filter = serde_json::from_value(json!({"tags": ["public"]})).expect("a filter");
    let discovery = transaction
        .create_discovery(&place, &filter)
        .await
        .expect("asked");
    transaction.commit().await.expect("committed");
    discovery
}

fn unreadable(reference: &str) -> DiscoveredItem {
    DiscoveredItem::Unreadable {
        external_ref: ExternalRef(reference.to_owned()),
        name: format!("name of {reference}"),
        reason: "it is odd".to_owned(),
    }
}

async fn send(store: &Store, id: DiscoveryId, number: u32, references: &[&str], whole: bool) {
    let attempt = Uuid::now_v7();
    let items: Vec<_> = references.iter().map(|reference| unreadable(reference)).collect();
    for chunk in items.chunks(2) {
        let mut transaction = begin(store).await;
        transaction
            .add_items(id, number, attempt, chunk)
            .await
            .expect("added");
        transaction.commit().await.expect("committed");
    }
    if whole {
        let mut transaction = begin(store).await;
        transaction
            .finish_page(id, number, attempt, items.len() as u64)
            .await
            .expect("finished");
        transaction.commit().await.expect("committed");
    }
}

async fn references(store: &Store, id: DiscoveryId, filter: ItemFilter) -> Vec<String> {
    let mut request = PageRequest {
        limit: Some(2),
        cursor: None,
    };
    let mut seen = Vec::new();
    loop {
        let page = store
            .discovered_items(id, &filter, &request)
            .await
            .expect("a page");
        seen.extend(page.items.into_iter().map(|row| row.external_ref.0));
        request.cursor = page.next_cursor;
        if request.cursor.is_none() {
            seen.sort();
            return seen;
        }
    }
}

#[tokio::test]
async fn a_page_sent_twice_counts_once_and_a_broken_one_not_at_all() {
    on_every_database(|database| async move {
        let store = &database.store;
        let id = discovery(store).await.id;
        send(store, id, 1, &["a", "b", "c"], true).await;
        send(store, id, 1, &["a", "b", "x"], true).await;
        send(store, id, 2, &["d"], false).await;
        assert_eq!(
            references(store, id, ItemFilter::default()).await,
            ["a", "b", "x"]
        );
        assert_eq!(store.discovery_pages(id).await.expect("a read"), [1]);
        send(store, id, 2, &["e"], true).await;
        send(store, id, 3, &["f"], true).await;
        let mut transaction = begin(store).await;
        transaction.keep_pages(id, 2).await.expect("kept");
        transaction.commit().await.expect("committed");
        assert_eq!(
            references(store, id, ItemFilter::default()).await,
            ["a", "b", "e", "x"]
        );
    })
    .await;
}

#[tokio::test]
async fn findings_are_classified_and_what_is_gone_is_among_them() {
    on_every_database(|database| async move {
        let store = &database.store;
        let found = discovery(store).await;
        assert_eq!(found.filter.tags, ["public"]);
        assert_eq!(found.state, DiscoveryState::Pending);
        let orders = create(store, Kind::Api, "orders", json!({})).await;
        send(store, found.id, 1, &["a"], true).await;
        let page = store
            .discovered_items(found.id, &ItemFilter::default(), &PageRequest::default())
            .await
            .expect("a page");
        assert_eq!(page.items[0].status, None);
        let status = DiscoveredStatus {
            classification: Classification::Error {
                reason: "it is odd".to_owned(),
            },
            api: None,
            managed: false,
        };
        let gone = DiscoveredStatus {
            classification: Classification::Gone {
                message: String::new(),
            },
            api: Some((orders.api_id(), name("orders"))),
            managed: true,
        };
        let counts = DiscoveryCounts {
            error: 1,
            gone: 1,
            ..DiscoveryCounts::default()
        };
        let mut transaction = begin(store).await;
        transaction
            .classify_item(page.items[0].id, &status)
            .await
            .expect("classified");
        transaction
            .add_gone(found.id, &ExternalRef("z".to_owned()), "Z", &gone)
            .await
            .expect("added");
        transaction
            .finish_discovery(found.id, DiscoveryState::Complete, Some("done"), counts)
            .await
            .expect("finished");
        transaction.commit().await.expect("committed");
        let read = store
            .discovered_item(page.items[0].id)
            .await
            .expect("a read")
            .expect("a finding");
        assert_eq!(read.status, Some(status));
        let filter = ItemFilter {
            class: Some("gone".to_owned()),
        };
        assert_eq!(references(store, found.id, filter.clone()).await, ["z"]);
        let gone_page = store
            .discovered_items(found.id, &filter, &PageRequest::default())
            .await
            .expect("a page");
        assert_eq!(
            (gone_page.items[0].item.clone(), gone_page.items[0].status.clone()),
            (None, Some(gone))
        );
        let read = store
            .discovery(found.id)
            .await
            .expect("a read")
            .expect("a discovery");
        assert_eq!((read.state, read.counts), (DiscoveryState::Complete, counts));
        assert!(
            store
                .open_discoveries(found.environment_id)
                .await
                .expect("a read")
                .is_empty()
        );
        let listed = store
            .discoveries(&DiscoveryQuery::default(), &PageRequest::default())
            .await
            .expect("a page");
        assert_eq!(listed.items.len(), 1);
        assert_eq!(store.discovery_pages(found.id).await.expect("a read"), [1]);
    })
    .await;
}

#[tokio::test]
async fn an_import_and_the_source_of_an_api_read_back() {
    on_every_database(|database| async move {
        let store = &database.store;
        let found = discovery(store).await;
        let orders = create(store, Kind::Api, "orders", json!({})).await;
        let source = ApiSource {
            api_id: orders.api_id(),
            environment_id: found.environment_id,
            external_ref: ExternalRef("svc-1".to_owned()),
        };
        let mut transaction = begin(store).await;
        let made = transaction
            .create_import(found.id, &json!([{"action": "Created"}]))
            .await
            .expect("made");
        transaction.set_api_source(&source).await.expect("noted");
        transaction.set_api_source(&source).await.expect("noted again");
        transaction.commit().await.expect("committed");
        assert_eq!(store.import(made.id).await.expect("a read"), Some(made.clone()));
        assert_eq!(
            store
                .imports(&PageRequest::default())
                .await
                .expect("a page")
                .items,
            [made]
        );
        assert_eq!(
            store.api_sources(&[orders.api_id()]).await.expect("a read")[&orders.api_id()],
            source
        );
        assert_eq!(
            store
                .environment_sources(found.environment_id)
                .await
                .expect("a read"),
            [source]
        );
    })
    .await;
}
