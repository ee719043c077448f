//! What is forgotten, and what stays.

use gatehouse_control_plane_store::{
    DiscoveryCounts, DiscoveryState, ItemFilter, NewPlan, NewTask, PackedFindings, PageEnd, PageRequest,
    PlanState, PlanStrategy, PlanUpdate, Resource, Store, TaskState,
};
use gatehouse_schemas::{identity::DiscoveryId, observed::DiscoveredItem, resource::Kind, time::Timestamp};
use serde_json::json;
use uuid::Uuid;

use crate::{
    harness::{NOW, after, begin_at, create, desired, environment, name, on_every_database, put},
    inventory::{observed, reference},
};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

async fn place(store: &Store) -> Resource {
    environment(store, "local", "kong").await;
    let found = store.resource(Kind::Environment, &name("local")).await;
    found.expect("a read").expect("one")
}

async fn forget(store: &Store, now: Timestamp, before: Timestamp) {
    let mut transaction = begin_at(store, now).await;
    transaction.forget_ended(before).await.expect("forgotten");
    transaction.commit().await.expect("committed");
}

async fn run(store: &Store, place: &Resource) -> DiscoveryId {
    let api = DiscoveredItem::Api(Box::new(observed("a", "/a", "1")));
    let findings = PackedFindings::of(vec![api]).await.expect("packed");
    let mut transaction = begin_at(store, NOW).await;
    let made = transaction
        .create_discovery(place, &Default::default(), false)
        .await
        .expect("asked");
    let attempt = Uuid::now_v7();
    transaction
        .add_items(made.id, 1, attempt, &findings)
        .await
        .expect("added");
    transaction
        .finish_page(made.id, 1, attempt, PageEnd::default())
        .await
        .expect("finished");
    transaction
        .finish_discovery(
            made.id,
            DiscoveryState::Complete,
            None,
            DiscoveryCounts::default(),
        )
        .await
        .expect("ended");
    transaction.commit().await.expect("committed");
    made.id
}

#[tokio::test]
async fn the_findings_of_old_runs_go_and_the_runs_stay() {
    on_every_database(|database| async move {
        let store = &database.store;
        let place = place(store).await;
        let mut runs = Vec::new();
        for _ in 0..12 {
            runs.push(run(store, &place).await);
        }
        let mut transaction = begin_at(store, NOW).await;
        let open = transaction
            .create_discovery(&place, &Default::default(), false)
            .await
            .expect("asked");
        transaction.commit().await.expect("committed");
        forget(store, NOW, NOW).await;
        for (index, id) in runs.iter().enumerate() {
            let page = store
                .discovered_items(*id, &ItemFilter::default(), &PageRequest::default())
                .await
                .expect("a page");
            assert_eq!(page.items.is_empty(), index < 2, "run {index}");
            assert!(store.discovery(*id).await.expect("a read").is_some());
        }
        assert!(store.discovery(open.id).await.expect("a read").is_some());
    })
    .await;
}

#[tokio::test]
async fn findings_stay_while_a_newer_run_has_them_too() {
    on_every_database(|database| async move {
        let store = &database.store;
        let place = place(store).await;
        let holder = run(store, &place).await;
        let mut sharing = Vec::new();
        for _ in 0..12 {
            let id = run(store, &place).await;
            let mut transaction = begin_at(store, NOW).await;
            transaction.share_findings(id, holder).await.expect("shared");
            transaction.commit().await.expect("committed");
            sharing.push(id);
        }
        let findings = async |id: DiscoveryId| {
            let page = store
                .discovered_items(id, &ItemFilter::default(), &PageRequest::default())
                .await
                .expect("a page");
            page.items.len()
        };
        forget(store, NOW, NOW).await;
        for (index, id) in sharing.iter().enumerate() {
            assert_eq!(findings(*id).await, usize::from(index >= 2), "run {index}");
        }
        assert_eq!(findings(holder).await, 1);
        for _ in 0..10 {
            run(store, &place).await;
        }
        let mut transaction = begin_at(store, NOW).await;
        transaction
            .note_run(place.environment_id(), sharing[11], None)
            .await
            .expect("noted");
        transaction.commit().await.expect("committed");
        forget(store, NOW, NOW).await;
        assert_eq!(findings(sharing[10]).await, 0);
        assert_eq!(findings(sharing[11]).await, 1, "the last that took stock");
        let latest = run(store, &place).await;
        let mut transaction = begin_at(store, NOW).await;
        transaction
            .note_run(place.environment_id(), latest, None)
            .await
            .expect("noted");
        transaction.commit().await.expect("committed");
        // What nobody shares any more goes once that is known.
        forget(store, NOW, NOW).await;
        forget(store, NOW, NOW).await;
        assert_eq!(findings(holder).await, 0);
        assert_eq!(findings(sharing[11]).await, 0);
        assert!(store.discovery(holder).await.expect("a read").is_some());
    })
    .await;
}

