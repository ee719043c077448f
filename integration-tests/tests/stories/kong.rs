//! A Kong of one's own: deployed to, discovered, moved from; and what goes wrong there.
//!
//! The fake Kong of this repository is asked by default. The stories of `deploying` and `discovering` hold for a real one
//! as they stand: `KONG_ADMIN_URL=http://127.0.0.1:8001 KONG_PROXY_URL=http://127.0.0.1:8000 cargo nextest run -p
//! gatehouse-integration-tests --run-ignored only real_kong`. It is emptied, and must reach this machine's loopback.

mod deploying;
mod discovering;
mod troubles;

use gatehouse_integration_tests::{
    admin::Admin,
    cli::{Cli, Outcome},
    control_plane::ControlPlane,
    database::Database,
    kong::{Kong, KongAgent},
    stack::{api, api_key_policy, join_token, secret, user},
    upstream::Upstream,
    wait,
};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Runs each story on a fake Kong with a database and, if asked to, on a real one.
macro_rules! on_kongs {
    ($($story:ident)+) => {
        mod fake_kong {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $story() {
                let options = gatehouse_fake_kong::FakeKongOptions::default();
                super::$story(gatehouse_integration_tests::kong::Kong::fake(options).await).await;
            })+
        }
        mod real_kong {
            $(#[tokio::test(flavor = "multi_thread")]
            #[ignore = "needs a real Kong that may be emptied: set KONG_ADMIN_URL and KONG_PROXY_URL"]
            async fn $story() {
                super::$story(gatehouse_integration_tests::kong::Kong::real().await).await;
            })+
        }
    };
}
use on_kongs;

/// The key of the consumer `shop`.
const KEY: (&str, &str) = ("x-api-key", "a-key-of-some-length");

/// A Kong that the environment `kong` is, its agent, and a user.
struct World {
    kong: Kong,
    _agent: KongAgent,
    control_plane: ControlPlane,
    admin: Admin,
    cli: Cli,
    folder: TempDir,
}

impl World {
    async fn start(kong: Kong) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("control-plane");
        let control_plane = ControlPlane::start(Database::Sqlite, data).await;
        let admin = control_plane.admin();
        let token = join_token(&admin, "kong").await;
        let agent = kong.agent(&control_plane.url(), &token, folder.path().join("agent"));
        wait::until_true("the agent is there", async || {
            admin.get("/agents").await["items"][0]["online"] == true
        })
        .await;
        let cli = user(&folder, &control_plane);
        let world = Self {
            kong,
            _agent: agent,
            control_plane,
            admin,
            cli,
            folder,
        };
        world
            .register(&world.kong.environment("kong"))
            .await
            .expect_code(0);
        world
    }

    /// Types a command.
    async fn run(&self, words: &str) -> Outcome {
        self.cli.run(words.split_whitespace()).await
    }

    /// Applies a document from a file, as people do.
    async fn register(&self, document: &Value) -> Outcome {
        self.cli.write("document.json", &document.to_string());
        self.run("apply -f document.json").await
    }

    /// A service with a route and a plugin that somebody else made; its id. It is there when the proxy serves it.
    async fn theirs(&self, name: &str, upstream: &Upstream) -> String {
        let kong = &self.kong;
        let service = json!({"name": name, "url": upstream.url(), "tags": ["theirs"]});
        let service = kong.make("/services", &service).await;
        let route = json!({"paths": [format!("/{name}")], "tags": ["theirs"]});
        let routes = format!("/services/{service}/routes");
        kong.make(&routes, &route).await;
        let plugin =
            json!({"name": "response-transformer", "config": {"append": {"headers": ["x-theirs:yes"]}}});
        kong.make(&format!("/services/{service}/plugins"), &plugin).await;
        wait::until_true("the proxy serves what somebody else made", async || {
            let answer = kong.consume(Method::GET, &format!("/{name}/1"), &[]).await;
            answer.headers().get("x-theirs").is_some()
        })
        .await;
        service
    }
}

/// An API whose callers need a key and may come from a page elsewhere; one of its operations is limited.
fn orders(upstream: &Upstream) -> Value {
    let limit =
        json!({"type": "ratelimit", "with": {"limits": [{"requests": 2, "per": "day"}], "key": "consumer"}});
    let mut orders = api("orders", &upstream.url());
    orders["spec"]["policies"] = json!([
        api_key_policy("shop", "shop-key"),
        {"type": "cors", "with": {"allowOrigins": ["https://shop.example.com"], "allowMethods": ["GET", "POST"]}},
    ]);
    orders["spec"]["operations"] = json!([
        {"match": {"method": "GET", "path": "/{id}"}},
        {"match": {"method": "POST", "path": "/"}},
        {"match": {"method": "GET", "path": "/reports/daily"}, "policies": [limit]},
    ]);
    orders
}

/// The document with the secret of its key.
fn with_key(document: Value) -> Value {
    json!([secret("shop-key", KEY.1), document])
}
