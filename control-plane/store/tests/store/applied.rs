//! What was confirmed: applied states, history, steps, observations; and the way back.

use gatehouse_control_plane_store::{
    DeploymentTerms, Desired, Expected, NewDeployment, PageRequest, Priority, Restored, Step, StepState,
    Store,
};
use gatehouse_schemas::{
    canonical::Fingerprint,
    condition::Phase,
    identity::{DeploymentId, EnvironmentId, ExternalRef, Generation, PlanId, RevisionNumber},
    observed::Observation,
    resource::Kind,
};
use serde_json::json;
use uuid::Uuid;

use crate::harness::{after, begin, begin_at, create, desired, environment, on_every_database, put};

async fn confirm(store: &Store, id: DeploymentId, generation: Generation) -> bool {
    let mut transaction = begin(store).await;
    let news = transaction
        .confirm_deployment(id, generation)
        .await
        .expect("confirmed");
    transaction.commit().await.expect("committed");
    news
}

fn step(generation: Generation, number: u32, object: Option<&str>, state: StepState) -> Step {
    Step {
        generation,
        number,
        of: Some(3),
        description: format!("step {number}"),
        object: object.map(str::to_owned),
        state,
    }
}

async fn record(store: &Store, id: DeploymentId, step: &Step) -> bool {
    let mut transaction = begin(store).await;
    let counts = transaction
        .record_step(id, step, Some(1_500))
        .await
        .expect("recorded");
    transaction.commit().await.expect("committed");
    counts
}

async fn place(store: &Store) -> (gatehouse_control_plane_store::Resource, EnvironmentId) {
    let environment_id = environment(store, "kong-eu", "kong").await;
    (
        create(store, Kind::Api, "orders", json!({})).await,
        environment_id,
    )
}

#[tokio::test]
async fn only_the_present_generation_is_confirmed_and_only_once() {
    on_every_database(|database| async move {
        let store = &database.store;
        let (api, environment_id) = place(store).await;
        let first = put(store, desired(&api, environment_id, 1, "/orders")).await;
        let second = put(store, desired(&api, environment_id, 2, "/orders")).await;
        assert!(
            !confirm(store, first.id, first.generation).await,
            "an old generation"
        );
        assert_eq!(store.applied(first.id).await.expect("a read"), None);
        assert!(confirm(store, first.id, second.generation).await);
        assert!(!confirm(store, first.id, second.generation).await, "told again");
        let read = store.deployment(first.id).await.expect("a read").expect("one");
        assert!(read.confirmed);
        let applied = store.applied(first.id).await.expect("a read").expect("applied");
        assert_eq!(applied.generation, second.generation);
        assert_eq!(applied.api, desired(&api, environment_id, 2, "/orders"));
        let third = put(store, desired(&api, environment_id, 3, "/orders")).await;
        assert!(!third.confirmed);
        let applied = store.applied(first.id).await.expect("a read").expect("applied");
        assert_eq!(
            applied.generation, second.generation,
            "until the next is confirmed"
        );
    })
    .await;
}

#[tokio::test]
async fn the_terms_of_a_deployment_read_back_and_do_not_outlive_it() {
    on_every_database(|database| async move {
        let store = &database.store;
        let (api, environment_id) = place(store).await;
        let terms = DeploymentTerms {
            expected: Some(Expected::Present(Fingerprint("sha256:1".to_owned()))),
            adopt: Some(ExternalRef("svc-1".to_owned())),
            accept_loss: true,
            priority: Priority::Rollback,
            plan_id: Some(PlanId(Uuid::now_v7())),
        };
        let mut transaction = begin(store).await;
        let placed = transaction
            .put_deployment(&NewDeployment {
                desired: desired(&api, environment_id, 1, "/orders"),
                phase: Phase::Pending,
                conditions: Vec::new(),
                terms: terms.clone(),
            })
            .await
            .expect("put");
        transaction.commit().await.expect("committed");
        assert_eq!(placed.terms, terms);
        assert_eq!(placed.requested_by, "token/test");
        let filter = gatehouse_control_plane_store::DeploymentFilter {
            plan_id: terms.plan_id,
            ..Default::default()
        };
        assert_eq!(
            store.all_deployments(&filter).await.expect("a read"),
            vec![placed.clone()]
        );
        let mut transaction = begin(store).await;
        let absent = DeploymentTerms {
            expected: Some(Expected::Absent),
            ..DeploymentTerms::default()
        };
        let removing = transaction
            .request_removal(placed.id, &[], &absent)
            .await
            .expect("asked");
        assert_eq!(removing.terms, absent);
        transaction.commit().await.expect("committed");
        let again = put(store, desired(&api, environment_id, 1, "/orders")).await;
        assert_eq!(again.terms, DeploymentTerms::default());
    })
    .await;
}

