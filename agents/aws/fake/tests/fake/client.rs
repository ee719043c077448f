//! A client of the fake: says who it is, and holds every answer against the official model.

use gatehouse_fake_aws::{FakeAws, FakeAwsOptions, Service};
use serde_json::{Value, json};

use crate::model::{Answered, models};

pub(crate) const KEY: &str = "AKIAIOSFODNN7EXAMPLE";
pub(crate) const REGION: &str = "eu-central-1";

/// A fake, and somebody who calls it.
pub(crate) struct Client {
    pub(crate) aws: FakeAws,
    pub(crate) access_key: String,
    pub(crate) region: String,
    pub(crate) token: Option<String>,
    http: reqwest::Client,
}

/// An answer of the control plane.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) error: Option<String>,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Value,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn id(&self) -> String {
        assert!(self.status < 300, "{self:?}");
        self.body["id"].as_str().expect("an id").to_owned()
    }

    /// The name of the error, and what it says.
    pub(crate) fn refusal(&self) -> (u16, &str, &str) {
        let error = self.error.as_deref().unwrap_or_default();
        (
            self.status,
            error,
            self.body["message"].as_str().unwrap_or_default(),
        )
    }

    pub(crate) fn ok(self) -> Value {
        assert!(self.status < 300, "{self:?}");
        self.body
    }
}

impl Client {
    pub(crate) async fn start() -> Self {
        Self::with(FakeAwsOptions::default()).await
    }

    pub(crate) async fn with(options: FakeAwsOptions) -> Self {
        Self {
            aws: FakeAws::start(options).await.expect("a free port"),
            access_key: KEY.to_owned(),
            region: REGION.to_owned(),
            token: None,
            http: reqwest::Client::builder()
                .no_proxy()
                .redirect(reqwest::redirect::Policy::none())
                .build()
                .unwrap(),
        }
    }

    /// A call, or nothing if it ends without an answer.
    pub(crate) async fn try_call(&self, method: &str, path: &str, body: &Value) -> Option<Answer> {
        let credential = format!(
            "{}/20261122/{}/apigateway/aws4_request",
            self.access_key, self.region
        );
        let signature = format!("AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host, Signature=0");
        let url = format!("{}{path}", self.aws.control_url());
        let request = self
            .http
            .request(method.parse().unwrap(), url)
            .header("authorization", signature);
        let request = match &self.token {
            Some(token) => request.header("x-amz-security-token", token),
            None => request,
        };
        let request = match body {
            Value::Null => request,
            body => request.body(body.to_string()),
        };
        let response = request.send().await.ok()?;
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let error = headers
            .get("x-amzn-errortype")
            .map(|error| error.to_str().unwrap().to_owned());
        let text = response.text().await.unwrap();
        let answer = Answer {
            status,
            error,
            headers,
            body: serde_json::from_str(&text).unwrap_or_default(),
            text,
        };
        self.check(method, path, &answer);
        Some(answer)
    }

    pub(crate) async fn call(&self, method: &str, path: &str, body: Value) -> Answer {
        let answer = self.try_call(method, path, &body).await;
        answer.unwrap_or_else(|| panic!("{method} {path} has no answer"))
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, Value::Null).await
    }

    /// A call without a signature: status and body.
    pub(crate) async fn raw(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let url = format!("{}{path}", self.aws.control_url());
        let request = self.http.request(method.parse().unwrap(), url);
        let request = if body.is_null() {
            request
        } else {
            request.body(body.to_string())
        };
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        (
            status,
            serde_json::from_str(&response.text().await.unwrap()).unwrap_or_default(),
        )
    }

    /// A call of STS: status and XML.
    pub(crate) async fn form(&self, form: &str) -> (u16, String) {
        let credential = format!("{}/20261122/{}/sts/aws4_request", self.access_key, self.region);
        let signature = format!("AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host, Signature=0");
        let request = self
            .http
            .post(self.aws.control_url())
            .header("authorization", signature);
        let request = match &self.token {
            Some(token) => request.header("x-amz-security-token", token),
            None => request,
        };
        let response = request.body(form.to_owned()).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    pub(crate) async fn patch(&self, path: &str, patches: &[(&str, &str, &str)]) -> Answer {
        let patches = patches.iter().map(|(op, path, value)| match *op {
            "remove" if value.is_empty() => json!({ "op": op, "path": path }),
            _ => json!({ "op": op, "path": path, "value": value }),
        });
        let patches: Vec<Value> = patches.collect();
        self.call("PATCH", path, json!({ "patchOperations": patches }))
            .await
    }

    /// A consumer's request to what is deployed.
    pub(crate) async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Consumed {
        self.send(method, path, headers, "").await
    }

    /// The same with a body.
    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Consumed {
        let url = format!("{}{path}", self.aws.data_url());
        let mut request = self
            .http
            .request(method.parse().unwrap(), url)
            .body(body.to_owned());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::from(text));
        Consumed {
            status,
            headers,
            body,
        }
    }

    fn check(&self, method: &str, path: &str, answer: &Answer) {
        let Some(models) = models() else { return };
        let call = self.aws.calls().pop().expect("the call that was just made");
        let service = if path.starts_with("/v2/") {
            Service::Http
        } else {
            Service::Rest
        };
        if models.route(service, &call.operation).is_none() {
            return;
        }
        let answered = Answered {
            status: answer.status,
            error: answer.error.as_deref(),
            body: answer.text.as_bytes(),
        };
        let problems = models.problems(service, &call.operation, &answered);
        assert!(
            problems.is_empty(),
            "{method} {path}: {problems:#?} in {}",
            answer.text
        );
    }
}

/// What a consumer is answered.
#[derive(Debug)]
pub(crate) struct Consumed {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Value,
}

impl Consumed {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}
