//! Leases: one holder, fencing numbers that rise, and gateways that each have their own.

use gatehouse_control_plane_store::{Claim, Store};
use gatehouse_schemas::{
    identity::{AgentId, EnvironmentId, FencingNumber},
    resource::Kind,
    time::Timestamp,
};
use serde_json::json;

use crate::harness::{NOW, after, agent, begin, begin_at, environment, kong, on_every_database};

const LEASE: i64 = 15_000;

async fn claim(
    store: &Store,
    environment_id: EnvironmentId,
    agent_id: AgentId,
    replicated: bool,
    now: Timestamp,
) -> Option<FencingNumber> {
    let mut transaction = begin_at(store, now).await;
    let wish = Claim {
        environment_id,
        agent_id,
        replicated,
        expires_at: Timestamp(now.0 + LEASE),
    };
    let fencing = transaction.claim_lease(&wish).await.expect("claimed");
    transaction.commit().await.expect("committed");
    fencing
}

#[tokio::test]
async fn one_agent_holds_the_lease_until_it_ends() {
    on_every_database(|database| async move {
        let store = &database.store;
        let place = environment(store, "kong-eu", "kong").await;
        let (one, two) = (agent(store, "one").await, agent(store, "two").await);
        let first = claim(store, place, one, false, NOW).await.expect("free");
        let generation = store.generation().await.expect("a read");
        assert_eq!(claim(store, place, two, false, NOW).await, None);
        assert_eq!(claim(store, place, one, false, after(1_000)).await, Some(first));
        assert_eq!(
            claim(store, place, two, false, after(LEASE)).await,
            None,
            "it was renewed"
        );
        assert_eq!(
            store.generation().await.expect("a read"),
            generation,
            "a renewal is no news"
        );
        let second = claim(store, place, two, false, after(1_000 + LEASE))
            .await
            .expect("ended");
        assert!(second > first);
        assert!(store.generation().await.expect("a read") > generation);
        assert_eq!(claim(store, place, one, false, after(1_000 + LEASE)).await, None);
    })
    .await;
}

#[tokio::test]
async fn an_ended_lease_that_nobody_took_is_renewed_as_it_was() {
    on_every_database(|database| async move {
        let store = &database.store;
        let place = environment(store, "kong-eu", "kong").await;
        let one = agent(store, "one").await;
        let first = claim(store, place, one, false, NOW).await;
        assert_eq!(claim(store, place, one, false, after(10 * LEASE)).await, first);
    })
    .await;
}

#[tokio::test]
async fn gateways_of_their_own_each_have_a_lease() {
    on_every_database(|database| async move {
        let store = &database.store;
        let place = environment(store, "local", "kong").await;
        let (one, two) = (agent(store, "one").await, agent(store, "two").await);
        let first = claim(store, place, one, true, NOW).await.expect("its own");
        let second = claim(store, place, two, true, NOW).await.expect("its own");
        assert_ne!(first, second);
        assert_eq!(
            claim(store, place, one, true, after(10 * LEASE)).await,
            Some(first)
        );
        // The connector changed its mind: the leases of the other sort are void.
        let shared = claim(store, place, two, false, after(11 * LEASE))
            .await
            .expect("free");
        assert!(shared > second);
        let leases = store.leases_in(place).await.expect("a read");
        assert_eq!(
            leases.iter().map(|lease| lease.fencing).collect::<Vec<_>>(),
            [shared]
        );
    })
    .await;
}

#[tokio::test]
async fn revoking_and_releasing_free_the_lease_at_once() {
    on_every_database(|database| async move {
        let store = &database.store;
        let place = environment(store, "kong-eu", "kong").await;
        let (one, two) = (agent(store, "one").await, agent(store, "two").await);
        claim(store, place, one, false, NOW).await.expect("free");
        let mut transaction = begin(store).await;
        transaction.revoke_agent(one).await.expect("revoked");
        transaction.commit().await.expect("committed");
        claim(store, place, two, false, NOW).await.expect("free again");
        let mut transaction = begin(store).await;
        transaction.release_leases(two).await.expect("released");
        transaction.commit().await.expect("committed");
        assert!(store.all_leases().await.expect("a read").is_empty());
    })
    .await;
}

