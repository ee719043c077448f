//! REST APIs on LocalStack, which serves what is deployed to it.

use aws_sdk_apigateway::{Client, config::Credentials, primitives::Blob, types::PutMode};
use gatehouse_agent_aws::AwsConnector;
use gatehouse_connector_conformance::{Operator, SECRET_BEGINNING, desired};
use gatehouse_connector_sdk::schemas::observed::{DiscoveredItem, Observation};
use gatehouse_fake_aws::emulators::{Emulator, RunningEmulator};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::{
    load::Load,
    operator::{content, discovered, operator},
    upstream::{Upstream, every_byte},
};

/// A LocalStack, an environment there, and an upstream.
struct World {
    localstack: RunningEmulator,
    operator: Operator<AwsConnector>,
    upstream: Upstream,
    http: reqwest::Client,
}

impl World {
    /// None where LocalStack is not installed.
    async fn start() -> Option<Self> {
        let localstack = Emulator::LocalStack.start().await.unwrap()?;
        let http = reqwest::Client::builder().no_proxy();
        Some(Self {
            operator: operator(localstack.endpoint(), &localstack.data_plane(), &json!({})),
            upstream: Upstream::start("one").await,
            http: http.redirect(reqwest::redirect::Policy::none()).build().unwrap(),
            localstack,
        })
    }

    /// Deploys the API with policies; where it is called.
    async fn deploy(&self, revision: u64, policies: &Value) -> String {
        self.deploy_to(revision, &self.upstream, policies).await
    }

    async fn deploy_to(&self, revision: u64, upstream: &Upstream, policies: &Value) -> String {
        let desired = desired(revision, &content(&upstream.url, policies));
        let deployed = self.operator.deploy(&desired).await.unwrap();
        assert_eq!(
            self.operator.observed(&desired).await.unwrap().fingerprint,
            desired.fingerprint
        );
        deployed.endpoint_urls[0].clone()
    }

    fn request(&self, method: Method, url: &str) -> RequestBuilder {
        self.http.request(method, url)
    }

    /// AWS's own client, as somebody else would use it.
    fn client(&self) -> Client {
        let config = aws_sdk_apigateway::Config::builder()
            .behavior_version_latest()
            .region(aws_sdk_apigateway::config::Region::new("eu-central-1"))
            .credentials_provider(Credentials::new("test", "test", None, None, "test"))
            .endpoint_url(self.localstack.endpoint());
        Client::from_conf(config.build())
    }
}

async fn told(request: RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    (status, response.json().await.unwrap_or_default())
}

