//! The inventory: what was seen, what is missing, what counts as removed; the ignore list; schedules.

use std::collections::BTreeMap;

use gatehouse_control_plane_store::{
    ApiSource, DiscoveredStatus, InventoryEntry, InventoryFilter, ItemFilter, LastRun, LaterFinding,
    MissingNote, PackedFindings, PageEnd, PageRequest, Resource, Schedule, Scheduled, Store,
};
use gatehouse_schemas::{
    canonical::Fingerprint,
    identity::{DiscoveryId, EnvironmentId, ExternalRef},
    observed::{Classification, DiscoveredItem, ObservedApi},
    resource::Kind,
    time::Timestamp,
};
use serde_json::json;
use uuid::Uuid;

use crate::harness::{NOW, after, begin, begin_at, content, create, environment, name, on_every_database};

pub(crate) fn reference(text: &str) -> ExternalRef {
    ExternalRef(text.to_owned())
}

pub(crate) fn observed(text: &str, base_path: &str, version: &str) -> ObservedApi {
    let content = content(base_path);
    ObservedApi {
        external_ref: reference(text),
        name: format!("name of {text}"),
        version: Some(version.to_owned()),
        tags: vec!["public".to_owned()],
        mark: None,
        endpoint_urls: Vec::new(),
        fingerprint: Fingerprint::of(&content).expect("a fingerprint"),
        content,
        definition: None,
    }
}

async fn packed(apis: &[ObservedApi]) -> PackedFindings {
    let items = apis.iter().map(|api| DiscoveredItem::Api(Box::new(api.clone())));
    PackedFindings::of(items.collect()).await.expect("packed")
}

async fn place(store: &Store) -> Resource {
    environment(store, "kong-eu", "kong").await;
    let found = store.resource(Kind::Environment, &name("kong-eu")).await;
    found.expect("a read").expect("one")
}

/// A run whose one page holds these; gives how many were new or different.
async fn run(store: &Store, place: &Resource, now: Timestamp, apis: &[ObservedApi]) -> (DiscoveryId, u64) {
    let findings = packed(apis).await;
    let mut transaction = begin_at(store, now).await;
    let made = transaction
        .create_discovery(place, &Default::default(), true)
        .await
        .expect("asked");
    assert!(made.scheduled);
    let attempt = Uuid::now_v7();
    transaction
        .add_items(made.id, 1, attempt, &findings)
        .await
        .expect("added");
    let end = PageEnd {
        items: findings.len() as u64,
        ..PageEnd::default()
    };
    transaction
        .finish_page(made.id, 1, attempt, end)
        .await
        .expect("finished");
    let written = transaction
        .take_stock(place.environment_id(), made.id)
        .await
        .expect("taken");
    transaction.commit().await.expect("committed");
    (made.id, written)
}

async fn entry(store: &Store, environment_id: EnvironmentId, text: &str) -> InventoryEntry {
    let mut found = store
        .inventory_entries(environment_id, &[reference(text)])
        .await
        .expect("a read");
    found.remove(&reference(text)).expect("an entry")
}

async fn listed(store: &Store, environment_id: EnvironmentId, filter: InventoryFilter) -> Vec<String> {
    let mut request = PageRequest {
        limit: Some(2),
        cursor: None,
    };
    let mut found = Vec::new();
    loop {
        let page = store
            .inventory(environment_id, filter, &request)
            .await
            .expect("a page");
        found.extend(page.items.into_iter().map(|entry| entry.external_ref.0));
        request.cursor = page.next_cursor;
        if request.cursor.is_none() {
            return found;
        }
    }
}

