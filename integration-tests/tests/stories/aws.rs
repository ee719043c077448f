//! Amazon API Gateway: deployed to, discovered, moved from; and what goes wrong there.
//!
//! Stories that need what other people do, and calls that are counted, have the fake of this repository. Those of `deploying` have
//! LocalStack, which others wrote and which serves stages, and hold for anything else that does:
//! `AWS_ENDPOINT_URL=… AWS_DATA_PLANE_URL=…/{api}/{stage} AWS_REGION=… cargo test -p gatehouse-integration-tests --test stories -- --ignored
//! real_aws --test-threads 1`, with credentials in the environment. It must reach this machine's loopback, where the upstreams are.

mod deploying;
mod discovering;
mod drifting;
mod hearing;
mod moving;
mod too_large;
mod troubles;

use gatehouse_integration_tests::{
    admin::Admin,
    aws::{Aws, AwsAgent},
    cli::{Cli, Outcome},
    control_plane::ControlPlane,
    database::Database,
    stack::{api, api_key_policy, join_token, secret, user},
    upstream::Upstream,
    wait,
};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use uuid::Uuid;

/// The key of the consumer `shop`.
const KEY: (&str, &str) = ("x-api-key", "a-key-of-twenty-characters-or-more");

/// An API Gateway that the environment `aws` is, its agent, and a user.
struct World {
    aws: Aws,
    _agent: AwsAgent,
    control_plane: ControlPlane,
    admin: Admin,
    cli: Cli,
    folder: TempDir,
    /// The value of the consumer's key, which no other key of the account may have.
    key: String,
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
        let key = match aws.is_shared() {
            true => format!("{}-{}", KEY.1, Uuid::new_v4().simple()),
            false => KEY.1.to_owned(),
        };
        Self {
            key,
            aws,
            _agent: agent,
            control_plane,
            admin,
            cli,
            folder,
        }
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

    /// Discovers, and gives the discovery's id, and name and class of each finding that is not as it was.
    async fn found(&self) -> (String, Vec<(String, String)>) {
        let shown = self.cli.json("discover aws --wait").await;
        let id = shown["discovery"]["id"].as_str().unwrap().to_owned();
        let text = |item: &Value, field: &str| item[field].as_str().unwrap_or_default().to_owned();
        let items = shown["items"].as_array().unwrap().iter();
        let mut found: Vec<_> = items
            .map(|item| (text(item, "name"), text(item, "class")))
            .collect();
        found.sort();
        (id, found)
    }

    /// Deploys `orders`; where it is called.
    async fn deploy(&self, orders: &Value) -> String {
        self.admin
            .apply(json!([secret("shop-key", &self.key), orders]))
            .await;
        let deployed = self.run("deploy orders --to aws --wait").await.expect_code(0);
        let url = deployed
            .stdout
            .split_whitespace()
            .find(|word| word.starts_with("http"));
        url.unwrap().trim_end_matches(['.', ',']).to_owned()
    }

    /// The consumer's header.
    fn key(&self) -> (&str, &str) {
        (KEY.0, &self.key)
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

/// An OpenAPI document of what somebody else makes: operations by method and path, each of which the upstream is asked for below
/// its own path.
fn theirs(name: &str, upstream: &Upstream, operations: &[(&str, &str)]) -> Value {
    let mut paths = serde_json::Map::new();
    for (method, path) in operations {
        let names: Vec<&str> = path
            .split('{')
            .skip(1)
            .filter_map(|rest| rest.split('}').next())
            .collect();
        let mapped: Value = names
            .iter()
            .map(|name| {
                (
                    format!("integration.request.path.{name}"),
                    format!("method.request.path.{name}"),
                )
            })
            .collect::<std::collections::BTreeMap<_, _>>()
            .into_iter()
            .map(|(name, value)| (name, json!(value)))
            .collect();
        let declared: Vec<Value> = names
            .iter()
            .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}))
            .collect();
        let integration = json!({
            "type": "http_proxy", "httpMethod": method.to_uppercase(), "uri": format!("{}{path}", upstream.url()),
            "passthroughBehavior": "when_no_match", "requestParameters": mapped,
        });
        paths.entry(*path).or_insert_with(|| json!({}))[method] = json!({
            "parameters": declared, "responses": {"200": {"description": "It"}},
            "x-amazon-apigateway-integration": integration,
        });
    }
    json!({"openapi": "3.0.1", "info": {"title": name, "version": "1"}, "paths": paths})
}

fn pairs<const COUNT: usize>(pairs: [(&str, &str); COUNT]) -> Vec<(String, String)> {
    pairs
        .map(|(name, class)| (name.to_owned(), class.to_owned()))
        .into()
}
