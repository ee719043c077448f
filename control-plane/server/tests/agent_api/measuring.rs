//! Measurements, run by hand: `cargo test --release -p gatehouse-control-plane-server --test agent_api -- --ignored --nocapture`

use std::time::{Duration, Instant};

use serde_json::json;

use crate::{
    agent::{Agent, LONG, deployed},
    harness::{api, check, descriptor},
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
