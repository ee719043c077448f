//! Calls of the vendor's API: each waits for its permit, and is repeated when the vendor asks to slow down.

use std::{collections::BTreeMap, time::Duration};

use gatehouse_connector_sdk::{
    context::Context,
    error::{Error, ErrorKind, Result},
    scheduler, settings,
};
use reqwest::{Method, RequestBuilder, header::HeaderMap};
use secrecy::ExposeSecret;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use super::{
    config::{KEY, SimulatedSettings},
    error::{Refusal, refused, unanswered, unreadable},
    form::{Form, FormPolicy, FormRoute, FormSettings},
};

/// An account of the vendor, for one piece of work.
#[derive(Debug)]
pub(super) struct Client<'a> {
    http: &'a reqwest::Client,
    pub(super) settings: SimulatedSettings,
    pub(super) context: &'a Context,
}

/// A call to make.
pub(super) struct Request<'a> {
    pub(super) operation: &'static str,
    pub(super) method: Method,
    /// Below `/v1`.
    pub(super) path: String,
    /// What it is about, for messages.
    pub(super) object: &'a str,
    pub(super) body: Option<&'a Value>,
    /// A precondition: a header and its value.
    pub(super) condition: Option<(&'static str, String)>,
}

impl<'a> Request<'a> {
    pub(super) fn new(operation: &'static str, method: Method, path: String, object: &'a str) -> Self {
        Self {
            operation,
            method,
            path,
            object,
            body: None,
            condition: None,
        }
    }

    pub(super) fn with_body(mut self, body: &'a Value) -> Self {
        self.body = Some(body);
        self
    }
}

impl<'a> Client<'a> {
    pub(super) fn new(http: &'a reqwest::Client, context: &'a Context) -> Result<Self> {
        Ok(Self {
            http,
            settings: settings::read(&context.environment)?,
            context,
        })
    }

    /// Makes a call that is answered with JSON.
    pub(super) async fn read<T: DeserializeOwned>(&self, request: Request<'_>) -> Result<T> {
        let (operation, object) = (request.operation, request.object);
        let body = self.send(request).await?;
        serde_json::from_slice(&body).map_err(|error| unreadable(operation, object, error))
    }

    /// Makes a call; the body of a good answer. One that was refused for its rate is made again in its next turn.
    pub(super) async fn send(&self, request: Request<'_>) -> Result<Vec<u8>> {
        let quotas = self.context.quotas.as_ref();
        scheduler::call(quotas, request.operation, || self.attempt(&request)).await
    }

    async fn attempt(&self, request: &Request<'_>) -> Result<Vec<u8>> {
        let lost = |error| unanswered(request.operation, request.object, &self.settings.url, error);
        let response = self.prepared(request)?.send().await.map_err(lost)?;
        let status = response.status().as_u16();
        let wait = retry_after(response.headers());
        let body = response.bytes().await.map_err(lost)?.to_vec();
        if (200..300).contains(&status) {
            return Ok(body);
        }
        let refusal: Refusal = serde_json::from_slice(&body).unwrap_or_default();
        Err(refused(request.operation, request.object, status, &refusal, wait))
    }

    fn prepared(&self, request: &Request<'_>) -> Result<RequestBuilder> {
        let key = self.context.environment.credentials.get(KEY).ok_or_else(|| {
            Error::new(
                ErrorKind::Unauthorized,
                format!(
                    "environment `{}` names no credential `{KEY}`; add it to `spec.credentials`",
                    self.context.environment.name
                ),
            )
        })?;
        let url = format!("{}/v1{}", self.settings.url.trim_end_matches('/'), request.path);
        let mut prepared = self
            .http
            .request(request.method.clone(), url)
            .timeout(self.settings.request_timeout())
            .bearer_auth(key.expose_secret());
        if let Some((name, value)) = &request.condition {
            prepared = prepared.header(*name, value);
        }
        if let Some(body) = request.body {
            prepared = prepared.json(body);
        }
        Ok(prepared)
    }

    /// Waits, unless the work is cancelled.
    pub(super) async fn pause(&self, time: Duration) -> Result<()> {
        let slept = self
            .context
            .cancellation
            .run_until_cancelled(tokio::time::sleep(time))
            .await;
        slept.ok_or_else(|| {
            Error::new(
                ErrorKind::Unavailable,
                "the work was cancelled while it waited for the vendor",
            )
        })
    }

    /// An API with what it serves; on request, with its draft.
    pub(super) async fn export(&self, id: &str, with_draft: bool) -> Result<Export> {
        let include = if with_draft { "&include=draft" } else { "" };
        let path = format!("/apis/{id}/export?stage={}{include}", self.settings.stage);
        let object = format!("API `{id}`");
        let export: Export = self
            .read(Request::new("GetExport", Method::GET, path, &object))
            .await?;
        Ok(export.sorted())
    }
}

/// When to come back: the vendor says it in milliseconds too.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.parse().ok();
    number("retry-after-ms")
        .map(Duration::from_millis)
        .or_else(|| number("retry-after").map(Duration::from_secs))
}

/// An entry of a listing.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Listed {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) etag: String,
    pub(super) created_at: u64,
    pub(super) stages: Vec<String>,
}

/// A page of a listing. A page without `items` is not a page.
#[derive(Debug, Deserialize)]
pub(super) struct Page {
    pub(super) items: Vec<Listed>,
    #[serde(default)]
    pub(super) position: Option<String>,
}

/// An API with what it serves.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Export {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) etag: String,
    pub(super) stages: BTreeMap<String, StageState>,
    /// The newest first.
    pub(super) deployments: Vec<DeploymentEntry>,
    #[serde(default)]
    pub(super) served: Option<Snapshot>,
    #[serde(default)]
    pub(super) draft: Option<Snapshot>,
}

/// What a stage points at.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StageState {
    pub(super) etag: String,
}

/// A deployment, without what it holds.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeploymentEntry {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) number: u64,
}

/// A draft, or a deployment with what it holds.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Snapshot {
    #[serde(default)]
    pub(super) id: String,
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    pub(super) tags: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) stage: Option<String>,
    #[serde(default)]
    pub(super) definition: Option<Value>,
    settings: FormSettings,
    routes: Vec<FormRoute>,
    policies: Vec<FormPolicy>,
}

impl Snapshot {
    /// In the normal form.
    pub(super) fn form(&self) -> Form {
        let form = Form {
            settings: self.settings.clone(),
            routes: self.routes.clone(),
            policies: self.policies.clone(),
        };
        form.sorted()
    }

    pub(super) fn tag(&self, name: &str) -> &str {
        self.tags.get(name).map(String::as_str).unwrap_or_default()
    }
}

impl Export {
    fn sorted(mut self) -> Self {
        self.deployments.sort_by_key(|it| std::cmp::Reverse(it.number));
        self
    }
}

impl Export {
    /// An object that was made just now: readers may not see it yet.
    pub(super) fn created(listed: Listed, draft: &Form) -> Self {
        Self {
            id: listed.id,
            name: listed.name,
            tags: listed.tags,
            etag: listed.etag,
            stages: BTreeMap::new(),
            deployments: Vec::new(),
            served: None,
            draft: Some(Snapshot {
                settings: draft.settings.clone(),
                ..Snapshot::default()
            }),
        }
    }
}
