//! The Admin API as a program uses it: JSON in, JSON out, nothing hidden behind types.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::wait;

/// A caller of the Admin API.
#[derive(Debug, Clone)]
pub struct Admin {
    http: reqwest::Client,
    base: String,
    token: Option<String>,
}

/// What the Admin API answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The content type.
    pub content_type: String,
    /// The ETag.
    pub etag: Option<String>,
    /// The body; null if there is none.
    pub body: Value,
}

impl Answer {
    /// The body of a successful answer.
    #[track_caller]
    pub fn expect_ok(self) -> Value {
        assert!(self.status.is_success(), "{}: {:#}", self.status, self.body);
        self.body
    }

    /// The body of a problem, with its status and the last segment of its type checked.
    #[track_caller]
    pub fn expect_problem(self, status: u16, slug: &str) -> Value {
        assert_eq!(self.status.as_u16(), status, "{:#}", self.body);
        assert_eq!(self.content_type, "application/problem+json");
        let kind = self.body["type"].as_str().unwrap_or_default();
        assert!(kind.ends_with(&format!("/{slug}")), "{:#}", self.body);
        assert!(!self.body["detail"].as_str().unwrap_or_default().is_empty());
        self.body
    }
}

impl Admin {
    /// A caller with a token, or without one.
    pub fn new(base: &str, token: Option<&str>) -> Self {
        Self {
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            base: base.to_owned(),
            token: token.map(str::to_owned),
        }
    }

    /// The same control plane with another token, or without one.
    #[must_use]
    pub fn with_token(&self, token: Option<&str>) -> Self {
        Self {
            token: token.map(str::to_owned),
            ..self.clone()
        }
    }

    /// Sends a request to a path below `/api/v1`; the error is that of a control plane that is not there.
    pub async fn try_send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answer, reqwest::Error> {
        let mut request = self.http.request(method, format!("{}/api/v1{path}", self.base));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        read(request.send().await?).await
    }

    /// Sends a request.
    pub async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        self.try_send(method, path, body)
            .await
            .expect("the control plane answers")
    }

    /// Reads.
    pub async fn get(&self, path: &str) -> Value {
        self.send(Method::GET, path, None).await.expect_ok()
    }

    /// Posts.
    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, Some(&body)).await
    }

    /// Applies documents, which must succeed.
    pub async fn apply(&self, documents: Value) -> Value {
        self.post("/apply", json!({ "documents": documents }))
            .await
            .expect_ok()
    }

    /// Asks for a deployment, which must be accepted; the deployment as recorded.
    pub async fn deploy(&self, api: &str, revision: Option<u64>, environment: &str) -> Value {
        let mut request = json!({"api": api, "environment": environment});
        if let Some(revision) = revision {
            request["revision"] = json!(revision);
        }
        self.post("/deployments", request).await.expect_ok()
    }

    /// Deploys and waits until the gateway has reported this generation deployed.
    pub async fn deploy_and_wait(&self, api: &str, revision: Option<u64>, environment: &str) -> Value {
        let asked = self.deploy(api, revision, environment).await;
        self.deployed(&asked).await
    }

    /// Waits until a deployment is deployed in the generation it was asked for.
    pub async fn deployed(&self, asked: &Value) -> Value {
        let id = asked["id"].as_str().unwrap();
        let generation = asked["generation"].as_u64().unwrap();
        wait::until(&format!("deployment {id} is deployed"), async || {
            let now = self.get(&format!("/deployments/{id}")).await;
            let observed = now["observedGeneration"].as_u64().unwrap_or_default();
            if now["phase"] == "Deployed" && observed >= generation {
                Ok(now)
            } else {
                Err(format!("{now:#}"))
            }
        })
        .await
    }
}

async fn read(response: reqwest::Response) -> Result<Answer, reqwest::Error> {
    let header = |name: &str| {
        let value = response.headers().get(name)?;
        value.to_str().ok().map(str::to_owned)
    };
    let status = response.status();
    let content_type = header("content-type").unwrap_or_default();
    let etag = header("etag");
    let bytes = response.bytes().await?;
    Ok(Answer {
        status,
        content_type,
        etag,
        body: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
    })
}

/// The status, reason and message of one condition of an object.
pub fn condition(object: &Value, kind: &str) -> (String, String, String) {
    let conditions = object
        .get("conditions")
        .or_else(|| object["status"].get("conditions"))
        .and_then(Value::as_array)
        .unwrap_or_else(|| panic!("no conditions in {object:#}"));
    let found = conditions
        .iter()
        .find(|condition| condition["type"] == kind)
        .unwrap_or_else(|| panic!("no condition `{kind}` in {object:#}"));
    let text = |field: &str| found[field].as_str().unwrap_or_default().to_owned();
    (text("status"), text("reason"), text("message"))
}