#[tokio::test]
async fn what_is_the_same_is_not_written_again() {
    on_every_database(|database| async move {
        let store = &database.store;
        let place = place(store).await;
        let id = place.environment_id();
        let apis = [
            observed("a", "/a", "1"),
            observed("b", "/b", "1"),
            observed("c", "/c", "1"),
        ];
        assert_eq!(run(store, &place, NOW, &apis).await.1, 3);
        assert_eq!(run(store, &place, after(10), &apis).await.1, 0);
        let changed = [
            observed("a", "/a2", "2"),
            observed("b", "/b", "2"),
            observed("c", "/c", "1"),
        ];
        assert_eq!(run(store, &place, after(20), &changed).await.1, 2);
        assert_eq!(entry(store, id, "a").await.changed_at, after(20));
        let only_version = entry(store, id, "b").await;
        assert_eq!((only_version.changed_at, only_version.first_seen_at), (NOW, NOW));
        let versions = store.inventory_versions(id).await.expect("a read");
        let expected = [("a", "2"), ("b", "2"), ("c", "1")];
        let expected: BTreeMap<_, _> = expected.map(|(a, b)| (a.to_owned(), b.to_owned())).into();
        assert_eq!(versions, expected);
        let items = store
            .inventory_items(id, &[reference("a"), reference("nowhere")])
            .await
            .expect("a read");
        assert_eq!(items.into_values().collect::<Vec<_>>(), [changed[0].clone()]);
        assert_eq!(listed(store, id, InventoryFilter::Known).await, ["a", "b", "c"]);
        assert_eq!(store.inventory_size(id).await.expect("a read"), 3);
        let one = entry(store, id, "a").await;
        assert_eq!(one.tags, ["public"]);
        assert_eq!(
            one.content_fingerprint,
            Fingerprint::of(&content("/a2")).expect("one")
        );
    })
    .await;
}

#[tokio::test]
async fn an_api_listed_twice_in_one_run_counts_once() {
    on_every_database(|database| async move {
        let store = &database.store;
        let place = place(store).await;
        let apis = [observed("a", "/old", "1"), observed("a", "/new", "2")];
        assert_eq!(run(store, &place, NOW, &apis).await.1, 1);
        let items = store
            .inventory_items(place.environment_id(), &[reference("a")])
            .await
            .expect("a read");
        assert_eq!(items[&reference("a")].content.base_path, "/new");
    })
    .await;
}

#[tokio::test]
async fn missing_is_counted_and_forgiven() {
    on_every_database(|database| async move {
        let store = &database.store;
        let place = place(store).await;
        let id = place.environment_id();
        run(
            store,
            &place,
            NOW,
            &[observed("a", "/a", "1"), observed("b", "/b", "1")],
        )
        .await;
        for (at, runs) in [(10, 1), (20, 2)] {
            let mut transaction = begin_at(store, after(at)).await;
            transaction
                .mark_missing(id, &[reference("a")])
                .await
                .expect("marked");
            transaction.commit().await.expect("committed");
            let missing = entry(store, id, "a").await.missing.expect("missing");
            assert_eq!((missing.complete_runs, missing.since), (runs, after(10)));
        }
        let note = MissingNote {
            external_ref: reference("a"),
            needs_approval: true,
            message: "too many at once".to_owned(),
        };
        let mut transaction = begin(store).await;
        transaction.note_missing(id, &[note]).await.expect("noted");
        let approved = transaction
            .approve_removals(id, &[reference("a"), reference("b")])
            .await
            .expect("approved");
        assert_eq!(approved, 1, "`b` is not missing");
        transaction.commit().await.expect("committed");
        let told = entry(store, id, "a").await;
        let missing = told.missing.expect("missing");
        assert!(missing.needs_approval && missing.approved);
        assert_eq!(told.message.as_deref(), Some("too many at once"));
        assert_eq!(listed(store, id, InventoryFilter::Missing).await, ["a"]);
        let mut transaction = begin(store).await;
        let seen = transaction
            .mark_seen(id, &[reference("a"), reference("b")])
            .await
            .expect("seen");
        assert_eq!(seen, 1, "only what was missing is written");
        transaction.commit().await.expect("committed");
        let told = entry(store, id, "a").await;
        assert_eq!((told.missing, told.message), (None, None));
    })
    .await;
}

