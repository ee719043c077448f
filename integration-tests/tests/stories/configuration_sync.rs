//! Changes on their way to a gateway: what it cannot serve is told where people look, keeps what was there, and leaves
//! its siblings alone.

use gatehouse_integration_tests::{
    admin::condition,
    database::Database,
    stack::{Stack, api, api_key_policy, secret},
    upstream::Upstream,
    wait,
};
use serde_json::{Value, json};

super::on_both_databases! {
    a_change_that_cannot_be_served_keeps_what_was_there_and_holds_up_nobody
}

/// An API with an authority whose text is a certificate's and whose content is none: only the gateway finds out.
fn unusable(upstream: &str) -> Value {
    let authority = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let mut document = api("guarded", upstream);
    document["spec"]["policies"] = json!([
        {"type": "auth.mtls", "with": {"authorities": [authority]}},
    ]);
    document
}

fn guarded(upstream: &str) -> Value {
    let mut document = api("guarded", upstream);
    document["spec"]["policies"] = json!([api_key_policy("clerk", "clerk-key")]);
    document
}

/// Waits until the deployment has failed in this generation.
async fn failed(stack: &Stack, asked: &Value) -> Value {
    let path = format!("/deployments/{}", asked["id"].as_str().unwrap());
    let generation = asked["generation"].as_u64().unwrap();
    wait::until("the deployment has failed", async || {
        let now = stack.admin.get(&path).await;
        let observed = now["observedGeneration"].as_u64().unwrap_or_default();
        match now["phase"] == "Failed" && observed >= generation {
            true => Ok(now),
            false => Err(format!("{now:#}")),
        }
    })
    .await
}

/// Who answers: without a key nobody may.
async fn expect_guarded_by(stack: &Stack, upstream: &str) {
    assert_eq!(stack.gateway.call("/guarded/1").await.status(), 401);
    let answer = stack
        .gateway
        .call_with("/guarded/1", "x-api-key", "a-long-enough-key")
        .await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["x-upstream"], upstream);
}

async fn a_change_that_cannot_be_served_keeps_what_was_there_and_holds_up_nobody(database: Database) {
    let mut stack = Stack::start(database).await;
    let (first, second) = (Upstream::start("first").await, Upstream::start("second").await);
    stack
        .admin
        .apply(json!([
            secret("clerk-key", "a-long-enough-key"),
            guarded(&first.url()),
            api("sibling", &first.url()),
        ]))
        .await;
    stack.admin.deploy_and_wait("guarded", None, "local").await;
    stack.admin.deploy_and_wait("sibling", None, "local").await;
    expect_guarded_by(&stack, "first").await;

    stack
        .admin
        .apply(json!([unusable(&second.url()), api("sibling", &second.url())]))
        .await;
    let asked = stack.admin.deploy("guarded", None, "local").await;
    stack.admin.deploy_and_wait("sibling", None, "local").await;
    let now = failed(&stack, &asked).await;
    let (status, _, message) = condition(&now, "Deployed");
    assert_eq!(status, "False", "{now:#}");
    assert!(message.contains("auth.mtls"), "{message}");
    let sibling = stack.gateway.call("/sibling/1").await;
    assert_eq!(sibling.headers()["x-upstream"], "second");
    expect_guarded_by(&stack, "first").await;

    // What was there before is on disk, too; it is served before anybody is asked.
    stack.control_plane.kill();
    stack.gateway.kill();
    stack.gateway.restart().await;
    expect_guarded_by(&stack, "first").await;
    stack.control_plane.restart().await;

    stack.admin.apply(json!([guarded(&second.url())])).await;
    stack.admin.deploy_and_wait("guarded", None, "local").await;
    expect_guarded_by(&stack, "second").await;
}
