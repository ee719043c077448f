//! What other people made on AWS moves to the native gateway with its traffic; adopted before, it leaves AWS.

use gatehouse_integration_tests::{
    aws::{Aws, STAGE},
    gateway::Gateway,
    stack::{environment, join_token, secret},
    upstream::Upstream,
};
use reqwest::Method;
use serde_json::{Value, json};

use super::{World, pairs, theirs};

/// The key that others gave to their consumer.
const THEIR_KEY: (&str, &str) = ("x-api-key", "a-key-that-others-gave-to-till");

impl World {
    /// A REST API that only those with a key may call; its id.
    fn protected(&self, upstream: &Upstream) -> String {
        let mut document = theirs("shop", upstream, &[("get", "/items/{id}"), ("post", "/items")]);
        document["components"]["securitySchemes"]["api_key"] =
            json!({"type": "apiKey", "name": "x-api-key", "in": "header"});
        for (path, method) in [("/items/{id}", "get"), ("/items", "post")] {
            document["paths"][path][method]["security"] = json!([{"api_key": []}]);
        }
        let id = self.aws.make(&document, STAGE);
        let plan = json!({"name": "gold", "apiStages": [{"apiId": id, "stage": STAGE}]});
        let plan = self.aws.call("POST", "/usageplans", &plan);
        let key = json!({"name": "till", "enabled": true, "value": THEIR_KEY.1});
        let key = self.aws.call("POST", "/apikeys", &key);
        let path = format!("/usageplans/{}/keys", plan["id"].as_str().unwrap());
        self.aws
            .call("POST", &path, &json!({"keyId": key["id"], "keyType": "API_KEY"}));
        id
    }

    /// The native gateway, which is the environment `local`.
    async fn native(&self) -> Gateway {
        let native = environment("local", "native", "read-write");
        self.admin.apply(json!([native])).await;
        let token = join_token(&self.admin, "native").await;
        let folder = self.folder.path().join("gateway");
        Gateway::start(&self.control_plane.url(), &token, folder).await
    }

    /// Takes what is found into the catalog: all of it is new.
    async fn imported<const COUNT: usize>(&self, names: [&str; COUNT]) {
        let (id, found) = self.found().await;
        assert_eq!(found, pairs(names.map(|name| (name, "new"))));
        self.cli.ok(&format!("import {id} --all")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_made_moves_to_the_native_gateway_with_its_traffic() {
    let world = World::start(Aws::fake().await).await;
    let upstream = Upstream::start("shop").await;
    let id = world.protected(&upstream);
    let gateway = world.native().await;
    let on_aws = traffic(&world.aws.url_of(&id)).await;
    // Keys never leave the agent: whoever imports says what they are.
    world
        .admin
        .apply(json!([secret("shop-till-key", THEIR_KEY.1)]))
        .await;
    world.imported(["shop"]).await;
    let imported = world.admin.get("/apis/shop").await.to_string();
    assert!(!imported.contains(THEIR_KEY.1), "{imported}");

    let before = world.aws.everything();
    world
        .run("move shop --from aws --to local --plan")
        .await
        .expect_code(0)
        .expect_said("deploy shop in local");
    world
        .run("move shop --from aws --to local")
        .await
        .expect_code(0)
        .expect_said("`shop` stays in `aws`: Gatehouse did not deploy it there; adopt it first");
    assert_eq!(world.aws.everything(), before);
    assert_eq!(traffic(&gateway.url("/shop")).await, on_aws);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_adopted_leaves_aws_when_it_moves() {
    let world = World::start(Aws::fake().await).await;
    let upstream = Upstream::start("theirs").await;
    let stays = theirs("stays", &upstream, &[("get", "/items/{id}")]);
    world.aws.make(&stays, STAGE);
    let before = world.aws.everything();
    let id = world.aws.make(
        &theirs("legacy", &upstream, &[("get", "/items/{id}"), ("post", "/items")]),
        STAGE,
    );
    let gateway = world.native().await;
    world.imported(["legacy", "stays"]).await;
    let on_aws = traffic(&world.aws.url_of(&id)).await;

    world
        .run("adopt legacy --env aws --plan")
        .await
        .expect_code(0)
        .expect_said("which is not marked as ours yet");
    world.cli.ok("adopt legacy --env aws").await;
    assert_eq!(traffic(&world.aws.url_of(&id)).await, on_aws);
    world
        .run("move legacy --from aws --to local")
        .await
        .expect_code(0);
    assert_eq!(traffic(&gateway.url("/legacy")).await, on_aws);
    assert_eq!(world.aws.everything(), before);
}

/// How requests are answered, and what the upstream gets of them.
async fn traffic(api: &str) -> Vec<Value> {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let key = Some(THEIR_KEY);
    let mut seen = Vec::new();
    for (method, path, header) in [
        (Method::GET, "/items/1?page=2", key),
        (Method::GET, "/items/a%20b", key),
        (Method::POST, "/items", key),
        (Method::GET, "/items/1", None),
        (
            Method::GET,
            "/items/1",
            Some((THEIR_KEY.0, "another-key-of-some-length")),
        ),
        (Method::GET, "/items/1/2", key),
        (Method::PUT, "/items/1", key),
        (Method::GET, "/elsewhere", key),
    ] {
        let mut request = http.request(method.clone(), format!("{api}{path}"));
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        let answer = request.send().await.unwrap();
        // AWS refuses with 403 whoever has no key and whoever asks for what is not there.
        let outcome = match answer.status().as_u16() {
            401 | 403 | 404 | 405 => "refused".to_owned(),
            status => status.to_string(),
        };
        let told: Value = answer.json().await.unwrap_or_default();
        let of_upstream = json!([told["upstream"], told["method"], told["path"], told["query"]]);
        let request = format!("{method} {path} {header:?}");
        seen.push(json!({"request": request, "outcome": outcome, "upstream": of_upstream}));
    }
    seen
}
