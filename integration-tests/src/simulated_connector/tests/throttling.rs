//! Quotas: kept, and where they are exceeded all the same, nobody hears of it.

use std::time::Instant;

use gatehouse_connector_sdk::{connector::Connector, scheduler::Scheduler};
use gatehouse_control_plane_api::agent::Priority;
use gatehouse_schemas::quota::shortest_ms;
use serde_json::{Map, json};

use super::world::{World, desired, key_required, size_limit};

fn scheduled(world: &mut World) {
    let scheduler = Scheduler::new(world.connector.descriptor());
    let quotas = scheduler.quotas(
        world.context.environment.id,
        &Map::new(),
        Priority::Normal,
        world.context.cancellation.clone(),
    );
    world.with_quotas(quotas);
}

#[tokio::test]
async fn work_takes_as_long_as_the_quotas_say_and_no_longer_than_needed() {
    let mut world = World::start_with(20).await;
    scheduled(&mut world);
    world
        .deploy(&desired(1, 1, json!([key_required()])))
        .await
        .unwrap();
    let began = Instant::now();
    for revision in 2..=4 {
        let desired = desired(1, revision, json!([key_required(), size_limit(revision)]));
        world.deploy(&desired).await.unwrap();
    }
    // Three snapshots, one per 5 s divided by 20, and the first bucket was empty.
    let calls = [("CreateDeployment".to_owned(), 4)].into();
    let floor = shortest_ms(&calls, &world.connector.descriptor().quotas);
    let took = u64::try_from(began.elapsed().as_millis()).unwrap();
    assert!(took + 300 >= floor, "{took} ms, at least {floor} ms");
    world.assert_sound().await;
}

#[tokio::test]
async fn a_call_that_was_refused_for_its_rate_is_made_again() {
    let mut world = World::start().await;
    // This connector believes in no quotas, and the vendor imposes them.
    scheduled(&mut world);
    world.tell("behaviour", json!({"quotaDivisor": 20})).await;
    for api in 1..=3 {
        world
            .deploy(&desired(api, 1, json!([key_required()])))
            .await
            .unwrap();
    }
    let counters = world.look("counters").await;
    assert!(
        counters["CreateApi"]["throttled"].as_u64().unwrap() > 0,
        "{counters}"
    );
    assert_eq!(world.objects().await.len(), 3);
    world.assert_sound().await;
}
