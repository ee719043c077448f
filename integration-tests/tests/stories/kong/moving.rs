//! What other people made on a Kong moves to the native gateway with its traffic; adopted before, it leaves Kong.

use gatehouse_fake_kong::FakeKongOptions;
use gatehouse_integration_tests::{
    gateway::Gateway,
    kong::Kong,
    stack::{environment, join_token, secret},
    upstream::Upstream,
    wait,
};
use reqwest::Method;
use serde_json::{Value, json};

use super::{World, discovering::pairs, on_kongs};

on_kongs! {
    what_others_made_moves_to_the_native_gateway_with_its_traffic
    what_was_adopted_leaves_kong_when_it_moves
}

/// The key that others gave to their consumer.
const THEIR_KEY: (&str, &str) = ("apikey", "a-key-that-others-gave");

impl World {
    /// A service that only those with a key may call, on the routes of its operations.
    async fn protected(&self, upstream: &Upstream) {
        let kong = &self.kong;
        let service = json!({"name": "shop", "url": format!("{}/v1", upstream.url())});
        let service = kong.make("/services", &service).await;
        let routes = [
            json!({"name": "read", "methods": ["GET"], "paths": ["~/shop/items/(?<id>[^/]+)$"], "strip_path": false}),
            json!({"name": "write", "methods": ["POST"], "paths": ["~/shop/items$"], "strip_path": false}),
        ];
        for route in routes {
            kong.make(&format!("/services/{service}/routes"), &route).await;
        }
        let plugins = [
            json!({"name": "key-auth", "config": {"key_names": ["apikey"], "key_in_query": false, "hide_credentials": true}}),
            json!({"name": "response-transformer", "config": {"append": {"headers": ["x-shop:open"]}}}),
        ];
        for plugin in plugins {
            kong.make(&format!("/services/{service}/plugins"), &plugin).await;
        }
        kong.make("/consumers", &json!({"username": "till"})).await;
        kong.make("/consumers/till/key-auth", &json!({"key": THEIR_KEY.1}))
            .await;
        wait::until_true("the proxy serves the shop", async || {
            let opened = kong.consume(Method::GET, "/shop/items/1", &[THEIR_KEY]).await;
            let closed = kong.consume(Method::GET, "/shop/items/1", &[]).await;
            opened.headers().get("x-shop").is_some() && opened.status() == 200 && closed.status() == 401
        })
        .await;
    }

    /// The native gateway, which is the environment `local`.
    async fn native(&self) -> Gateway {
        let native = environment("local", "native", "read-write");
        self.admin.apply(json!([native])).await;
        let token = join_token(&self.admin, "native").await;
        let folder = self.folder.path().join("gateway");
        Gateway::start(&self.control_plane.url(), &token, folder).await
    }

    /// The secret that the key of the consumer `till` is known by.
    async fn keyed(&self) {
        let secret = secret("shop-till-key", THEIR_KEY.1);
        self.admin.apply(json!([secret])).await;
    }

    /// Takes what is found into the catalog: all of it is new.
    async fn imported<const COUNT: usize>(&self, names: [&str; COUNT]) {
        let (id, found) = self.found().await;
        assert_eq!(found, pairs(names.map(|name| (name, "new"))));
        self.cli.ok(&format!("import {id} --all")).await;
    }
}

async fn what_others_made_moves_to_the_native_gateway_with_its_traffic(kong: Kong) {
    let world = World::start(kong).await;
    let upstream = Upstream::start("shop").await;
    world.protected(&upstream).await;
    let gateway = world.native().await;
    let on_kong = traffic(&world.kong.proxy_url).await;
    // Keys never leave the agent: whoever imports says what they are.
    world.keyed().await;
    world.imported(["shop"]).await;
    let imported = world.admin.get("/apis/shop").await.to_string();
    assert!(!imported.contains(THEIR_KEY.1), "{imported}");

    let before = world.kong.everything().await;
    world
        .run("move shop --from kong --to local --plan")
        .await
        .expect_code(0)
        .expect_said("deploy shop in local");
    world
        .run("move shop --from kong --to local")
        .await
        .expect_code(0)
        .expect_said("`shop` stays in `kong`: Gatehouse did not deploy it there; adopt it first");
    assert_eq!(world.kong.everything().await, before);
    assert_eq!(traffic(&gateway.url("")).await, on_kong);
}

