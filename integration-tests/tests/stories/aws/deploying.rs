//! An API is deployed, called, changed under load, put back, and taken away again.

use gatehouse_integration_tests::{aws::Aws, load::Load, upstream::Upstream, wait};
use reqwest::{Method, header::HeaderMap};
use serde_json::{Value, json};

use super::{World, orders};

/// Runs each story on LocalStack, where it is installed, and on another API Gateway, if asked to.
macro_rules! on_api_gateways {
    ($($story:ident)+) => {
        mod localstack {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $story() {
                if let Some(aws) = gatehouse_integration_tests::aws::Aws::localstack().await {
                    super::$story(aws).await;
                }
            })+
        }
        mod real_aws {
            $(#[tokio::test(flavor = "multi_thread")]
            #[ignore = "needs an API Gateway: set AWS_ENDPOINT_URL, AWS_DATA_PLANE_URL and credentials"]
            async fn $story() {
                super::$story(gatehouse_integration_tests::aws::Aws::real()).await;
            })+
        }
    };
}

on_api_gateways! {
    an_api_is_deployed_called_changed_and_removed
    an_update_and_a_rollback_under_load_fail_no_request
}

async fn an_api_is_deployed_called_changed_and_removed(aws: Aws) {
    let world = World::start(aws).await;
    let mine = Upstream::start("mine").await;
    world.run("env check aws").await.expect_code(0);
    let url = world.deploy(&orders(&mine)).await;
    let item = format!("{url}/items/1");
    is_answered(&world, (Method::GET, &item), true, |status| status == 200).await;
    is_answered(&world, (Method::GET, &item), false, is_refused).await;
    let answer = world.aws.consume(Method::GET, &item, &[world.key()]).await;
    let seen: Value = answer.json().await.unwrap();
    assert_eq!(
        (&seen["upstream"], &seen["path"]),
        (&json!("mine"), &json!("/items/1"))
    );
    let preflight = [
        ("origin", "https://shop.example.com"),
        ("access-control-request-method", "GET"),
    ];
    assert!(world.status(Method::OPTIONS, &item, &preflight).await < 300);
    world.run("drift aws").await.expect_code(0);
    let found = world.run("discover aws --wait").await.expect_code(0);
    found.expect_said("orders");

    let mut changed = orders(&mine);
    changed["spec"]["operations"] = json!([{"match": {"method": "GET", "path": "/items/{id}"}}, {"match": {"method": "GET", "path": "/new"}}]);
    assert_eq!(world.deploy(&changed).await, url);
    let new = format!("{url}/new");
    is_answered(&world, (Method::GET, &new), true, |status| status == 200).await;
    let old = format!("{url}/items");
    is_answered(&world, (Method::POST, &old), true, is_unknown).await;
    world
        .run("undeploy orders --from aws --wait")
        .await
        .expect_code(0);
    is_answered(&world, (Method::GET, &item), true, |status| status >= 400).await;
}

/// Who has no key is answered 401, and 403 where the gateway's own answers are not what the definition says.
fn is_refused(status: u16) -> bool {
    matches!(status, 401 | 403)
}

/// What is not there is answered 404, and 403 where the gateway's own answers are not what the definition says.
fn is_unknown(status: u16) -> bool {
    matches!(status, 403 | 404)
}

/// Waits until the stage answers so, with the key or without: AWS serves nothing at once everywhere.
async fn is_answered(world: &World, (method, url): (Method, &str), with_key: bool, so: fn(u16) -> bool) {
    let headers = [world.key()];
    let headers = if with_key { &headers[..] } else { &[] };
    wait::until_true("the stage answers as it was deployed", async || {
        so(world.status(method.clone(), url, headers).await)
    })
    .await;
}

async fn an_update_and_a_rollback_under_load_fail_no_request(aws: Aws) {
    let world = World::start(aws).await;
    let (one, two) = (Upstream::start("one").await, Upstream::start("two").await);
    let url = format!("{}/items/1", world.deploy(&orders(&one)).await);
    serves(&world, &url, "one").await;
    let (name, value) = world.key();
    let key = HeaderMap::from_iter([(name.parse().unwrap(), value.parse().unwrap())]);
    let load = Load::start_with(4, &url, &key, describe);
    world.deploy(&orders(&two)).await;
    serves(&world, &url, "two").await;
    world.run("rollback orders --env aws --wait").await.expect_code(0);
    serves(&world, &url, "one").await;
    let answers = load.finish().await;
    world
        .run("undeploy orders --from aws --wait")
        .await
        .expect_code(0);
    let seen: Vec<&str> = answers.keys().map(String::as_str).collect();
    assert_eq!(seen, ["200 one", "200 two"], "{answers:?}");
}

/// AWS says that a stage is switched before every machine of its serves the new deployment.
async fn serves(world: &World, url: &str, upstream: &str) {
    wait::until_true("the stage serves what was deployed", async || {
        let answer = world.aws.consume(Method::GET, url, &[world.key()]).await;
        answer.json::<Value>().await.unwrap_or_default()["upstream"] == upstream
    })
    .await;
}

fn describe(status: u16, _headers: &HeaderMap, body: &Value) -> String {
    format!("{status} {}", body["upstream"].as_str().unwrap_or("?"))
}
