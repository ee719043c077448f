//! What somebody does on AWS is seen within seconds, without anybody looking for it: AWS tells of it.

use gatehouse_integration_tests::{
    aws::{Aws, REGION, STAGE},
    upstream::Upstream,
    wait,
};
use serde_json::{Value, json};

use super::{World, orders, theirs};

const QUEUE: &str = "changes";

/// A world whose environment names a queue that is told of every change, and wants discoveries.
async fn listening() -> World {
    let aws = Aws::fake().await;
    let arn = aws.as_fake().listen(REGION, QUEUE);
    let mut environment = aws.environment("aws");
    environment["spec"]["discovery"] = json!({});
    environment["spec"]["settings"]["eventQueueArn"] = json!(arn);
    environment["spec"]["settings"]["sqsEndpointUrl"] = json!(aws.as_fake().control_url());
    let world = World::start(aws).await;
    world.admin.apply(json!([environment])).await;
    world
        .run("env check aws")
        .await
        .expect_code(0)
        .expect_said("changes are heard of as they happen");
    world
}

impl World {
    /// What the newest discovery found, by name and class; nothing before it is complete. Nobody asks for one.
    async fn last_found(&self) -> Vec<(String, String)> {
        let listed = self.admin.get("/discoveries?limit=1").await;
        let newest = &listed["items"][0];
        if newest["state"] != "Complete" {
            return Vec::new();
        }
        let id = newest["id"].as_str().unwrap();
        let items = self.admin.get(&format!("/discoveries/{id}/items")).await;
        let text = |item: &Value, field: &str| item[field].as_str().unwrap_or_default().to_owned();
        let items = items["items"].as_array().unwrap().iter();
        items
            .map(|item| (text(item, "name"), text(item, "class")))
            .collect()
    }

    /// How `orders` stands, as the agent told last. Nobody asks for a look.
    async fn stands(&self) -> Value {
        let listed = self.admin.get("/drift?environment=aws").await;
        listed["items"][0].clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_make_and_change_is_seen_within_seconds() {
    let (mine, another) = (Upstream::start("mine").await, Upstream::start("another").await);
    let world = listening().await;

    world
        .aws
        .make(&theirs("stock", &another, &[("get", "/stock/{id}")]), STAGE);
    wait::until_true("what somebody made is discovered", async || {
        let found = world.last_found().await;
        found.contains(&("stock".to_owned(), "new".to_owned()))
    })
    .await;

    let url = world.deploy(&orders(&mine)).await;
    let before = url.trim_end_matches(&format!("/{STAGE}"));
    let id = before.rsplit('/').next().unwrap();
    // Forged and senseless messages are no obstacle.
    for body in [
        "",
        "{\"detail\": {\"eventSource\": \"apigateway.amazonaws.com\"}}",
    ] {
        world.aws.as_fake().send(REGION, QUEUE, body);
    }
    let limit = json!({"op": "replace", "path": "/*/*/throttling/rateLimit", "value": "5"});
    let stage = format!("/restapis/{id}/stages/{STAGE}");
    world
        .aws
        .call("PATCH", &stage, &json!({"patchOperations": [limit]}));
    wait::until_true("the change is told as drift", async || {
        world.stands().await.to_string().contains(r#""requests":5"#)
    })
    .await;

    world
        .run("drift resolve orders --env aws --revert")
        .await
        .expect_code(0);
    wait::until_true("all messages are read", async || {
        world.aws.as_fake().messages(REGION, QUEUE) == 0
    })
    .await;
}
