//! What somebody changes on AWS by hand is seen, told in few words, and put back.

use gatehouse_integration_tests::{
    aws::{Aws, STAGE},
    upstream::Upstream,
};
use reqwest::Method;
use serde_json::{Value, json};

use super::{KEY, World, orders, theirs};

/// A world with `orders` deployed: its id on AWS, and where an item of it is.
async fn deployed(mine: &Upstream) -> (World, String, String) {
    let world = World::start(Aws::fake().await).await;
    let url = world.deploy(&orders(mine)).await;
    let id = url
        .trim_end_matches(&format!("/{STAGE}"))
        .rsplit('/')
        .next()
        .unwrap()
        .to_owned();
    world.run("drift aws").await.expect_code(0).expect_said("in sync");
    (world, id, format!("{url}/items/1"))
}

impl World {
    /// Takes the stage out of its usage plan; AWS removes none that is in one.
    fn leave_plan(&self, id: &str) {
        let plans = self.aws.call("GET", "/usageplans", &Value::Null);
        let plan = format!("/usageplans/{}", plans["item"][0]["id"].as_str().unwrap());
        let stage = json!({"op": "remove", "path": "/apiStages", "value": format!("{id}:{STAGE}")});
        self.aws
            .call("PATCH", &plan, &json!({"patchOperations": [stage]}));
    }

    /// Drift is told with these words, and put back.
    async fn put_back(&self, told: &[&str]) {
        let mut drift = self.run("drift aws").await.expect_code(2);
        for words in told {
            drift = drift.expect_said(words);
        }
        self.run("drift resolve orders --env aws --revert")
            .await
            .expect_code(0);
        self.run("drift aws").await.expect_code(0).expect_said("in sync");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_keys_and_definitions_that_somebody_changes_are_put_back() {
    let mine = Upstream::start("mine").await;
    let (world, id, item) = deployed(&mine).await;
    let aws = &world.aws;

    let stage = format!("/restapis/{id}/stages/{STAGE}");
    let limit = json!({"op": "replace", "path": "/*/*/throttling/rateLimit", "value": "5"});
    aws.call("PATCH", &stage, &json!({"patchOperations": [limit]}));
    world.put_back(&["drifted   1", r#""requests":5"#]).await;

    // A key that is let out of the plan opens nothing any more.
    let plans = aws.call("GET", "/usageplans", &Value::Null);
    let plan = plans["item"][0]["id"].as_str().unwrap();
    let keys = aws.call("GET", &format!("/usageplans/{plan}/keys"), &Value::Null);
    let key = keys["item"][0]["id"].as_str().unwrap();
    aws.call("DELETE", &format!("/usageplans/{plan}/keys/{key}"), &Value::Null);
    assert_ne!(world.status(Method::GET, &item, &[KEY]).await, 200);
    world.put_back(&["/policies/0"]).await;
    assert_eq!(world.status(Method::GET, &item, &[KEY]).await, 200);

    // Another definition, deployed to the stage, opens everything.
    let open = theirs("orders", &mine, &[("get", "/items/{id}")]);
    aws.call("PUT", &format!("/restapis/{id}?mode=overwrite"), &open);
    world.run("drift aws").await.expect_code(0);
    aws.redeploy(&id, STAGE);
    assert_eq!(world.status(Method::GET, &item, &[]).await, 200);
    world.put_back(&["/policies", "/operations"]).await;
    assert_eq!(world.status(Method::GET, &item, &[]).await, 401);
    assert_eq!(world.status(Method::GET, &item, &[KEY]).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stage_and_an_api_that_somebody_removes_are_made_anew() {
    let mine = Upstream::start("mine").await;
    let (world, id, item) = deployed(&mine).await;
    world.leave_plan(&id);
    let stage = format!("/restapis/{id}/stages/{STAGE}");
    world.aws.call("DELETE", &stage, &Value::Null);
    world.put_back(&["missing"]).await;
    assert_eq!(
        world.status(Method::GET, &item, &[KEY]).await,
        200,
        "at the same URL"
    );
    assert_eq!(world.status(Method::GET, &item, &[]).await, 401);

    let plans = world.aws.call("GET", "/usageplans", &Value::Null);
    let plan = format!("/usageplans/{}", plans["item"][0]["id"].as_str().unwrap());
    let stage = json!({"op": "remove", "path": "/apiStages", "value": format!("{id}:{STAGE}")});
    world
        .aws
        .call("PATCH", &plan, &json!({"patchOperations": [stage]}));
    world.aws.call("DELETE", &format!("/restapis/{id}"), &Value::Null);
    world.put_back(&["missing"]).await;
    let shown = world.cli.json("get deployments orders/aws").await;
    let url = shown["endpointUrls"][0].as_str().unwrap();
    assert_eq!(
        world.status(Method::GET, &format!("{url}/items/1"), &[KEY]).await,
        200
    );
    assert_ne!(item, format!("{url}/items/1"), "AWS gives it another id");
}
