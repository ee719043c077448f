//! A Kong without a database: its configuration is loaded as a whole, and others load theirs, too.

use std::collections::BTreeMap;

use gatehouse_fake_kong::{Database, FakeKongOptions};
use gatehouse_integration_tests::{kong::Kong, upstream::Upstream, wait};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{KEY, World, orders, with_key};

impl World {
    /// Loads a file that has a service of others and nothing else.
    async fn loads_theirs(&self, upstream: &Upstream) {
        let file = json!({"_format_version": "3.0", "services": [{
            "name": "billing", "url": upstream.url(), "tags": ["theirs"],
            "routes": [{"name": "billing", "paths": ["/billing"]}],
            "plugins": [{"name": "response-transformer", "config": {"append": {"headers": ["x-theirs:yes"]}}}],
        }]});
        let (status, answer) = self.kong.call(Method::POST, "/config", Some(&file)).await;
        assert_eq!(status, StatusCode::CREATED, "{answer:#}");
    }

    /// What it holds, but when that was loaded.
    async fn loaded(&self) -> BTreeMap<String, Value> {
        let mut all = self.kong.everything().await;
        for fields in all.values_mut().filter_map(Value::as_object_mut) {
            fields.retain(|field, _| field != "created_at" && field != "updated_at");
        }
        all
    }

    async fn answers(&self, path: &str, headers: &[(&str, &str)]) -> u16 {
        self.kong
            .consume(Method::GET, path, headers)
            .await
            .status()
            .as_u16()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kong_without_a_database_keeps_what_others_loaded() {
    let options = FakeKongOptions {
        database: Database::Off,
        ..FakeKongOptions::default()
    };
    let world = World::start(Kong::fake(options).await).await;
    let (mine, other) = (Upstream::start("mine").await, Upstream::start("other").await);
    world.loads_theirs(&other).await;
    let before = world.loaded().await;
    world
        .run("env check kong")
        .await
        .expect_code(0)
        .expect_said("without a database (DB-less)");

    world.admin.apply(with_key(orders(&mine))).await;
    world.run("deploy orders --to kong --wait").await.expect_code(0);
    assert_eq!(world.answers("/orders/1", &[KEY]).await, 200);
    assert_eq!(world.answers("/orders/1", &[]).await, 401);
    assert_eq!(world.answers("/billing/1", &[]).await, 200);
    world.run("drift kong").await.expect_code(0);

    // Somebody loads the file they have: ours is gone, which is told and put right beside theirs.
    world.loads_theirs(&other).await;
    wait::until_true("the proxy follows", async || {
        world.answers("/orders/1", &[KEY]).await == 404
    })
    .await;
    world.run("drift kong").await.expect_code(2).expect_said("orders");
    world
        .run("drift resolve orders --env kong --revert")
        .await
        .expect_code(0);
    assert_eq!(world.answers("/orders/1", &[KEY]).await, 200);
    assert_eq!(world.answers("/billing/1", &[]).await, 200);

    world
        .run("undeploy orders --from kong --wait")
        .await
        .expect_code(0);
    assert_eq!(world.loaded().await, before);
}
