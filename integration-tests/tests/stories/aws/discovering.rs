//! What other people made in an account is found, chosen from, and taken into the catalog; nothing of that changes anything there.

use gatehouse_integration_tests::{
    aws::{Aws, STAGE},
    stack::api,
    upstream::Upstream,
};
use serde_json::{Value, json};

use super::{World, pairs, theirs};

/// A world with four APIs of others: two REST APIs, an HTTP API, and a REST API without the environment's stage.
async fn with_theirs(upstream: &Upstream) -> (World, [String; 3]) {
    let world = World::start(Aws::fake().await).await;
    let mut environment = world.aws.environment("aws");
    environment["spec"]["settings"]["kind"] = json!("auto");
    world.register(&environment).await.expect_code(0);
    let aws = &world.aws;
    let billing = aws.make(&theirs("billing", upstream, &[("get", "/bills/{id}")]), STAGE);
    let legacy = aws.make(
        &theirs("legacy", upstream, &[("get", "/items/{id}"), ("post", "/items")]),
        STAGE,
    );
    aws.make(&theirs("elsewhere", upstream, &[("get", "/")]), "test");
    let pets = make_http(aws, &theirs("pets", upstream, &[("get", "/pets/{id}")]));
    (world, [billing, legacy, pets])
}

fn make_http(aws: &Aws, document: &Value) -> String {
    let made = aws.call("PUT", "/v2/apis", &json!({"body": document.to_string()}));
    let id = made["apiId"].as_str().unwrap().to_owned();
    let deployed = aws.call("POST", &format!("/v2/apis/{id}/deployments"), &json!({}));
    let stage = json!({"stageName": STAGE, "deploymentId": deployed["deploymentId"]});
    aws.call("POST", &format!("/v2/apis/{id}/stages"), &stage);
    id
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_made_is_found_imported_and_known_from_then_on() {
    let upstream = Upstream::start("theirs").await;
    let (world, [billing, legacy, _]) = with_theirs(&upstream).await;
    let before = world.aws.everything();
    let (id, found) = world.found().await;
    let all = [
        ("billing", "new"),
        ("elsewhere", "error"),
        ("legacy", "new"),
        ("pets", "new"),
    ];
    assert_eq!(found, pairs(all));
    world
        .run(&format!("discoveries show {id}"))
        .await
        .expect_said("`elsewhere` has no stage `live`; deploy it to that stage on AWS");
    let none = world.cli.ok("get apis -o name").await;
    assert_eq!(none.trim(), "", "looking imports nothing");

    // Some of them, then all.
    world
        .cli
        .ok(&format!("import {id} --select status=new,name=leg*"))
        .await;
    assert_eq!(world.cli.ok("get apis -o name").await.trim(), "api/legacy");
    let imported = world.admin.get("/apis/legacy").await;
    assert_eq!(imported["spec"]["upstreams"]["main"]["url"], upstream.url());
    assert_eq!(imported["status"]["operations"], 2, "{imported:#}");
    let (id, _) = world.found().await;
    world.cli.ok(&format!("import {id} --all")).await;
    let again = world.cli.json("discover aws --wait").await;
    assert_eq!(again["discovery"]["counts"]["unchanged"], 3, "{again:#}");
    assert_eq!(
        world.aws.everything(),
        before,
        "nothing of this changes anything on AWS"
    );

    // Changed there, and gone there.
    let path = format!("/restapis/{legacy}?mode=overwrite");
    let changed = theirs("legacy", &upstream, &[("get", "/items/{id}"), ("get", "/more")]);
    world.aws.call("PUT", &path, &changed);
    let (_, found) = world.found().await;
    assert_eq!(
        found,
        pairs([("elsewhere", "error")]),
        "what is not deployed is served to nobody"
    );
    world.aws.redeploy(&legacy, STAGE);
    world
        .aws
        .call("DELETE", &format!("/restapis/{billing}"), &Value::Null);
    let (id, found) = world.found().await;
    let all = [("billing", "gone"), ("elsewhere", "error"), ("legacy", "changed")];
    assert_eq!(found, pairs(all));
    world
        .run(&format!("discoveries show {id}"))
        .await
        .expect_said("breaking");
    let kept = world.admin.get("/apis/billing").await;
    assert_eq!(kept["metadata"]["name"], "billing", "the catalog keeps it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_lets_some_through_and_a_name_that_is_taken_is_no_match() {
    let upstream = Upstream::start("theirs").await;
    let (world, [billing, _, _]) = with_theirs(&upstream).await;
    let arn = format!("arn%3Aaws%3Aapigateway%3Aeu-central-1%3A%3A%2Frestapis%2F{billing}");
    world
        .aws
        .call("PUT", &format!("/tags/{arn}"), &json!({"tags": {"team": "shop"}}));
    let filtered = async |filter: Value| {
        let mut environment = world.aws.environment("aws");
        environment["spec"]["settings"]["kind"] = json!("auto");
        environment["spec"]["discovery"] = json!({"filter": filter});
        world.register(&environment).await.expect_code(0);
        world.found().await
    };
    let (_, found) = filtered(json!({"tags": ["team=shop"]})).await;
    assert_eq!(found, pairs([("billing", "new")]));
    let (_, found) = filtered(json!({"names": ["p*", "leg*"]})).await;
    assert_eq!(found, pairs([("legacy", "new"), ("pets", "new")]));

    // Somebody else's `legacy` is in the catalog already.
    let mine = Upstream::start("mine").await;
    world.admin.apply(json!([api("legacy", &mine.url())])).await;
    let (id, found) = filtered(json!({"names": ["leg*"]})).await;
    assert_eq!(found, pairs([("legacy", "conflict")]));
    world
        .run(&format!("discoveries show {id}"))
        .await
        .expect_said("the name `legacy` belongs to another API of the catalog; rename one of the two");
    world
        .run(&format!("import {id} --all"))
        .await
        .expect_code(0)
        .expect_said("nothing is new or changed");
    let kept = world.admin.get("/apis/legacy").await;
    assert_eq!(kept["spec"]["upstreams"]["main"]["url"], mine.url());
}
