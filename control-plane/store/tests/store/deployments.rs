//! Deployments: identity, generations, removals and their confirmation.

use gatehouse_control_plane_store::{DeploymentStatus, DeploymentTerms, Desired, StoreError};
use gatehouse_schemas::{
    condition::Phase,
    identity::{DeploymentId, ExternalRef, Generation, RevisionNumber},
    policy::SecretVersion,
    resource::Kind,
};
use serde_json::json;
use uuid::Uuid;

use crate::harness::{begin, create, desired, environment, name, on_every_database, put};

#[tokio::test]
async fn a_redeployment_keeps_its_identity_and_gets_a_higher_generation() {
    on_every_database(|database| async move {
        let store = &database.store;
        let environment_id = environment(store, "kong-eu", "kong").await;
        let api = create(store, Kind::Api, "orders", json!({})).await;
        let first = put(store, desired(&api, environment_id, 1, "/orders")).await;
        let second = put(store, desired(&api, environment_id, 2, "/orders/")).await;
        assert_eq!(first.id, second.id);
        assert_eq!(second.revision, RevisionNumber(2));
        assert!(second.generation > first.generation);
        assert_eq!(second.generation, store.generation().await.expect("a read"));
        let wanted = store.desired(first.id).await.expect("a read").expect("desired");
        assert_eq!(
            wanted,
            Desired::Present(Box::new(desired(&api, environment_id, 2, "/orders/")))
        );
        assert_eq!(
            store.deployment_counts().await.expect("counts")[&environment_id],
            1
        );
    })
    .await;
}

#[tokio::test]
async fn all_changes_of_a_transaction_share_one_generation() {
    on_every_database(|database| async move {
        let store = &database.store;
        let mut transaction = begin(store).await;
        let one = transaction.next_generation().await.expect("a number");
        let two = transaction.next_generation().await.expect("a number");
        assert_eq!(one, two);
        transaction.commit().await.expect("committed");
        assert_eq!(store.generation().await.expect("a read"), one);
    })
    .await;
}

#[tokio::test]
async fn generations_become_visible_in_their_order() {
    on_every_database(|database| async move {
        let store = database.store.clone();
        let writers: Vec<_> = (0..20)
            .map(|_| {
                let store = store.clone();
                tokio::spawn(async move {
                    let mut transaction = begin(&store).await;
                    let generation = transaction.next_generation().await.expect("a number");
                    tokio::task::yield_now().await;
                    transaction.commit().await.expect("committed");
                    generation
                })
            })
            .collect();
        let mut taken = Vec::new();
        for writer in writers {
            let generation = writer.await.expect("a writer");
            assert!(store.generation().await.expect("a read") >= generation);
            taken.push(generation);
        }
        taken.sort();
        assert_eq!(taken, (1..=20).map(Generation).collect::<Vec<_>>());
    })
    .await;
}

#[tokio::test]
async fn a_removal_stays_until_it_is_confirmed() {
    on_every_database(|database| async move {
        let store = &database.store;
        let environment_id = environment(store, "kong-eu", "kong").await;
        let api = create(store, Kind::Api, "orders", json!({})).await;
        let placed = put(store, desired(&api, environment_id, 1, "/orders")).await;
        let mut transaction = begin(store).await;
        // What is still wanted is not taken away, whoever asks.
        transaction.remove_deployment(placed.id).await.expect("asked");
        let removing = transaction
            .request_removal(placed.id, &[], &DeploymentTerms::default())
            .await
            .expect("asked");
        assert!(removing.absent && removing.generation > placed.generation);
        assert_eq!(removing.phase, Phase::Removing);
        transaction.commit().await.expect("committed");
        // The API may go before the gateway has confirmed.
        let mut transaction = begin(store).await;
        transaction
            .delete_resource(Kind::Api, api.id, None)
            .await
            .expect("deleted");
        transaction.commit().await.expect("committed");
        let mark = desired(&api, environment_id, 1, "/orders").mark;
        assert_eq!(
            store.desired(placed.id).await.expect("a read"),
            Some(Desired::Absent(mark))
        );
        let mut transaction = begin(store).await;
        transaction.remove_deployment(placed.id).await.expect("removed");
        transaction.commit().await.expect("committed");
        assert_eq!(store.deployment(placed.id).await.expect("a read"), None);
    })
    .await;
}