#[tokio::test]
async fn a_removal_leaves_a_tombstone_and_the_catalogs_api() {
    on_every_database(|database| async move {
        let store = &database.store;
        let place = place(store).await;
        let id = place.environment_id();
        let apis = [observed("a", "/a", "1"), observed("b", "/b", "1")];
        run(store, &place, NOW, &apis).await;
        let orders = create(store, Kind::Api, "orders", json!({})).await;
        let source = |text| ApiSource {
            api_id: orders.api_id(),
            environment_id: id,
            external_ref: reference(text),
            name: None,
            imported: None,
        };
        let mut transaction = begin(store).await;
        transaction
            .set_api_sources(&[(source("a"), None), (source("b"), None)])
            .await
            .expect("noted");
        transaction
            .mark_missing(id, &[reference("a")])
            .await
            .expect("marked");
        let gone = transaction
            .count_as_removed(id, &[reference("a"), reference("b")], "not seen in 3 runs")
            .await
            .expect("removed");
        assert_eq!(gone, 1, "what is not missing is never removed");
        transaction.commit().await.expect("committed");
        assert!(
            store
                .resource_by_id(Kind::Api, orders.id)
                .await
                .expect("a read")
                .is_some()
        );
        let sources = store.environment_sources(id).await.expect("a read");
        assert_eq!(sources, [source("b")]);
        assert_eq!(store.removed_sources(id).await.expect("a read"), [source("a")]);
        let tombstone = entry(store, id, "a").await;
        assert_eq!(
            (tombstone.removed_at, tombstone.api_id),
            (Some(NOW), Some(orders.api_id()))
        );
        assert_eq!(listed(store, id, InventoryFilter::Known).await, ["b"]);
        assert_eq!(listed(store, id, InventoryFilter::MissingOrRemoved).await, ["a"]);
        assert_eq!(store.inventory_size(id).await.expect("a read"), 1);
        assert!(
            !store
                .inventory_versions(id)
                .await
                .expect("a read")
                .contains_key("a")
        );
        // What is removed is not missing any more, and is not seen by a look that did not read it.
        let mut transaction = begin(store).await;
        transaction
            .mark_missing(id, &[reference("a")])
            .await
            .expect("left");
        assert_eq!(
            transaction.mark_seen(id, &[reference("a")]).await.expect("left"),
            0
        );
        transaction.commit().await.expect("committed");
        assert_eq!(run(store, &place, after(30), &apis).await.1, 1);
        let back = entry(store, id, "a").await;
        let api_id = Some(orders.api_id());
        assert_eq!((back.removed_at, back.missing, back.api_id), (None, None, api_id));
        let sources = store.environment_sources(id).await.expect("a read");
        assert_eq!(sources, [source("a"), source("b")], "it is the API it was");
        assert!(store.removed_sources(id).await.expect("a read").is_empty());
        assert_eq!((back.first_seen_at, back.changed_at), (NOW, after(30)));
    })
    .await;
}

#[tokio::test]
async fn a_finding_that_only_the_inventory_holds_reads_like_any_other() {
    on_every_database(|database| async move {
        let store = &database.store;
        let place = place(store).await;
        let api = observed("a", "/a", "1");
        let (first, _) = run(store, &place, NOW, std::slice::from_ref(&api)).await;
        let (second, _) = run(store, &place, NOW, &[]).await;
        let status = DiscoveredStatus {
            classification: Classification::New {
                duplicates: Vec::new(),
            },
            api: None,
            managed: false,
        };
        let mut transaction = begin(store).await;
        let later = LaterFinding {
            external_ref: reference("a"),
            name: api.name.clone(),
            in_inventory: true,
            status: status.clone(),
        };
        transaction
            .add_later_findings(second, &[later])
            .await
            .expect("added");
        transaction.commit().await.expect("committed");
        let filter = ItemFilter {
            class: Some("new".to_owned()),
        };
        let page = store
            .discovered_items(second, &filter, &PageRequest::default())
            .await
            .expect("a page");
        assert_eq!(
            page.items[0].item,
            Some(DiscoveredItem::Api(Box::new(api.clone())))
        );
        assert_eq!(page.items[0].status, Some(status));
        let one = store.discovered_item(page.items[0].id).await.expect("a read");
        assert_eq!(one, Some(page.items[0].clone()));
        let light = store
            .finding_summaries(first, &ItemFilter::default(), &PageRequest::default())
            .await
            .expect("a page");
        assert_eq!(light.items[0].fingerprint, Some(api.fingerprint));
        assert_eq!(light.items[0].tags, ["public"]);
        let mut transaction = begin(store).await;
        transaction
            .drop_items(&[light.items[0].id])
            .await
            .expect("dropped");
        transaction.commit().await.expect("committed");
        assert_eq!(
            store.discovered_item(light.items[0].id).await.expect("a read"),
            None
        );
    })
    .await;
}