#[tokio::test]
async fn answered_tasks_go_and_open_ones_stay() {
    on_every_database(|database| async move {
        let store = &database.store;
        let place = place(store).await;
        let mut transaction = begin_at(store, NOW).await;
        let new = NewTask {
            task: json!({}),
            expires_at: after(1),
            plan: None,
        };
        let answered = transaction.create_task(&place, &new).await.expect("asked");
        let open = transaction.create_task(&place, &new).await.expect("asked");
        transaction
            .finish_task(answered.id, TaskState::Answered, &json!({}))
            .await
            .expect("answered");
        transaction.commit().await.expect("committed");
        forget(store, after(10), NOW).await;
        assert!(
            store.task(answered.id).await.expect("a read").is_some(),
            "not before its time"
        );
        forget(store, after(10), after(5)).await;
        assert!(store.task(answered.id).await.expect("a read").is_none());
        assert!(store.task(open.id).await.expect("a read").is_some());
    })
    .await;
}

#[tokio::test]
async fn plans_and_tombstones_go_after_90_days_but_not_what_is_under_way() {
    on_every_database(|database| async move {
        let store = &database.store;
        let id = place(store).await.environment_id();
        let mut transaction = begin_at(store, NOW).await;
        let new = NewPlan {
            strategy: PlanStrategy::BestEffort,
            accept_loss: false,
            items: json!([]),
            internals: json!([]),
            targets: vec![(name("orders"), name("local"))],
        };
        let open = transaction.create_plan(&new).await.expect("made");
        let refused = transaction.create_plan(&new).await.expect("made");
        let update = PlanUpdate {
            state: PlanState::Refused,
            items: json!([]),
            internals: None,
            fingerprint: None,
            applied: false,
        };
        transaction
            .update_plan(refused.id, PlanState::Pending, &update)
            .await
            .expect("moved");
        let api = DiscoveredItem::Api(Box::new(observed("a", "/a", "1")));
        let findings = PackedFindings::of(vec![api]).await.expect("packed");
        transaction.put_inventory(id, &findings).await.expect("put");
        transaction
            .mark_missing(id, &[reference("a")])
            .await
            .expect("marked");
        transaction
            .count_as_removed(id, &[reference("a")], "gone")
            .await
            .expect("removed");
        transaction.commit().await.expect("committed");
        let entries = async || {
            store
                .inventory_entries(id, &[reference("a")])
                .await
                .expect("a read")
                .len()
        };
        forget(store, after(89 * DAY_MS), NOW).await;
        assert!(store.plan(refused.id).await.expect("a read").is_some());
        assert_eq!(entries().await, 1);
        forget(store, after(91 * DAY_MS), NOW).await;
        assert!(store.plan(refused.id).await.expect("a read").is_none());
        assert!(store.plan(open.id).await.expect("a read").is_some());
        assert_eq!(entries().await, 0);
    })
    .await;
}

#[tokio::test]
async fn the_history_keeps_its_newest_hundred() {
    on_every_database(|database| async move {
        let store = &database.store;
        let environment_id = place(store).await.environment_id();
        let api = create(store, Kind::Api, "orders", json!({})).await;
        for revision in 1..=103 {
            let placed = put(store, desired(&api, environment_id, revision, "/orders")).await;
            let mut transaction = begin_at(store, NOW).await;
            transaction
                .confirm_deployment(placed.id, placed.generation)
                .await
                .expect("confirmed");
            transaction.commit().await.expect("committed");
        }
        forget(store, NOW, NOW).await;
        let request = PageRequest {
            limit: Some(200),
            cursor: None,
        };
        let page = store
            .deployment_history(api.api_id(), environment_id, &request)
            .await
            .expect("a page");
        let revisions: Vec<_> = page.items.iter().filter_map(|entry| entry.revision).collect();
        assert_eq!(revisions.len(), 100);
        assert_eq!((revisions[0].0, revisions[99].0), (103, 4));
    })
    .await;
}