#[tokio::test]
async fn a_deployment_wanted_again_before_its_removal_is_confirmed_stays() {
    on_every_database(|database| async move {
        let store = &database.store;
        let environment_id = environment(store, "kong-eu", "kong").await;
        let api = create(store, Kind::Api, "orders", json!({})).await;
        let placed = put(store, desired(&api, environment_id, 1, "/orders")).await;
        let mut transaction = begin(store).await;
        transaction
            .request_removal(placed.id, &[], &DeploymentTerms::default())
            .await
            .expect("asked");
        transaction.commit().await.expect("committed");
        let back = put(store, desired(&api, environment_id, 2, "/orders")).await;
        assert_eq!((back.id, back.absent), (placed.id, false));
        let mut transaction = begin(store).await;
        transaction.remove_deployment(placed.id).await.expect("too late");
        transaction.commit().await.expect("committed");
        assert_eq!(store.deployment(placed.id).await.expect("a read"), Some(back));
    })
    .await;
}

#[tokio::test]
async fn the_status_changes_without_touching_what_is_desired() {
    on_every_database(|database| async move {
        let store = &database.store;
        let environment_id = environment(store, "kong-eu", "kong").await;
        let api = create(store, Kind::Api, "orders", json!({})).await;
        let placed = put(store, desired(&api, environment_id, 1, "/orders")).await;
        let status = DeploymentStatus {
            observed_generation: placed.generation,
            phase: Phase::Deployed,
            conditions: Vec::new(),
            external_ref: Some(ExternalRef("svc-1".to_owned())),
            endpoint_urls: vec!["http://127.0.0.1:8080/orders".to_owned()],
        };
        let mut transaction = begin(store).await;
        transaction
            .set_deployment_status(placed.id, &status)
            .await
            .expect("set");
        transaction.commit().await.expect("committed");
        let read = store
            .deployment(placed.id)
            .await
            .expect("a read")
            .expect("a deployment");
        assert_eq!(
            (read.phase, read.generation),
            (Phase::Deployed, placed.generation)
        );
        assert_eq!(
            (read.external_ref, read.endpoint_urls),
            (status.external_ref.clone(), status.endpoint_urls.clone())
        );
        let mut transaction = begin(store).await;
        let nowhere = transaction
            .set_deployment_status(DeploymentId(Uuid::now_v7()), &status)
            .await;
        assert!(matches!(nowhere, Err(StoreError::NotFound { .. })));
    })
    .await;
}

#[tokio::test]
async fn only_base_paths_that_can_overlap_are_compared() {
    on_every_database(|database| async move {
        let store = &database.store;
        let environment_id = environment(store, "kong-eu", "kong").await;
        for (text, path) in [
            ("root", "/"),
            ("a", "/a"),
            ("ab", "/a/b"),
            ("abc", "/a/bc"),
            ("c", "/c"),
        ] {
            let api = create(store, Kind::Api, text, json!({})).await;
            put(store, desired(&api, environment_id, 1, path)).await;
        }
        for (path, expected) in [
            ("/a/b", vec!["a", "ab", "root"]),
            ("/a", vec!["a", "ab", "abc", "root"]),
            ("/", vec!["a", "ab", "abc", "c", "root"]),
            ("/d", vec!["root"]),
        ] {
            let around = store.desired_around(environment_id, path).await.expect("a read");
            let mut names: Vec<_> = around.iter().map(|api| api.mark.api_name.to_string()).collect();
            names.sort();
            assert_eq!(names, expected, "{path}");
        }
    })
    .await;
}

#[tokio::test]
async fn the_secrets_of_a_desired_state_are_known() {
    on_every_database(|database| async move {
        let store = &database.store;
        let environment_id = environment(store, "kong-eu", "kong").await;
        let api = create(store, Kind::Api, "orders", json!({})).await;
        let mut wanted = desired(&api, environment_id, 1, "/orders");
        wanted.secrets = ["key-a", "key-b"]
            .map(|text| SecretVersion {
                name: name(text),
                version: gatehouse_schemas::identity::ResourceVersion(1),
            })
            .into();
        let placed = put(store, wanted).await;
        let known = store.desired_secrets(environment_id).await.expect("a read");
        assert_eq!(known, [name("key-a"), name("key-b")].into());
        assert_eq!(
            store.deployments_using(&name("key-a")).await.expect("a read")[0].id,
            placed.id
        );
        put(store, desired(&api, environment_id, 2, "/orders")).await;
        assert!(
            store
                .desired_secrets(environment_id)
                .await
                .expect("a read")
                .is_empty()
        );
    })
    .await;
}
