//! Who is woken by what, and that those who look at once look together.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use gatehouse_control_plane_store::{Claim, Store};
use gatehouse_schemas::{
    identity::{AgentId, EnvironmentId, GatewayType, Generation},
    resource::Kind,
};
use serde_json::json;
use tokio::sync::watch;

use crate::harness::{NOW, after, agent, begin, create, desired, environment, kong, on_every_database, put};

fn aws() -> GatewayType {
    "aws".parse().expect("a gateway type")
}

/// Whether it was woken since this was asked last. Notifications from the database take their time.
async fn is_woken(changes: &mut watch::Receiver<u64>) -> bool {
    let woken = tokio::time::timeout(Duration::from_millis(100), changes.changed()).await;
    woken.is_ok()
}

async fn quiet(changes: &mut watch::Receiver<u64>) {
    while is_woken(changes).await {}
}

async fn claim(store: &Store, environment_id: EnvironmentId, agent_id: AgentId, replicated: bool) {
    let mut transaction = begin(store).await;
    let wish = Claim {
        environment_id,
        agent_id,
        replicated,
        expires_at: after(1_000),
    };
    transaction.claim_lease(&wish).await.expect("claimed");
    transaction.commit().await.expect("committed");
}

#[tokio::test]
async fn a_change_wakes_the_agents_of_its_gateway_type_and_no_others() {
    on_every_database(|database| async move {
        let store = &database.store;
        let place = environment(store, "kong-eu", "kong").await;
        environment(store, "elsewhere", "aws").await;
        let orders = create(store, Kind::Api, "orders", json!({})).await;
        let (mut here, mut elsewhere) = (store.agent_changes(&kong()), store.agent_changes(&aws()));
        quiet(&mut here).await;
        quiet(&mut elsewhere).await;
        let placed = put(store, desired(&orders, place, 1, "/orders")).await;
        assert!(is_woken(&mut here).await);
        assert!(!is_woken(&mut elsewhere).await);

        let mut transaction = begin(store).await;
        let terms = gatehouse_control_plane_store::DeploymentTerms::default();
        transaction
            .request_removal(placed.id, &[], &terms)
            .await
            .expect("requested");
        transaction.commit().await.expect("committed");
        assert!(is_woken(&mut here).await);
        assert!(!is_woken(&mut elsewhere).await);
    })
    .await;
}

#[tokio::test]
async fn a_shared_lease_wakes_its_agents_and_a_gateways_own_nobody() {
    on_every_database(|database| async move {
        let store = &database.store;
        let (shared, own) = (
            environment(store, "shared", "kong").await,
            environment(store, "own", "kong").await,
        );
        let (one, two) = (agent(store, "one").await, agent(store, "two").await);
        let mut changes = store.agent_changes(&kong());
        quiet(&mut changes).await;
        claim(store, shared, one, false).await;
        assert!(is_woken(&mut changes).await);
        claim(store, own, one, true).await;
        claim(store, own, two, true).await;
        assert!(!is_woken(&mut changes).await);
        // One that was shared and is not any more: who held it must learn of it.
        claim(store, shared, two, true).await;
        assert!(is_woken(&mut changes).await);
    })
    .await;
}

#[tokio::test]
async fn what_may_concern_anybody_wakes_everybody() {
    on_every_database(|database| async move {
        let store = &database.store;
        let one = agent(store, "one").await;
        let mut elsewhere = store.agent_changes(&aws());
        quiet(&mut elsewhere).await;
        environment(store, "kong-eu", "kong").await;
        assert!(is_woken(&mut elsewhere).await);
        let mut transaction = begin(store).await;
        transaction.revoke_agent(one).await.expect("revoked");
        transaction.commit().await.expect("committed");
        assert!(is_woken(&mut elsewhere).await);
    })
    .await;
}