#[tokio::test]
async fn renewing_keeps_every_lease_of_an_agent_and_no_other() {
    on_every_database(|database| async move {
        let store = &database.store;
        let (here, there) = (
            environment(store, "a", "kong").await,
            environment(store, "b", "kong").await,
        );
        let (one, two) = (agent(store, "one").await, agent(store, "two").await);
        claim(store, here, one, false, NOW).await.expect("free");
        claim(store, there, two, false, NOW).await.expect("free");
        store
            .renew_leases(one, after(5), after(5 + LEASE))
            .await
            .expect("renewed");
        let ends: Vec<_> = store
            .all_leases()
            .await
            .expect("a read")
            .iter()
            .map(|lease| lease.expires_at)
            .collect();
        assert_eq!(ends, [after(5 + LEASE), after(LEASE)]);
        assert_eq!(
            store
                .agent(one)
                .await
                .expect("a read")
                .expect("an agent")
                .last_seen_at,
            Some(after(5))
        );
    })
    .await;
}

#[tokio::test]
async fn an_environment_of_another_gateway_type_is_free_for_its_agents() {
    on_every_database(|database| async move {
        let store = &database.store;
        let place = environment(store, "edge", "kong").await;
        let (before, now) = (agent(store, "before").await, agent(store, "now").await);
        claim(store, place, before, false, NOW).await.expect("free");
        let mut transaction = begin(store).await;
        let found = transaction.resource_by_id(Kind::Environment, place.0).await;
        let found = found.expect("a read").expect("an environment");
        for (settings, left) in [
            (json!({"gatewayType": "kong", "mode": "read-only"}), 1),
            (json!({"gatewayType": "aws"}), 0),
        ] {
            transaction
                .update_resource(Kind::Environment, place.0, None, &found.metadata, &settings)
                .await
                .expect("updated");
            assert_eq!(
                transaction.leases_in(place).await.expect("a read").len(),
                left,
                "{settings}"
            );
        }
        transaction.commit().await.expect("committed");
        claim(store, place, now, false, NOW)
            .await
            .expect("agents of the former type do not keep it by renewing their leases");
    })
    .await;
}

#[tokio::test]
async fn many_agents_renew_at_once_and_each_has_its_lease() {
    on_every_database(|database| async move {
        let store = &database.store;
        let place = environment(store, "kong-eu", "kong").await;
        let mut agents = Vec::new();
        let mut transaction = begin(store).await;
        for number in 0..500 {
            let name = format!("agent-{number}");
            let id = transaction
                .create_agent(&name, &kong(), "key")
                .await
                .expect("enrolled");
            let wish = Claim {
                environment_id: place,
                agent_id: id,
                replicated: true,
                expires_at: after(1_000),
            };
            transaction.claim_lease(&wish).await.expect("claimed");
            agents.push(id);
        }
        transaction.commit().await.expect("committed");
        let (renewing, silent) = agents.split_at(490);
        let renewals = renewing
            .iter()
            .map(|id| store.renew_leases(*id, after(500), after(5_000)));
        for renewed in futures_util::future::join_all(renewals).await {
            renewed.expect("renewed");
        }
        let leases = store.leases_in(place).await.expect("leases");
        assert_eq!(leases.len(), 500);
        for lease in leases {
            let end = if silent.contains(&lease.agent_id) {
                1_000
            } else {
                5_000
            };
            assert_eq!(lease.expires_at, after(end));
        }
        let heard = store.agent(renewing[0]).await.expect("read").expect("an agent");
        assert_eq!(heard.last_seen_at, Some(after(500)));
    })
    .await;
}
