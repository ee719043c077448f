//! Going back: a deploy of an earlier revision, like any other deploy.

use gatehouse_integration_tests::{
    database::Database,
    stack::{Stack, api},
    upstream::Upstream,
};
use serde_json::json;

super::on_both_databases! {
    an_earlier_revision_is_deployed_like_any_other
}

async fn an_earlier_revision_is_deployed_like_any_other(database: Database) {
    let stack = Stack::start(database).await;
    let first = Upstream::start("first").await;
    let second = Upstream::start("second").await;

    stack.admin.apply(json!([api("orders", &first.url())])).await;
    stack.cli.ok("deploy orders --to local --wait").await;
    assert_eq!(answered_by(&stack).await, "first");

    let applied = stack.admin.apply(json!([api("orders", &second.url())])).await;
    assert_eq!(applied["results"][0]["revision"], 2);
    assert_eq!(
        answered_by(&stack).await,
        "first",
        "applying changes the catalog, not what runs"
    );

    stack.cli.ok("deploy orders --to local --wait").await;
    assert_eq!(answered_by(&stack).await, "second");

    stack.cli.ok("deploy orders@1 --to local --wait").await;
    assert_eq!(answered_by(&stack).await, "first");

    // Applying the same again makes no revision; deploying one that is not there is refused.
    let applied = stack.admin.apply(json!([api("orders", &second.url())])).await;
    assert_eq!(applied["results"][0]["action"], "unchanged");
    stack
        .cli
        .run(["deploy", "orders@3", "--to", "local"])
        .await
        .expect_code(6);
    assert_eq!(answered_by(&stack).await, "first");
}

async fn answered_by(stack: &Stack) -> String {
    let response = stack.gateway.call("/orders/1").await;
    assert_eq!(response.status(), 200);
    response.headers()["x-upstream"].to_str().unwrap().to_owned()
}