#[tokio::test]
async fn the_history_tells_what_to_go_back_to() {
    on_every_database(|database| async move {
        let store = &database.store;
        let (api, environment_id) = place(store).await;
        for revision in [1, 2, 3] {
            let placed = put(store, desired(&api, environment_id, revision, "/orders")).await;
            if revision < 3 {
                confirm(store, placed.id, placed.generation).await;
            }
        }
        let last_good = async |present: Option<u64>| {
            let present = present.map(RevisionNumber);
            let found = store
                .last_good_revision(api.api_id(), environment_id, present)
                .await;
            found.expect("a read").map(|revision| revision.0)
        };
        assert_eq!(last_good(Some(3)).await, Some(2), "3 was never confirmed");
        assert_eq!(last_good(Some(2)).await, Some(1));
        assert_eq!(last_good(None).await, Some(2));
        let placed = put(store, desired(&api, environment_id, 1, "/orders")).await;
        confirm(store, placed.id, placed.generation).await;
        assert_eq!(last_good(Some(1)).await, Some(2));
        let mut transaction = begin_at(store, after(60)).await;
        transaction
            .request_removal(placed.id, &[], &DeploymentTerms::default())
            .await
            .expect("asked");
        transaction.remove_deployment(placed.id).await.expect("removed");
        transaction.commit().await.expect("committed");
        let request = PageRequest {
            limit: Some(3),
            cursor: None,
        };
        let page = store
            .deployment_history(api.api_id(), environment_id, &request)
            .await
            .expect("a page");
        let revisions: Vec<_> = page
            .items
            .iter()
            .map(|entry| entry.revision.map(|it| it.0))
            .collect();
        assert_eq!(revisions, [None, Some(1), Some(2)]);
        assert_eq!(page.items[0].at, after(60));
        assert_eq!(page.items[0].requested_by, "token/test");
        let request = PageRequest {
            cursor: page.next_cursor,
            ..request
        };
        let rest = store
            .deployment_history(api.api_id(), environment_id, &request)
            .await
            .expect("a page");
        assert_eq!((rest.items.len(), rest.next_cursor), (1, None));
    })
    .await;
}

#[tokio::test]
async fn a_step_of_an_old_generation_is_refused() {
    on_every_database(|database| async move {
        let store = &database.store;
        let (api, environment_id) = place(store).await;
        let first = put(store, desired(&api, environment_id, 1, "/orders")).await;
        let second = put(store, desired(&api, environment_id, 2, "/orders")).await;
        let id = first.id;
        assert!(!record(store, id, &step(first.generation, 1, None, StepState::Intended)).await);
        assert!(
            !record(
                store,
                DeploymentId(Uuid::now_v7()),
                &step(second.generation, 1, None, StepState::Intended)
            )
            .await
        );
        assert!(store.steps(id).await.expect("a read").is_empty());
        assert!(record(store, id, &step(second.generation, 1, None, StepState::Intended)).await);
    })
    .await;
}

#[tokio::test]
async fn steps_stay_through_generations_until_one_is_confirmed() {
    on_every_database(|database| async move {
        let store = &database.store;
        let (api, environment_id) = place(store).await;
        let first = put(store, desired(&api, environment_id, 1, "/orders")).await;
        let id = first.id;
        let one = first.generation;
        record(store, id, &step(one, 1, Some("api-a"), StepState::Intended)).await;
        record(store, id, &step(one, 1, Some("api-a"), StepState::Done)).await;
        record(store, id, &step(one, 2, Some("route-a"), StepState::Intended)).await;
        // Another attempt numbers its steps otherwise: what the first may have made is not forgotten.
        record(store, id, &step(one, 1, Some("route-b"), StepState::Intended)).await;
        let steps = store.steps(id).await.expect("a read");
        let told: Vec<_> = steps
            .iter()
            .map(|step| (step.number, step.object.as_deref(), step.state))
            .collect();
        assert_eq!(
            told,
            [
                (1, Some("api-a"), StepState::Done),
                (1, Some("route-b"), StepState::Intended),
                (2, Some("route-a"), StepState::Intended)
            ]
        );
        let progress = store.progress(id).await.expect("a read").expect("progress");
        assert_eq!(progress.step.object.as_deref(), Some("route-b"));
        assert_eq!(progress.remaining_ms, Some(1_500));

        let second = put(store, desired(&api, environment_id, 2, "/orders")).await;
        assert_eq!(
            store.progress(id).await.expect("a read"),
            None,
            "nothing of it yet"
        );
        record(store, id, &step(second.generation, 1, None, StepState::Done)).await;
        assert_eq!(store.steps(id).await.expect("a read").len(), 4);
        confirm(store, id, one).await;
        assert_eq!(store.steps(id).await.expect("a read").len(), 4, "a stale report");
        confirm(store, id, second.generation).await;
        assert!(store.steps(id).await.expect("a read").is_empty());
        // A confirmed generation is worked on again when the gateway is put right.
        record(store, id, &step(second.generation, 1, None, StepState::Intended)).await;
        confirm(store, id, second.generation).await;
        assert!(store.steps(id).await.expect("a read").is_empty());
    })
    .await;
}

