//! What agents are told, position by position.

use gatehouse_control_plane_store::{
    Claim, DeploymentTerms, Desired, DiscoveryState, Store, StoreError, Work,
};
use gatehouse_schemas::{
    identity::{AgentId, EnvironmentId, Generation},
    resource::Kind,
};
use serde_json::json;

use crate::harness::{
    NOW, after, agent, begin, begin_at, create, desired, environment, kong, metadata, name,
    on_every_database, put,
};

async fn work(store: &Store, agent_id: AgentId, position: Generation) -> Work {
    store.work(agent_id, &kong(), position, NOW).await.expect("work")
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
async fn an_agent_gets_everything_at_first_and_then_what_is_new() {
    on_every_database(|database| async move {
        let store = &database.store;
        let place = environment(store, "kong-eu", "kong").await;
        environment(store, "elsewhere", "aws").await;
        let one = agent(store, "one").await;
        let orders = create(store, Kind::Api, "orders", json!({})).await;
        let placed = put(store, desired(&orders, place, 1, "/orders")).await;
        let all = work(store, one, Generation(0)).await;
        assert_eq!(
            all.environments
                .iter()
                .map(|it| it.name.as_str())
                .collect::<Vec<_>>(),
            ["kong-eu"]
        );
        assert_eq!(all.environments[0].fencing, None);
        assert_eq!(
            all.deployments.iter().map(|it| it.id).collect::<Vec<_>>(),
            [placed.id]
        );
        assert!(all.has_news());

        let nothing = work(store, one, all.generation).await;
        assert!(!nothing.has_news());
        assert_eq!(nothing.generation, all.generation);

        let users = create(store, Kind::Api, "users", json!({})).await;
        let second = put(store, desired(&users, place, 1, "/users")).await;
        let news = work(store, one, all.generation).await;
        assert!(news.environments.is_empty());
        assert_eq!(
            news.deployments.iter().map(|it| it.id).collect::<Vec<_>>(),
            [second.id]
        );
        assert_eq!(news.generation, second.generation);
    })
    .await;
}

#[tokio::test]
async fn a_changed_environment_comes_with_all_its_deployments() {
    on_every_database(|database| async move {
        let store = &database.store;
        let place = environment(store, "kong-eu", "kong").await;
        let one = agent(store, "one").await;
        let orders = create(store, Kind::Api, "orders", json!({})).await;
        put(store, desired(&orders, place, 1, "/orders")).await;
        let position = work(store, one, Generation(0)).await.generation;
        let mut transaction = begin(store).await;
        let spec = json!({"gatewayType": "kong", "mode": "read-only"});
        transaction
            .update_resource(Kind::Environment, place.0, None, &metadata("kong-eu", &[]), &spec)
            .await
            .expect("updated");
        transaction.commit().await.expect("committed");
        let news = work(store, one, position).await;
        assert_eq!(news.environments.len(), 1);
        assert_eq!(news.deployments.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn the_lease_that_moves_is_news_for_both_agents() {
    on_every_database(|database| async move {
        let store = &database.store;
        let place = environment(store, "kong-eu", "kong").await;
        let (one, two) = (agent(store, "one").await, agent(store, "two").await);
        claim(store, place, one, false).await;
        let start = work(store, one, Generation(0)).await;
        assert!(start.environments[0].fencing.is_some());
        let mut transaction = begin_at(store, after(2_000)).await;
        let wish = Claim {
            environment_id: place,
            agent_id: two,
            replicated: false,
            expires_at: after(9_000),
        };
        transaction
            .claim_lease(&wish)
            .await
            .expect("claimed")
            .expect("free");
        transaction.commit().await.expect("committed");
        let lost = work(store, one, start.generation).await;
        assert_eq!(lost.environments[0].fencing, None);
        let won = work(store, two, start.generation).await;
        assert!(won.environments[0].fencing > start.environments[0].fencing);
    })
    .await;
}

#[tokio::test]
async fn the_end_of_an_environment_reaches_agents_that_were_away() {
    on_every_database(|database| async move {
        let store = &database.store;
        let place = environment(store, "kong-eu", "kong").await;
        let one = agent(store, "one").await;
        let orders = create(store, Kind::Api, "orders", json!({})).await;
        put(store, desired(&orders, place, 1, "/orders")).await;
        let resource = store
            .resource(Kind::Environment, &name("kong-eu"))
            .await
            .expect("a read")
            .expect("one");
        let mut transaction = begin(store).await;
        let open = transaction
            .create_discovery(&resource, &Default::default(), false)
            .await
            .expect("asked");
        transaction.commit().await.expect("committed");
        let position = work(store, one, Generation(0)).await.generation;
        let mut transaction = begin(store).await;
        transaction
            .delete_resource(Kind::Environment, place.0, None)
            .await
            .expect("deleted");
        transaction.commit().await.expect("committed");
        for position in [position, Generation(0)] {
            let news = work(store, one, position).await;
            assert_eq!(news.environments[0].id, place);
            assert_eq!(news.environments[0].spec, None);
            assert!(news.deployments.is_empty());
        }
        let ended = store
            .discovery(open.id)
            .await
            .expect("a read")
            .expect("a discovery");
        assert_eq!(
            (ended.state, ended.finished_at),
            (DiscoveryState::Failed, Some(NOW))
        );
        // The name is free again, and another identity.
        assert_ne!(environment(store, "kong-eu", "kong").await, place);
    })
    .await;
}

#[tokio::test]
async fn positions_that_cannot_be_continued_from_are_refused() {
    on_every_database(|database| async move {
        let store = &database.store;
        let place = environment(store, "kong-eu", "kong").await;
        let one = agent(store, "one").await;
        let position = work(store, one, Generation(0)).await.generation;
        let future = store.work(one, &kong(), Generation(position.0 + 1), NOW).await;
        assert!(
            matches!(future, Err(StoreError::PositionTooOld { .. })),
            "a restored database is behind"
        );
        let mut transaction = begin(store).await;
        transaction
            .delete_resource(Kind::Environment, place.0, None)
            .await
            .expect("deleted");
        transaction.commit().await.expect("committed");
        let seen = work(store, one, position).await.generation;
        let mut transaction = begin_at(store, after(10)).await;
        assert_eq!(transaction.forget_ended(after(5)).await.expect("forgotten"), 1);
        transaction.commit().await.expect("committed");
        let past = store.work(one, &kong(), position, NOW).await;
        assert!(
            matches!(past, Err(StoreError::PositionTooOld { .. })),
            "it may not know of the end"
        );
        assert!(!work(store, one, seen).await.has_news());
        assert!(work(store, one, Generation(0)).await.environments.is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_removal_is_told_until_it_is_confirmed() {
    on_every_database(|database| async move {
        let store = &database.store;
        let place = environment(store, "local", "kong").await;
        let one = agent(store, "one").await;
        let orders = create(store, Kind::Api, "orders", json!({})).await;
        let placed = put(store, desired(&orders, place, 1, "/orders")).await;
        let position = work(store, one, Generation(0)).await.generation;
        let mut transaction = begin(store).await;
        transaction
            .request_removal(placed.id, &[], &DeploymentTerms::default())
            .await
            .expect("asked");
        transaction.commit().await.expect("committed");
        for position in [position, Generation(0)] {
            let told = work(store, one, position).await.deployments;
            assert!(matches!(told[0].desired, Desired::Absent(_)));
        }
        let mut transaction = begin(store).await;
        transaction.remove_deployment(placed.id).await.expect("removed");
        transaction.commit().await.expect("committed");
        assert!(work(store, one, Generation(0)).await.deployments.is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_discovery_has_one_runner_and_is_told_until_it_ends() {
    on_every_database(|database| async move {
        let store = &database.store;
        let place = environment(store, "local", "kong").await;
        let (one, two) = (agent(store, "one").await, agent(store, "two").await);
        claim(store, place, one, true).await;
        claim(store, place, two, true).await;
        let position = work(store, one, Generation(0)).await.generation;
        let resource = store
            .resource(Kind::Environment, &name("local"))
            .await
            .expect("a read")
            .expect("one");
        let mut transaction = begin(store).await;
        let discovery = transaction
            .create_discovery(&resource, &Default::default(), false)
            .await
            .expect("asked");
        transaction.commit().await.expect("committed");
        let news = work(store, one, position).await;
        assert!(news.has_news());
        assert_eq!(news.discoveries[0].discovery.id, discovery.id);
        assert!(work(store, two, position).await.discoveries.is_empty());
        let again = work(store, one, news.generation).await;
        assert!(!again.has_news(), "it is listed, but nothing is new");
        assert_eq!(again.discoveries.len(), 1);
        // The first gateway is gone: the second one takes over.
        let later = store
            .work(two, &kong(), position, after(500))
            .await
            .expect("work");
        assert!(later.discoveries.is_empty());
        let mut transaction = begin(store).await;
        transaction.release_leases(one).await.expect("released");
        transaction.commit().await.expect("committed");
        assert_eq!(work(store, two, position).await.discoveries.len(), 1);
    })
    .await;
}