async fn status(request: RequestBuilder) -> u16 {
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn localstack_passes_everything_on_that_is_deployed() {
    let Some(world) = World::start().await else { return };
    let url = world.deploy(1, &json!([])).await;
    let asked = world.request(Method::GET, &format!("{url}/items/a%2Fb?x=1&x=2&y=%26"));
    let (status_of_get, seen) = told(asked.header("x-mine", "yes")).await;
    assert_eq!(status_of_get, 200);
    let wanted = json!({"upstream": "one", "method": "GET", "path": "/one/items/a%2Fb", "query": "x=1&x=2&y=%26", "mine": "yes", "body": []});
    assert_eq!(seen, wanted);
    for wanted in [201, 404, 418, 503] {
        let asked = world.request(Method::GET, &format!("{url}/items?status={wanted}"));
        let response = asked.send().await.unwrap();
        assert_eq!(response.status().as_u16(), wanted);
        assert_eq!(response.headers()["x-theirs"], "yes");
    }
    let sent = world
        .request(Method::POST, &format!("{url}/items"))
        .body(every_byte());
    assert_eq!(told(sent).await.1["body"], json!(every_byte()));
    let asked = world.request(Method::GET, &format!("{url}/files/deep/down?binary"));
    assert_eq!(asked.send().await.unwrap().bytes().await.unwrap(), every_byte());
    let deep = world.request(Method::PATCH, &format!("{url}/files/deep/down"));
    assert_eq!(told(deep).await.1["path"], "/one/files/deep/down");
    let part = world.request(Method::DELETE, &format!("{url}/items/7/parts/8"));
    assert_eq!(told(part).await.1["path"], "/one/items/7/parts/8");
    for (method, path) in [
        (Method::PUT, "/items"),
        (Method::GET, "/nothing"),
        (Method::GET, "/items/7/parts/8"),
    ] {
        assert_eq!(
            status(world.request(method.clone(), &format!("{url}{path}"))).await,
            403,
            "{method} {path}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn localstack_lets_in_who_has_a_key_and_answers_preflights() {
    let Some(world) = World::start().await else { return };
    let policies = json!([
        {"type": "auth.apiKey", "with": {"keys": [{"consumer": "shop", "secretRef": "shop-key"}]}},
        {"type": "cors", "with": {"allowOrigins": ["https://shop.example.com"], "allowMethods": ["GET"]}},
    ]);
    let url = world.deploy(1, &policies).await;
    let items = || world.request(Method::GET, &format!("{url}/items"));
    let key = format!("{SECRET_BEGINNING}-shop-key");
    assert_eq!(status(items()).await, 403);
    assert_eq!(
        status(items().header("x-api-key", "somebody-else-s-key-0123")).await,
        403
    );
    assert_eq!(status(items().header("x-api-key", &key)).await, 200);
    let preflight = world.request(Method::OPTIONS, &format!("{url}/items"));
    let preflight = preflight.header("origin", "https://shop.example.com");
    let answer = preflight
        .header("access-control-request-method", "GET")
        .send()
        .await
        .unwrap();
    assert!(answer.status().is_success(), "{}", answer.status());
    assert_eq!(
        answer.headers()["access-control-allow-origin"],
        "https://shop.example.com"
    );

    world.deploy(2, &json!([])).await;
    assert_eq!(status(items()).await, 200);
    let closed = desired(3, &content(&world.upstream.url, &policies));
    world.operator.deploy(&closed).await.unwrap();
    assert_eq!(status(items()).await, 403);
    world.operator.undeploy(&closed, None).await.unwrap();
    let client = world.client();
    assert!(client.get_rest_apis().send().await.unwrap().items().is_empty());
    assert!(client.get_usage_plans().send().await.unwrap().items().is_empty());
    assert!(client.get_api_keys().send().await.unwrap().items().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn localstack_update_and_rollback_under_load_fail_no_request() {
    let Some(world) = World::start().await else { return };
    let other = Upstream::start("two").await;
    let url = world.deploy(1, &json!([])).await;
    let items = format!("{url}/items");
    let load = Load::start(4, &items);
    for revision in 2..6 {
        let upstream = if revision % 2 == 0 {
            &other
        } else {
            &world.upstream
        };
        world.deploy_to(revision, upstream, &json!([])).await;
        let (_, seen) = told(world.request(Method::GET, &items)).await;
        assert_eq!(seen["upstream"], if revision % 2 == 0 { "two" } else { "one" });
    }
    let answers = load.finish().await;
    let seen: Vec<&str> = answers.keys().map(String::as_str).collect();
    assert_eq!(seen, ["200 one", "200 two"], "{answers:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn localstack_discovers_what_others_made_and_leaves_it_alone() {
    let Some(world) = World::start().await else { return };
    let client = world.client();
    let theirs = theirs(&client, &world.upstream.url).await;
    let without = client.create_rest_api().name("draft").send().await.unwrap();
    let ours = desired(1, &content(&world.upstream.url, &json!([])));
    world.operator.deploy(&ours).await.unwrap();

    let items = discovered(&world.operator).await;
    let of = |id: &str| items.iter().find(|item| item.external_ref().0.contains(id));
    let Some(DiscoveredItem::Api(found)) = of(&theirs) else {
        panic!("what others made is not discovered: {items:?}")
    };
    assert_eq!((found.name.as_str(), &found.mark), ("billing", &None));
    let operations = found.content.operations.iter();
    let mut paths: Vec<&str> = operations
        .map(|operation| operation.r#match.path.as_str())
        .collect();
    paths.sort_unstable();
    assert_eq!(paths, ["/bills", "/bills/{bill}"]);
    assert!(
        matches!(of(without.id().unwrap()), Some(DiscoveredItem::Unreadable { .. })),
        "{items:?}"
    );
    assert_eq!(items.len(), 3);

    let url = world
        .localstack
        .data_plane()
        .replace("{api}", &theirs)
        .replace("{stage}", "live");
    assert_eq!(
        status(world.request(Method::GET, &format!("{url}/bills"))).await,
        200
    );
    world.operator.undeploy(&ours, None).await.unwrap();
    world.operator.undeploy(&ours, None).await.unwrap();
    assert!(matches!(
        world.operator.observe(&ours).await.unwrap(),
        Observation::Absent
    ));
    assert_eq!(
        status(world.request(Method::GET, &format!("{url}/bills/7"))).await,
        200
    );
    assert_eq!(client.get_rest_apis().send().await.unwrap().items().len(), 2);
}

/// An API of somebody else, served at the stage that the environment is.
async fn theirs(client: &Client, upstream: &str) -> String {
    let integration = |path: &str, parameters: Value| {
        json!({"responses": {}, "x-amazon-apigateway-integration": {
            "type": "http_proxy", "httpMethod": "GET", "uri": format!("{upstream}{path}"), "requestParameters": parameters,
        }})
    };
    let one = json!({"integration.request.path.bill": "method.request.path.bill"});
    let mut get = integration("/bills/{bill}", one);
    get["parameters"] =
        json!([{"name": "bill", "in": "path", "required": true, "schema": {"type": "string"}}]);
    let document = json!({
        "openapi": "3.0.1", "info": {"title": "billing", "version": "1"},
        "paths": {"/bills": {"get": integration("/bills", json!({}))}, "/bills/{bill}": {"get": get}},
    });
    let api = client.create_rest_api().name("billing").send().await.unwrap();
    let id = api.id().unwrap().to_owned();
    let put = client.put_rest_api().rest_api_id(&id).mode(PutMode::Overwrite);
    put.body(Blob::new(document.to_string())).send().await.unwrap();
    let deployment = client.create_deployment().rest_api_id(&id).send().await.unwrap();
    let stage = client.create_stage().rest_api_id(&id).stage_name("live");
    stage
        .deployment_id(deployment.id().unwrap())
        .send()
        .await
        .unwrap();
    id
}
