//! Measurements, run by hand: `cargo test --release -p gatehouse-control-plane-server --test agent_api -- --ignored --nocapture`
#![expect(clippy::print_stdout, reason = "a measurement says what it measured")]

use std::time::{Duration, Instant};

use gatehouse_control_plane_api::agent::DiscoveryOutcome;
use gatehouse_schemas::{canonical::Fingerprint, identity::DiscoveryId, observed::DiscoveredItem};
use serde_json::json;

use crate::{
    agent::{Agent, LONG, deployed},
    discovering::{discovery, found},
    harness::{ControlPlane, api, check, descriptor},
};

#[tokio::test]
#[ignore = "a measurement, not a test"]
async fn how_long_from_deploy_to_work_with_500_deployments() {
    check(|control_plane| async move {
        control_plane.with_environment("local", "read-write").await;
        let apis: Vec<_> = (0..500)
            .map(|number| api(&format!("api-{number}"), &format!("/api/{number}")))
            .collect();
        control_plane.apply(json!(apis)).await;
        for number in 0..500 {
            control_plane
                .deploy(&format!("api-{number}"), "local")
                .await
                .expect(202);
        }
        let agent = Agent::start(&control_plane, descriptor()).await;
        let began = Instant::now();
        let mut position = agent.work(0).await.generation.0;
        println!("everything (500 deployments): {:?}", began.elapsed());
        let mut delivered = Vec::new();
        let mut reported = Vec::new();
        for round in 0..100 {
            control_plane
                .apply(json!([api("api-7", &format!("/changed/{round}"))]))
                .await;
            let (began, deploy) = (Instant::now(), control_plane.deploy("api-7", "local"));
            let (work, _) = tokio::join!(agent.try_work(position, LONG), deploy);
            delivered.push(began.elapsed());
            let work = work.expect("work");
            position = work.generation.0;
            let (deployment, began) = (&work.deployments[0], Instant::now());
            agent.report(deployment, deployed(deployment)).await;
            reported.push(began.elapsed());
        }
        for (what, mut times) in [("deploy to work", delivered), ("fencing and report", reported)] {
            times.sort();
            let mean = times.iter().sum::<Duration>() / 100;
            println!("{what}: mean {mean:?}, p50 {:?}, p99 {:?}", times[50], times[98]);
        }
    })
    .await;
}

#[tokio::test]
#[ignore = "a measurement, not a test"]
async fn how_long_a_discovery_of_10_000_apis_takes_to_end() {
    check(|control_plane| async move {
        control_plane.with_environment("local", "read-write").await;
        let agent = Agent::start(&control_plane, descriptor()).await;
        let items: Vec<DiscoveredItem> = (0..10_000).map(|number| at_version(number, 1)).collect();
        let changed: Vec<DiscoveredItem> = (0..10_000)
            .map(|number| at_version(number, if number % 100 == 0 { 2 } else { 1 }))
            .collect();
        let unchanged: Vec<DiscoveredItem> = items
            .iter()
            .map(|item| DiscoveredItem::Unchanged {
                external_ref: item.external_ref().clone(),
                name: item.name().to_owned(),
            })
            .collect();
        let first = timed(&control_plane, &agent, "all new", &items).await;
        let began = Instant::now();
        control_plane
            .post(&format!("discoveries/{first}/imports"), json!({}))
            .await
            .expect(201);
        println!("import of 10,000: {:?}", began.elapsed());
        timed(&control_plane, &agent, "not read again", &unchanged).await;
        timed(&control_plane, &agent, "read again, unchanged", &items).await;
        timed(&control_plane, &agent, "100 changed", &changed).await;
        timed(&control_plane, &agent, "nothing seen", &[]).await;
    })
    .await;
}

fn at_version(number: u32, version: u32) -> DiscoveredItem {
    let name = format!("Api {number}");
    let mut item = found(&format!("ref-{number:05}"), &name, &format!("/api-{number}"));
    if let DiscoveredItem::Api(api) = &mut item {
        api.version = Some(version.to_string());
        api.content.version = format!("v{version}");
        let operation = |index: u32| json!({"match": {"method": "GET", "path": format!("/things-{index}/{{id}}")}, "summary": "Reads a thing"});
        let operations: Vec<_> = (0..12).map(operation).collect();
        api.content.operations = serde_json::from_value(json!(operations)).expect("operations");
        api.fingerprint = Fingerprint::of(&api.content).expect("a fingerprint");
    }
    item
}

async fn timed(
    control_plane: &ControlPlane,
    agent: &Agent,
    what: &str,
    items: &[DiscoveredItem],
) -> DiscoveryId {
    let id = discovery(control_plane).await;
    let (began, mut pages) = (Instant::now(), 0);
    for items in items.chunks(500) {
        pages += 1;
        agent.page(id, pages, items).await;
    }
    let (sent, began) = (began.elapsed(), Instant::now());
    agent.complete(id, pages, DiscoveryOutcome::Complete).await;
    println!("{what}: {pages} pages {sent:?}, completion {:?}", began.elapsed());
    let read = control_plane.get(&format!("discoveries/{id}")).await.expect(200);
    println!("  {}", read["counts"]);
    id
}
