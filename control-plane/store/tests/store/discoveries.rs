//! Discoveries: pages that come twice or break off, classes, what is gone; imports.

use gatehouse_control_plane_store::{
    ApiSource, DiscoveredStatus, Discovery, DiscoveryCounts, DiscoveryQuery, DiscoveryState, ItemFilter,
    LaterFinding, PackedFindings, PageEnd, PageRequest, ResumePosition, Store,
};
use gatehouse_schemas::{
    canonical::Fingerprint,
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
        .create_discovery(&place, &filter, false)
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
        let packed = PackedFindings::of(chunk.to_vec()).await.expect("packed");
        let mut transaction = begin(store).await;
        transaction
            .add_items(id, number, attempt, &packed)
            .await
            .expect("added");
        transaction.commit().await.expect("committed");
    }
    if whole {
        let mut transaction = begin(store).await;
        transaction
            .finish_page(
                id,
                number,
                attempt,
                PageEnd {
                    items: items.len() as u64,
                    ..PageEnd::default()
                },
            )
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
            .classify_items(&[(page.items[0].id, status.clone())])
            .await
            .expect("classified");
        transaction
            .add_later_findings(
                found.id,
                &[LaterFinding {
                    external_ref: ExternalRef("z".to_owned()),
                    name: "Z".to_owned(),
                    in_inventory: false,
                    status: gone.clone(),
                }],
            )
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
            name: Some("Orders".to_owned()),
            imported: Some(Fingerprint("sha256:1".to_owned())),
        };
        let base = json!({"displayName": "Orders"});
        let mut transaction = begin(store).await;
        let made = transaction
            .create_import(found.id, &json!([{"action": "Created"}]))
            .await
            .expect("made");
        for _ in 0..2 {
            transaction
                .set_api_source(&source, Some(&base))
                .await
                .expect("noted");
        }
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
            vec![source.clone()]
        );
        let reference = source.external_ref.clone();
        assert_eq!(
            store
                .api_source(found.environment_id, &reference)
                .await
                .expect("a read"),
            Some(source)
        );
        let bases = store
            .imported_bases(found.environment_id, std::slice::from_ref(&reference))
            .await
            .expect("a read");
        assert_eq!(bases[&reference], base);
    })
    .await;
}

async fn end_page(store: &Store, id: DiscoveryId, number: u32, end: PageEnd<'_>) {
    let mut transaction = begin(store).await;
    transaction
        .finish_page(id, number, Uuid::now_v7(), end)
        .await
        .expect("finished");
    transaction.commit().await.expect("committed");
}

#[tokio::test]
async fn an_interrupted_run_goes_on_after_the_last_page_without_a_gap() {
    on_every_database(|database| async move {
        let store = &database.store;
        let id = discovery(store).await.id;
        let resume = |pages, position: Option<&str>| {
            Some(ResumePosition {
                pages,
                position: position.map(str::to_owned),
            })
        };
        let at = |position| PageEnd {
            items: 10,
            position,
            ..PageEnd::default()
        };
        assert_eq!(of(store, id).await.resume, None);
        end_page(store, id, 2, at(Some("after 2"))).await;
        assert_eq!(of(store, id).await.resume, None, "page 1 is not there");
        end_page(store, id, 1, at(Some("after 1"))).await;
        assert_eq!(of(store, id).await.resume, resume(2, Some("after 2")));
        end_page(store, id, 4, at(None)).await;
        assert_eq!(of(store, id).await.resume, resume(2, Some("after 2")));
        end_page(store, id, 3, at(Some("after 3"))).await;
        let all = of(store, id).await;
        assert_eq!((all.resume, all.found), (resume(4, None), 40));
        end_page(store, id, 1, at(Some("again"))).await;
        assert_eq!(
            of(store, id).await.found,
            40,
            "a page that comes twice counts once"
        );
    })
    .await;
}

async fn of(store: &Store, id: DiscoveryId) -> Discovery {
    store.discovery(id).await.expect("a read").expect("a discovery")
}

#[tokio::test]
async fn what_is_unchanged_is_kept_by_page_and_not_by_finding() {
    on_every_database(|database| async move {
        let store = &database.store;
        let id = discovery(store).await.id;
        let items: Vec<_> = (0..300)
            .map(|number| DiscoveredItem::Unchanged {
                external_ref: ExternalRef(format!("svc-{number}")),
                name: "Same".to_owned(),
            })
            .collect();
        let packed = PackedFindings::of(items).await.expect("packed");
        assert_eq!((packed.len(), packed.is_empty()), (300, false));
        let attempt = Uuid::now_v7();
        let mut transaction = begin(store).await;
        transaction
            .add_items(id, 1, attempt, &packed)
            .await
            .expect("added");
        let end = PageEnd {
            items: 300,
            seen: packed.unchanged(),
            ..PageEnd::default()
        };
        transaction
            .finish_page(id, 1, attempt, end)
            .await
            .expect("finished");
        transaction.commit().await.expect("committed");
        assert!(references(store, id, ItemFilter::default()).await.is_empty());
        let seen = store.seen_unchanged(id).await.expect("a read");
        assert_eq!(seen.len(), 300);
        assert!(seen.contains(&ExternalRef("svc-299".to_owned())));
        let mut transaction = begin(store).await;
        transaction.keep_pages(id, 0).await.expect("kept none");
        transaction.commit().await.expect("committed");
        assert!(store.seen_unchanged(id).await.expect("a read").is_empty());
    })
    .await;
}
