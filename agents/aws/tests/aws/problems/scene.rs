//! The stage of problems: an account, a Gatehouse that deploys to it, an upstream, and consumers.

use std::sync::Arc;

use axum::{
    Router,
    http::{StatusCode, Uri},
};
use gatehouse_agent_aws::{ACCESS_KEY_ID, AwsConnector, SECRET_ACCESS_KEY, SESSION_TOKEN};
use gatehouse_connector_conformance::{Connection, Operator, SECRET_BEGINNING, desired};
use gatehouse_connector_sdk::{
    connector::{Connector as _, DeployRequest, Deployed},
    error::{Error, Result},
    schemas::{desired::DesiredApi, environment::Mode, observed::Observation},
};
use gatehouse_fake_aws::{AccessKey, FakeAws, FakeAwsOptions};
use secrecy::SecretString;
use serde_json::{Map, Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

use super::notebook::Notebook;
use crate::under_test::printed_policy;

pub(super) const REGION: &str = "eu-central-1";
pub(super) const STAGE: &str = "live";
/// An access key that may do what the policy for reading and writing says.
pub(super) const KEY: &str = "AKIAEVERYTHING000000";

pub(super) struct Scene {
    pub(super) aws: FakeAws,
    pub(super) operator: Operator<AwsConnector>,
    upstream: String,
    server: JoinHandle<()>,
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Scene {
    /// Where APIs become REST APIs.
    pub(super) async fn rest() -> Self {
        Self::of(options(), &json!({"kind": "rest"})).await
    }

    /// Both kinds of APIs, each on an account of its own.
    pub(super) async fn of_each_kind() -> [Self; 2] {
        let http = Self::of(options(), &json!({"kind": "http"})).await;
        [Self::rest().await, http]
    }

    /// An account, with settings beside those that every test has.
    pub(super) async fn of(options: FakeAwsOptions, more: &Value) -> Self {
        let aws = FakeAws::start(options).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let upstream = format!("http://{}", listener.local_addr().unwrap());
        let echo = async |uri: Uri| match uri.path().starts_with("/nothing") {
            true => Err(StatusCode::NOT_FOUND),
            false => Ok(uri.path().to_owned()),
        };
        let echo = Router::new().fallback(echo);
        let server = tokio::spawn(async move { axum::serve(listener, echo).await.unwrap() });
        let settings = settings(&aws, more);
        let operator = operator(settings, &[(ACCESS_KEY_ID, KEY), (SECRET_ACCESS_KEY, "secret")]);
        Self {
            aws,
            operator,
            upstream,
            server,
        }
    }

    /// The same, where steps are remembered from one attempt to the next.
    pub(super) fn remembering(mut self) -> Self {
        self.operator.context.journal = Arc::new(Notebook::default());
        self
    }

    /// Another Gatehouse, or the same with other settings and an access key.
    pub(super) fn another(&self, more: &Value, (key, token): (&str, Option<&str>)) -> Operator<AwsConnector> {
        let mut settings = self.operator.context.environment.settings.clone();
        settings.extend(more.as_object().cloned().unwrap());
        let mut credentials = vec![(ACCESS_KEY_ID, key), (SECRET_ACCESS_KEY, "secret")];
        credentials.extend(token.map(|token| (SESSION_TOKEN, token)));
        operator(settings, &credentials)
    }

    /// Something that answers every request, and is not AWS.
    pub(super) fn upstream(&self) -> &str {
        &self.upstream
    }

    /// A revision of an API whose upstream says what it was asked: `/revision-2/items`.
    pub(super) fn revision(&self, number: u64) -> DesiredApi {
        self.revision_as(number, number, &json!([]))
    }

    /// One that an HTTP API expresses better.
    pub(super) fn with_headers(&self, number: u64) -> DesiredApi {
        let headers = json!({"type": "headers", "with": {"response": {"set": {"x-from": "aws"}}}});
        self.revision_as(number, number, &json!([headers]))
    }

    /// One that only callers with the key get through to.
    pub(super) fn guarded(&self, number: u64) -> DesiredApi {
        let keys = json!({"in": "header", "name": "x-api-key", "forward": false,
            "keys": [{"consumer": "shop", "secretRef": "shop-key"}]});
        self.revision_as(number, number, &json!([{"type": "auth.apiKey", "with": keys}]))
    }

    /// A revision with the content of another one.
    pub(super) fn revision_as(&self, number: u64, content: u64, policies: &Value) -> DesiredApi {
        let url = format!("{}/revision-{content}", self.upstream);
        let content = json!({
            "displayName": "Orders", "version": "v1", "type": "rest", "direction": "ingress", "basePath": "/orders",
            "upstreams": {"main": {"url": url, "timeoutMs": 3000, "connectTimeoutMs": 1000}}, "policies": policies,
            "operations": [{"match": {"method": "GET", "path": "/items"}}],
        });
        desired(number, &content)
    }

    pub(super) async fn deploy(&self, desired: &DesiredApi) -> Deployed {
        let deployed = self.operator.deploy(desired).await.unwrap();
        assert_eq!(deployed.observed, desired.fingerprint, "it is what was asked for");
        deployed
    }

    /// What is planned now, to be carried out after something else happened.
    pub(super) async fn planned(&self, desired: &DesiredApi) -> DeployRequest {
        self.operator.request(desired).await.unwrap()
    }

    pub(super) async fn carry_out(&self, request: &DeployRequest) -> Result<Deployed> {
        let operator = &self.operator;
        operator.connector.deploy(&operator.context, request).await
    }

    /// What a consumer with the key gets from an API that was deployed.
    pub(super) async fn served(&self, deployed: &Deployed) -> String {
        served(deployed, Some(format!("{SECRET_BEGINNING}-shop-key"))).await
    }

    /// What a consumer without a key gets.
    pub(super) async fn served_to_anybody(&self, deployed: &Deployed) -> String {
        served(deployed, None).await
    }

    /// What somebody else does in the account.
    pub(super) fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let (status, answer) = self.aws.call(REGION, method, path, body);
        assert!((200..300).contains(&status), "{method} {path}: {status} {answer}");
        answer
    }

    /// Where the control plane has an API that was deployed, and the environment's stage of it.
    pub(super) fn path(deployed: &Deployed) -> String {
        match deployed.external_ref.0.split_once('/') {
            Some(("apis", id)) => format!("/v2/apis/{id}"),
            _ => format!("/{}", deployed.external_ref.0),
        }
    }

    /// AWS's identities of the deployments of an API.
    pub(super) fn deployments(&self, deployed: &Deployed) -> Vec<String> {
        let listed = self.call(
            "GET",
            &format!("{}/deployments", Self::path(deployed)),
            &Value::Null,
        );
        let items = listed
            .get("item")
            .or(listed.get("items"))
            .cloned()
            .unwrap_or_default();
        let id = |item: &Value| {
            item.get("id")
                .or(item.get("deploymentId"))?
                .as_str()
                .map(str::to_owned)
        };
        items.as_array().into_iter().flatten().filter_map(id).collect()
    }

    /// What is served of an API, by AWS's identity of it.
    pub(super) fn deployment(&self, deployed: &Deployed) -> String {
        let stage = self.call(
            "GET",
            &format!("{}/stages/{STAGE}", Self::path(deployed)),
            &Value::Null,
        );
        stage["deploymentId"].as_str().unwrap().to_owned()
    }

    /// The names of the operations that were called, in their order.
    pub(super) fn calls(&self) -> Vec<String> {
        self.aws.calls().into_iter().map(|call| call.operation).collect()
    }

    /// What people read, with what differs from run to run replaced.
    pub(super) fn text(&self, error: &Error) -> String {
        self.still(error.message())
    }

    pub(super) fn still(&self, text: &str) -> String {
        text.replace(&self.aws.control_url(), "(AWS)")
            .replace(&self.upstream, "(UPSTREAM)")
    }
}

/// An access key that may do what the printed policy of a mode says, and nothing else.
pub(super) fn allowed(key: &str, mode: Mode) -> AccessKey {
    AccessKey::new(key).with_policy(&printed_policy(mode, &json!({ "region": REGION })))
}

/// An account with one access key, which may do what reading and writing takes, and no more.
pub(super) fn options() -> FakeAwsOptions {
    FakeAwsOptions {
        access_keys: vec![allowed(KEY, Mode::ReadWrite)],
        ..FakeAwsOptions::default()
    }
}

fn settings(aws: &FakeAws, more: &Value) -> Map<String, Value> {
    let settings = json!({
        "region": REGION, "stage": STAGE, "timeoutMs": 5000,
        "endpointUrl": aws.control_url(), "stsEndpointUrl": aws.control_url(),
        "dataPlaneUrl": format!("{}/{{api}}/{{stage}}", aws.data_url()),
    });
    let mut settings = settings.as_object().cloned().unwrap();
    settings.extend(more.as_object().cloned().unwrap());
    settings
}

fn operator(settings: Map<String, Value>, credentials: &[(&str, &str)]) -> Operator<AwsConnector> {
    let secret = |(name, value): &(&str, &str)| ((*name).to_owned(), SecretString::from(*value));
    let connection = Connection {
        settings,
        credentials: credentials.iter().map(secret).collect(),
    };
    Operator::new(AwsConnector::new().with_quotas(Vec::new()), connection)
}

async fn served(deployed: &Deployed, key: Option<String>) -> String {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut request = client.get(format!("{}/items", deployed.endpoint_urls[0]));
    if let Some(key) = key {
        request = request.header("x-api-key", key);
    }
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    format!("{status} {}", answer.text().await.unwrap())
}

/// What an observation says, in a word or in people's words.
pub(super) fn said(observation: &Observation) -> String {
    match observation {
        Observation::Present(_) => "present".to_owned(),
        Observation::Absent => "absent".to_owned(),
        Observation::Unknown { reason } => reason.clone(),
    }
}