#[tokio::test]
async fn what_was_seen_otherwise_is_taken_in_as_well() {
    on_every_database(|database| async move {
        let store = &database.store;
        let id = place(store).await.environment_id();
        let apis: Vec<_> = (0..600)
            .map(|number| observed(&format!("svc-{number}"), "/a", "1"))
            .collect();
        for expected in [600, 0] {
            let findings = packed(&apis).await;
            let mut transaction = begin(store).await;
            let written = transaction.put_inventory(id, &findings).await.expect("put");
            transaction.commit().await.expect("committed");
            assert_eq!(written, expected);
        }
    })
    .await;
}

#[tokio::test]
async fn the_last_run_is_known_until_the_inventory_is_another() {
    on_every_database(|database| async move {
        let store = &database.store;
        let place = place(store).await;
        let id = place.environment_id();
        let last = async || store.last_run(id).await.expect("a read");
        assert_eq!(last().await, None);
        let api = observed("a", "/a", "1");
        let (first, _) = run(store, &place, NOW, std::slice::from_ref(&api)).await;
        let (second, _) = run(store, &place, NOW, &[]).await;
        let catalog = Fingerprint::of_bytes(b"all of it");
        let note = async |run, catalog| {
            let mut transaction = begin(store).await;
            transaction.note_run(id, run, catalog).await.expect("noted");
            transaction.commit().await.expect("committed");
        };
        note(first, Some(&catalog)).await;
        let noted = LastRun {
            discovery_id: first,
            findings: first,
            catalog: Some(catalog.clone()),
        };
        assert_eq!(last().await, Some(noted.clone()));
        let mut transaction = begin(store).await;
        transaction.share_findings(second, first).await.expect("shared");
        transaction.commit().await.expect("committed");
        note(second, None).await;
        let shared = LastRun {
            discovery_id: second,
            catalog: None,
            ..noted
        };
        assert_eq!(last().await, Some(shared.clone()));
        let told = store.told_findings(shared.findings).await.expect("a read");
        assert_eq!((told.len(), &told[0].external_ref), (1, &reference("a")));
        for (version, is_known) in [("1", true), ("2", false)] {
            let findings = packed(&[observed("a", "/a", version)]).await;
            let mut transaction = begin(store).await;
            transaction.put_inventory(id, &findings).await.expect("put");
            transaction.commit().await.expect("committed");
            assert_eq!(last().await.is_some(), is_known);
        }
        note(second, None).await;
        let mut transaction = begin(store).await;
        transaction
            .delete_resource(Kind::Environment, id.0, None)
            .await
            .expect("deleted");
        transaction.commit().await.expect("committed");
        assert_eq!(last().await, None);
    })
    .await;
}

