//! A Kong with one API in front of an upstream.

use gatehouse_connector_sdk::schemas::desired::DesiredApi;
use reqwest::{Method, RequestBuilder, Response};
use serde_json::Value;

use crate::{
    apis::{Operator, content, desired, operator_of},
    under_test::{Kind, KongUnderTest},
    upstream::Upstream,
};

/// A Kong with one API, and its upstream.
pub(crate) struct Stage {
    pub(crate) kong: KongUnderTest,
    operator: Operator,
    pub(crate) upstream: Upstream,
    http: reqwest::Client,
    url: String,
}

impl Stage {
    pub(crate) async fn new(kind: &Kind) -> Self {
        let kong = KongUnderTest::start(kind).await;
        Self {
            operator: operator_of(&kong),
            upstream: Upstream::start().await,
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            url: String::new(),
            kong,
        }
    }

    pub(crate) fn desired(&self, revision: u64, policies: &Value) -> DesiredApi {
        desired(
            revision,
            &content(&format!("{}/api", self.upstream.url), policies),
        )
    }

    pub(crate) async fn deploy(&mut self, revision: u64, policies: &Value) {
        self.deploy_this(&self.desired(revision, policies)).await;
    }

    pub(crate) async fn deploy_this(&mut self, desired: &DesiredApi) {
        let deployed = self.operator.deploy(desired).await.unwrap();
        self.url = deployed.endpoint_urls[0].clone();
        assert_eq!(self.url, format!("{}/orders/v1", self.kong.proxy_url));
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url))
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.request(Method::GET, path).send().await.unwrap()
    }

    pub(crate) async fn status(&self, request: RequestBuilder) -> u16 {
        request.send().await.unwrap().status().as_u16()
    }

    /// What the upstream was asked.
    pub(crate) async fn asked(&self, path: &str) -> Value {
        let response = self.get(path).await;
        assert_eq!(response.status(), 200, "{path}");
        response.json().await.unwrap()
    }
}