#[tokio::test]
async fn observations_of_another_generation_do_not_count() {
    on_every_database(|database| async move {
        let store = &database.store;
        let (api, environment_id) = place(store).await;
        let first = put(store, desired(&api, environment_id, 1, "/orders")).await;
        let placed = put(store, desired(&api, environment_id, 2, "/orders")).await;
        assert_eq!(store.observation(placed.id).await.expect("a read"), None);
        let mut transaction = begin(store).await;
        for (generation, differs, counts) in [
            (first.generation, Some(Observation::Absent), false),
            (placed.generation, Some(Observation::Absent), true),
            (placed.generation, None, true),
        ] {
            let counted = transaction
                .put_observation(placed.id, generation, differs.as_ref())
                .await
                .expect("put");
            assert_eq!(counted, counts);
            if counts {
                let seen = transaction
                    .observation(placed.id)
                    .await
                    .expect("a read")
                    .expect("one");
                assert_eq!((seen.generation, seen.differs), (generation, differs));
            }
        }
        transaction.commit().await.expect("committed");
        let many = store.observations(&[placed.id]).await.expect("a read");
        assert_eq!(many.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_former_state_is_put_back_as_it_was() {
    on_every_database(|database| async move {
        let store = &database.store;
        let (api, environment_id) = place(store).await;
        let before = put(store, desired(&api, environment_id, 1, "/orders")).await;
        confirm(store, before.id, before.generation).await;
        let former = store.desired(before.id).await.expect("a read").expect("desired");
        let after = put(store, desired(&api, environment_id, 2, "/elsewhere")).await;
        let mut transaction = begin(store).await;
        let mut restored = Restored {
            desired: former.clone(),
            confirmed: true,
            phase: Phase::Deployed,
            conditions: Vec::new(),
            terms: DeploymentTerms::default(),
        };
        let back = transaction
            .restore_desired(before.id, &restored)
            .await
            .expect("restored");
        assert!(back.confirmed && back.generation > after.generation);
        assert_eq!((back.revision, back.phase), (RevisionNumber(1), Phase::Deployed));
        transaction.commit().await.expect("committed");
        assert_eq!(store.desired(before.id).await.expect("a read"), Some(former));
        let around = store
            .desired_around(environment_id, "/orders")
            .await
            .expect("a read");
        assert_eq!(around.len(), 1, "its place is taken again");

        let mark = desired(&api, environment_id, 1, "/orders").mark;
        restored.desired = Desired::Absent(mark.clone());
        restored.confirmed = false;
        let mut transaction = begin(store).await;
        let gone = transaction
            .restore_desired(before.id, &restored)
            .await
            .expect("restored");
        transaction.commit().await.expect("committed");
        assert!(gone.absent && !gone.confirmed);
        assert_eq!(
            store.desired(before.id).await.expect("a read"),
            Some(Desired::Absent(mark))
        );
        assert!(
            store.applied(before.id).await.expect("a read").is_some(),
            "the gateway has it"
        );
    })
    .await;
}

#[tokio::test]
async fn only_what_was_never_begun_is_forgotten() {
    on_every_database(|database| async move {
        let store = &database.store;
        let (api, environment_id) = place(store).await;
        let placed = put(store, desired(&api, environment_id, 1, "/orders")).await;
        let mut transaction = begin(store).await;
        assert!(transaction.forget_deployment(placed.id).await.expect("asked"));
        // Dropped, not committed: nothing of it holds.
        transaction.rollback().await.expect("undone");
        assert!(store.deployment(placed.id).await.expect("a read").is_some());
        record(
            store,
            placed.id,
            &step(placed.generation, 1, Some("a"), StepState::Intended),
        )
        .await;
        let mut transaction = begin(store).await;
        assert!(!transaction.forget_deployment(placed.id).await.expect("asked"));
        transaction.clear_steps(placed.id).await.expect("cleared");
        assert!(transaction.forget_deployment(placed.id).await.expect("asked"));
        transaction.commit().await.expect("committed");
        assert_eq!(store.deployment(placed.id).await.expect("a read"), None);

        let placed = put(store, desired(&api, environment_id, 1, "/orders")).await;
        confirm(store, placed.id, placed.generation).await;
        let placed = put(store, desired(&api, environment_id, 2, "/orders")).await;
        let mut transaction = begin(store).await;
        assert!(!transaction.forget_deployment(placed.id).await.expect("asked"));
    })
    .await;
}