#[tokio::test]
async fn a_change_of_another_replica_wakes_the_same_agents() {
    on_every_database(|database| async move {
        if !database.is_postgres() {
            return;
        }
        let other = database.open_again().await.expect("opened");
        let place = environment(&other, "kong-eu", "kong").await;
        let orders = create(&other, Kind::Api, "orders", json!({})).await;
        let store = &database.store;
        let (mut here, mut elsewhere) = (store.agent_changes(&kong()), store.agent_changes(&aws()));
        quiet(&mut here).await;
        quiet(&mut elsewhere).await;
        put(&other, desired(&orders, place, 1, "/orders")).await;
        let woken = tokio::time::timeout(Duration::from_secs(10), here.changed()).await;
        assert!(woken.is_ok());
        assert!(!is_woken(&mut elsewhere).await);
    })
    .await;
}

#[tokio::test]
async fn agents_that_look_at_once_share_a_look_and_none_is_older_than_its_question() {
    on_every_database(|database| async move {
        let store = &database.store;
        let place = environment(store, "kong-eu", "kong").await;
        let one = agent(store, "one").await;
        let looks = (0..200).map(|_| async { store.work_view(&kong(), Generation(0)).await });
        let views = join_all(looks).await;
        let mut distinct: Vec<_> = views
            .into_iter()
            .map(|view| Arc::as_ptr(&view.expect("a view")) as usize)
            .collect();
        distinct.sort_unstable();
        distinct.dedup();
        assert!(distinct.len() <= 10, "{} looks for 200 agents", distinct.len());

        for revision in 1..20 {
            let orders = create(store, Kind::Api, &format!("api-{revision}"), json!({})).await;
            let (others, placed) = tokio::join!(
                join_all((0..20).map(|_| async { store.work_view(&kong(), Generation(0)).await })),
                put(store, desired(&orders, place, 1, &format!("/{revision}"))),
            );
            drop(others);
            let view = store.work_view(&kong(), Generation(0)).await.expect("a view");
            let work = view.of(one, Generation(0), NOW).expect("work");
            assert!(
                work.deployments
                    .iter()
                    .any(|deployment| deployment.id == placed.id)
            );
        }
    })
    .await;
}

#[tokio::test]
async fn agents_at_different_positions_share_a_look_and_each_gets_what_is_new_to_it() {
    on_every_database(|database| async move {
        let store = &database.store;
        let place = environment(store, "kong-eu", "kong").await;
        let one = agent(store, "one").await;
        let mut placed = Vec::new();
        for number in 0..40 {
            let orders = create(store, Kind::Api, &format!("api-{number}"), json!({})).await;
            placed.push(put(store, desired(&orders, place, 1, &format!("/{number}"))).await);
        }
        let look = |after| async move { (after, store.work_view(&kong(), after).await.expect("a view")) };
        let views = join_all(placed.iter().map(|deployment| look(deployment.generation))).await;
        let mut distinct: Vec<_> = views.iter().map(|(_, view)| Arc::as_ptr(view) as usize).collect();
        distinct.sort_unstable();
        distinct.dedup();
        assert!(distinct.len() <= 10, "{} looks for 40 agents", distinct.len());
        for (after, view) in views {
            let work = view.of(one, after, NOW).expect("work");
            let given: Vec<_> = work.deployments.iter().map(|deployment| deployment.id).collect();
            let newer = placed.iter().filter(|deployment| deployment.generation > after);
            assert_eq!(given, newer.map(|deployment| deployment.id).collect::<Vec<_>>());
            assert!(work.environments.is_empty(), "{:?}", work.environments);
        }
    })
    .await;
}

#[tokio::test]
async fn who_goes_away_while_looking_takes_nobody_along() {
    on_every_database(|database| async move {
        let store = Arc::new(database.open_again().await.expect("opened"));
        environment(&store, "kong-eu", "kong").await;
        let looks: Vec<_> = (0..300)
            .map(|_| {
                let store = store.clone();
                tokio::spawn(async move { store.work_view(&kong(), Generation(0)).await.map(drop) })
            })
            .collect();
        tokio::task::yield_now().await;
        for (number, look) in looks.iter().enumerate() {
            if number % 3 != 0 {
                look.abort();
            }
        }
        for look in looks {
            if let Ok(view) = look.await {
                view.expect("a view");
            }
        }
    })
    .await;
}
