//! Amazon API Gateway: deployed to, called through, changed under load, put back, discovered, taken away.
//!
//! LocalStack is asked by default, and each story holds for anything else that speaks the same API and serves stages:
//! `AWS_ENDPOINT_URL=… AWS_DATA_PLANE_URL=…/{api}/{stage} cargo test -p gatehouse-integration-tests --test stories -- --ignored
//! real_aws`, with credentials in the environment. It must reach this machine's loopback, where the upstreams are.

use gatehouse_integration_tests::{
    admin::Admin,
    aws::{Aws, AwsAgent},
    cli::{Cli, Outcome},
    control_plane::ControlPlane,
    database::Database,
    load::Load,
    stack::{api, api_key_policy, join_token, secret, user},
    upstream::Upstream,
    wait,
};
use reqwest::{
    Method,
    header::{HeaderMap, HeaderValue},
};
use serde_json::{Value, json};
use tempfile::TempDir;

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

/// The key of the consumer `shop`.
const KEY: (&str, &str) = ("x-api-key", "a-key-of-twenty-characters-or-more");

/// An API Gateway that the environment `aws` is, its agent, and a user.
struct World {
    aws: Aws,
    _agent: AwsAgent,
    _control_plane: ControlPlane,
    admin: Admin,
    cli: Cli,
    _folder: TempDir,
}

impl World {
    async fn start(aws: Aws) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("control-plane");
        let control_plane = ControlPlane::start(Database::Sqlite, data).await;
        let admin = control_plane.admin();
        let token = join_token(&admin, "aws").await;
        let agent = aws.agent(&control_plane.url(), &token, folder.path().join("agent"));
        wait::until_true("the agent is there", async || {
            admin.get("/agents").await["items"][0]["online"] == true
        })
        .await;
        let cli = user(&folder, &control_plane);
        admin.apply(json!([aws.environment("aws")])).await;
        Self {
            aws,
            _agent: agent,
            _control_plane: control_plane,
            admin,
            cli,
            _folder: folder,
        }
    }

    /// Types a command.
    async fn run(&self, words: &str) -> Outcome {
        self.cli.run(words.split_whitespace()).await
    }

    /// Deploys `orders`; where it is called.
    async fn deploy(&self, orders: &Value) -> String {
        self.admin.apply(json!([secret("shop-key", KEY.1), orders])).await;
        let deployed = self.run("deploy orders --to aws --wait").await.expect_code(0);
        let url = deployed
            .stdout
            .split_whitespace()
            .find(|word| word.starts_with("http"));
        url.unwrap().trim_end_matches(['.', ',']).to_owned()
    }

    async fn status(&self, method: Method, url: &str, headers: &[(&str, &str)]) -> u16 {
        self.aws.consume(method, url, headers).await.status().as_u16()
    }
}

/// An API whose callers need a key and may come from a page elsewhere.
fn orders(upstream: &Upstream) -> Value {
    let mut orders = api("orders", &upstream.url());
    orders["spec"]["policies"] = json!([
        api_key_policy("shop", "shop-key"),
        {"type": "cors", "with": {"allowOrigins": ["https://shop.example.com"], "allowMethods": ["GET", "POST"]}},
    ]);
    orders["spec"]["operations"] = json!([
        {"match": {"method": "GET", "path": "/items/{id}"}},
        {"match": {"method": "POST", "path": "/items"}},
    ]);
    orders
}

async fn an_api_is_deployed_called_changed_and_removed(aws: Aws) {
    let world = World::start(aws).await;
    let mine = Upstream::start("mine").await;
    world.run("env check aws").await.expect_code(0);
    let url = world.deploy(&orders(&mine)).await;
    let item = format!("{url}/items/1");
    assert_eq!(world.status(Method::GET, &item, &[]).await, 403);
    let answer = world.aws.consume(Method::GET, &item, &[KEY]).await;
    assert_eq!(answer.status().as_u16(), 200);
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
    assert_eq!(
        world.status(Method::GET, &format!("{url}/new"), &[KEY]).await,
        200
    );
    assert_eq!(
        world.status(Method::POST, &format!("{url}/items"), &[KEY]).await,
        403
    );
    world
        .run("undeploy orders --from aws --wait")
        .await
        .expect_code(0);
    assert!(world.status(Method::GET, &item, &[KEY]).await >= 400);
}

async fn an_update_and_a_rollback_under_load_fail_no_request(aws: Aws) {
    let world = World::start(aws).await;
    let (one, two) = (Upstream::start("one").await, Upstream::start("two").await);
    let url = format!("{}/items/1", world.deploy(&orders(&one)).await);
    let key = HeaderMap::from_iter([(KEY.0.parse().unwrap(), HeaderValue::from_static(KEY.1))]);
    let load = Load::start_with(4, &url, &key, describe);
    world.deploy(&orders(&two)).await;
    serves(&world, &url, "two").await;
    world.run("rollback orders --env aws --wait").await.expect_code(0);
    serves(&world, &url, "one").await;
    let answers = load.finish().await;
    let seen: Vec<&str> = answers.keys().map(String::as_str).collect();
    assert_eq!(seen, ["200 one", "200 two"], "{answers:?}");
}

/// AWS says that a stage is switched before every machine of its serves the new deployment.
async fn serves(world: &World, url: &str, upstream: &str) {
    wait::until_true("the stage serves what was deployed", async || {
        let answer = world.aws.consume(Method::GET, url, &[KEY]).await;
        answer.json::<Value>().await.unwrap_or_default()["upstream"] == upstream
    })
    .await;
}

fn describe(status: u16, _headers: &HeaderMap, body: &Value) -> String {
    format!("{status} {}", body["upstream"].as_str().unwrap_or("?"))
}