#[tokio::test]
async fn the_ignore_list_says_why_and_who() {
    on_every_database(|database| async move {
        let store = &database.store;
        let id = place(store).await.environment_id();
        let mut transaction = begin(store).await;
        for reason in ["first", "second"] {
            transaction
                .ignore_api(id, &reference("a"), reason)
                .await
                .expect("ignored");
        }
        transaction.commit().await.expect("committed");
        let list = store.ignored_apis(id).await.expect("a read");
        assert_eq!(list.len(), 1);
        assert_eq!(
            (list[0].reason.as_str(), list[0].created_by.as_str()),
            ("second", "token/test")
        );
        let mut transaction = begin(store).await;
        assert!(
            transaction
                .unignore_api(id, &reference("a"))
                .await
                .expect("taken off")
        );
        assert!(
            !transaction
                .unignore_api(id, &reference("a"))
                .await
                .expect("not there")
        );
    })
    .await;
}

#[tokio::test]
async fn what_is_due_is_taken_up_by_one_control_plane() {
    on_every_database(|database| async move {
        let store = &database.store;
        let id = place(store).await.environment_id();
        let other = database.open_again().await.expect("another control plane");
        let schedule = |what, due_at| Schedule {
            environment_id: id,
            what,
            expression: "*/5 * * * *".to_owned(),
            due_at,
        };
        let mut transaction = begin(store).await;
        for what in [Scheduled::Discovery, Scheduled::Drift] {
            transaction
                .put_schedule(&schedule(what, Some(after(10))))
                .await
                .expect("put");
        }
        transaction.commit().await.expect("committed");
        assert_eq!(store.next_due().await.expect("a read"), Some(after(10)));
        let mut transaction = begin_at(store, after(9)).await;
        assert!(transaction.claim_due().await.expect("asked").is_empty());
        transaction.commit().await.expect("committed");
        // Whoever does not commit has taken nothing.
        let mut transaction = begin_at(store, after(10)).await;
        assert_eq!(transaction.claim_due().await.expect("asked").len(), 2);
        transaction.rollback().await.expect("undone");
        let takers: Vec<_> = [store.clone(), other.clone(), store.clone(), other.clone()]
            .into_iter()
            .map(|store| {
                tokio::spawn(async move {
                    let mut transaction = begin_at(&store, after(10)).await;
                    let due = transaction.claim_due().await.expect("asked");
                    transaction.commit().await.expect("committed");
                    due.len()
                })
            })
            .collect();
        let mut taken = Vec::new();
        for taker in takers {
            taken.push(taker.await.expect("a taker"));
        }
        taken.sort_unstable();
        assert_eq!(taken, [0, 0, 0, 2]);
        let left = store.schedules().await.expect("a read");
        assert_eq!(
            left,
            [
                schedule(Scheduled::Discovery, None),
                schedule(Scheduled::Drift, None)
            ]
        );
        let mut transaction = begin(store).await;
        transaction
            .delete_schedule(id, Scheduled::Drift)
            .await
            .expect("ended");
        transaction.commit().await.expect("committed");
        assert_eq!(store.schedules().await.expect("a read").len(), 1);
        assert_eq!(store.next_due().await.expect("a read"), None);
        other.close().await;
    })
    .await;
}

#[tokio::test]
async fn an_environment_takes_all_that_is_about_it_along() {
    on_every_database(|database| async move {
        let store = &database.store;
        let place = place(store).await;
        let id = place.environment_id();
        run(store, &place, NOW, &[observed("a", "/a", "1")]).await;
        let mut transaction = begin(store).await;
        transaction
            .ignore_api(id, &reference("b"), "")
            .await
            .expect("ignored");
        let schedule = Schedule {
            environment_id: id,
            what: Scheduled::Discovery,
            expression: "* * * * *".to_owned(),
            due_at: Some(NOW),
        };
        transaction.put_schedule(&schedule).await.expect("put");
        transaction
            .delete_resource(Kind::Environment, id.0, None)
            .await
            .expect("deleted");
        transaction.commit().await.expect("committed");
        assert_eq!(store.inventory_size(id).await.expect("a read"), 0);
        assert!(store.ignored_apis(id).await.expect("a read").is_empty());
        assert!(store.schedules().await.expect("a read").is_empty());
    })
    .await;
}