async fn what_was_adopted_leaves_kong_when_it_moves(kong: Kong) {
    let world = World::start(kong).await;
    let upstream = Upstream::start("theirs").await;
    world.theirs("billing", &upstream).await;
    let before = world.kong.everything().await;
    world.theirs("legacy", &upstream).await;
    let gateway = world.native().await;
    world.imported(["billing", "legacy"]).await;
    let on_kong = answered(&world.kong.proxy_url).await;

    world
        .run("adopt legacy --env kong --plan")
        .await
        .expect_code(0)
        .expect_said("which is not marked as ours yet");
    world.cli.ok("adopt legacy --env kong").await;
    assert_eq!(answered(&world.kong.proxy_url).await, on_kong);
    let services = world.kong.list("services").await;
    assert_eq!(services.len(), 2, "it takes the place of theirs: {services:#?}");

    world
        .run("move legacy --from kong --to local")
        .await
        .expect_code(0);
    assert_eq!(answered(&gateway.url("")).await, on_kong);
    assert_eq!(world.kong.everything().await, before);
}

/// Status, header, and path at the upstream.
async fn answered(gateway: &str) -> (u16, bool, Value) {
    let answer = reqwest::get(format!("{gateway}/legacy/things/1")).await.unwrap();
    let (status, header) = (
        answer.status().as_u16(),
        answer.headers().get("x-theirs").is_some(),
    );
    let told: Value = answer.json().await.unwrap();
    (status, header, told["path"].clone())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "Kong takes a key once, and their consumer has it: adopting a service whose callers have keys is refused as a conflict"]
async fn a_service_with_keys_is_adopted_with_its_callers() {
    let world = World::start(Kong::fake(FakeKongOptions::default()).await).await;
    let upstream = Upstream::start("shop").await;
    world.protected(&upstream).await;
    let before = traffic(&world.kong.proxy_url).await;
    world.keyed().await;
    world.imported(["shop"]).await;
    world.cli.ok("adopt shop --env kong").await;
    assert_eq!(traffic(&world.kong.proxy_url).await, before);
}

/// How requests are answered, and what the upstream gets of them.
async fn traffic(gateway: &str) -> Vec<Value> {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let key = Some(THEIR_KEY);
    let mut seen = Vec::new();
    for (method, path, header) in [
        (Method::GET, "/shop/items/1?page=2", key),
        (Method::GET, "/shop/items/a%20b", key),
        (Method::POST, "/shop/items", key),
        (Method::GET, "/shop/items/1", None),
        (Method::GET, "/shop/items/1", Some((THEIR_KEY.0, "another"))),
        (Method::GET, "/shop/items/1/2", key),
        (Method::PUT, "/shop/items/1", key),
        (Method::GET, "/elsewhere", key),
    ] {
        let mut request = http.request(method.clone(), format!("{gateway}{path}"));
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        let answer = request.send().await.unwrap();
        // For a method that no operation has, the native gateway says 405 and which ones there are, and Kong 404.
        let status = match answer.status().as_u16() {
            405 => 404,
            status => status,
        };
        let opened = answer.headers().get("x-shop").is_some();
        let told: Value = answer.json().await.unwrap_or_default();
        let carries_key = told["headers"].get(THEIR_KEY.0).is_some();
        let of_upstream = json!([
            told["upstream"],
            told["method"],
            told["path"],
            told["query"],
            carries_key
        ]);
        let request = format!("{method} {path} {header:?}");
        // On refusals, gateways put headers of answers as they do; what the upstream answers must have them.
        let header = told["upstream"].is_string() && opened;
        seen.push(json!({"request": request, "status": status, "header": header, "upstream": of_upstream}));
    }
    seen
}
