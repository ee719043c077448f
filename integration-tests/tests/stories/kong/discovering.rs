//! What other people made on a Kong is found, taken into the catalog, and moved to the native gateway with its traffic.

use gatehouse_integration_tests::{
    gateway::Gateway,
    kong::Kong,
    stack::{environment, join_token, secret},
    upstream::Upstream,
};
use reqwest::Method;
use serde_json::{Value, json};

use super::{World, on_kongs};

on_kongs! {
    what_others_made_is_found_imported_and_known_from_then_on
    what_others_made_moves_to_the_native_gateway_with_its_traffic
}

/// The key that others gave to their consumer.
const THEIR_KEY: (&str, &str) = ("apikey", "a-key-that-others-gave");

impl World {
    /// Discovers, and gives the discovery's id and class, name and message of each finding.
    async fn found(&self) -> (String, Vec<(String, String)>) {
        let shown = self.cli.json("discover kong --wait").await;
        let id = shown["discovery"]["id"].as_str().unwrap().to_owned();
        let text = |item: &Value, field: &str| item[field].as_str().unwrap_or_default().to_owned();
        let items = shown["items"].as_array().unwrap().iter();
        let mut found: Vec<_> = items
            .map(|item| (text(item, "name"), text(item, "class")))
            .collect();
        found.sort();
        (id, found)
    }

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
        gatehouse_integration_tests::wait::until_true("the proxy serves the shop", async || {
            let answer = kong.consume(Method::GET, "/shop/items/1", &[THEIR_KEY]).await;
            answer.status() == 200
        })
        .await;
    }
}

fn pairs<const COUNT: usize>(pairs: [(&str, &str); COUNT]) -> Vec<(String, String)> {
    pairs
        .map(|(name, class)| (name.to_owned(), class.to_owned()))
        .into()
}

async fn what_others_made_is_found_imported_and_known_from_then_on(kong: Kong) {
    let world = World::start(kong).await;
    let upstream = Upstream::start("theirs").await;
    world.theirs("billing", &upstream).await;
    let legacy = world.theirs("legacy", &upstream).await;
    let before = world.kong.everything().await;

    let (id, found) = world.found().await;
    assert_eq!(found, pairs([("billing", "new"), ("legacy", "new")]));
    assert_eq!(
        world.cli.ok("get apis -o name").await.trim(),
        "",
        "looking imports nothing"
    );
    world.cli.ok(&format!("import {id} --all")).await;
    let imported = world.admin.get("/apis/legacy").await;
    assert_eq!(imported["spec"]["basePath"], "/legacy");
    assert_eq!(imported["spec"]["upstreams"]["main"]["url"], upstream.url());
    assert_eq!(
        imported["spec"]["policies"],
        json!([{"type": "headers", "with": {"response": {"add": {"x-theirs": "yes"}}}}]),
    );
    let (_, found) = world.found().await;
    assert_eq!(found, pairs([("billing", "unchanged"), ("legacy", "unchanged")]));
    assert_eq!(
        world.kong.everything().await,
        before,
        "nothing of this changes anything on Kong"
    );

    // Changed there, and gone there.
    world
        .kong
        .change(&format!("/services/{legacy}"), &json!({"path": "/v2"}))
        .await;
    let (id, found) = world.found().await;
    assert_eq!(found, pairs([("billing", "unchanged"), ("legacy", "changed")]));
    world
        .run(&format!("discoveries show {id}"))
        .await
        .expect_code(0)
        .expect_said("/v2");
    let routes = world.kong.list("routes").await;
    let of_billing = routes
        .iter()
        .find(|route| route["paths"][0] == "/billing")
        .unwrap();
    let path = format!("/routes/{}", of_billing["id"].as_str().unwrap());
    world.kong.call(Method::DELETE, &path, None).await;
    let (id, found) = world.found().await;
    assert_eq!(found, pairs([("billing", "error"), ("legacy", "changed")]));
    world
        .run(&format!("discoveries show {id}"))
        .await
        .expect_said("service `billing` has no route, so nobody can reach it");
}

async fn what_others_made_moves_to_the_native_gateway_with_its_traffic(kong: Kong) {
    let world = World::start(kong).await;
    let upstream = Upstream::start("shop").await;
    world.protected(&upstream).await;
    let native = environment("local", "native", "read-write");
    world.admin.apply(json!([native])).await;
    let token = join_token(&world.admin, "native").await;
    let folder = world.folder.path().join("gateway");
    let gateway = Gateway::start(&world.control_plane.url(), &token, folder).await;

    let on_kong = traffic(&world.kong.proxy_url).await;
    let (id, found) = world.found().await;
    assert_eq!(found, pairs([("shop", "new")]));
    // Keys never leave the agent: whoever imports says what they are.
    world
        .admin
        .apply(json!([secret("shop-till-key", THEIR_KEY.1)]))
        .await;
    world.cli.ok(&format!("import {id} --all")).await;
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
        .expect_said("`shop` stays in `kong`: Gatehouse did not deploy it there");
    assert_eq!(world.kong.everything().await, before);
    assert_eq!(traffic(&gateway.url("")).await, on_kong);

    // Adopted, it is the same to those who call, and a move takes it off Kong.
    world.cli.ok("adopt shop --env kong").await;
    assert_eq!(traffic(&world.kong.proxy_url).await, on_kong);
    world.run("move shop --from kong --to local").await.expect_code(0);
    assert_eq!(traffic(&gateway.url("")).await, on_kong);
    let answer = world
        .kong
        .consume(Method::GET, "/shop/items/1", &[THEIR_KEY])
        .await;
    assert_eq!(answer.status(), 404);
    let consumers = world.kong.list("consumers").await;
    assert_eq!(consumers.len(), 1, "the consumer of others stays: {consumers:#?}");
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
        let status = answer.status().as_u16();
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
