//! The HTTP client of the gateway's Admin API: one function for each of its operations.
//!
//! No other room knows that there is HTTP. A call is made once: when to try again is the runtime's business, and how
//! trouble becomes an error of ours is that of `error.rs`.

pub mod documents;

use std::time::Duration;

use gatehouse_connector_sdk::{
    context::Context,
    error::{Error, ErrorKind, Result, Retry},
    scheduler::Quotas,
    settings,
};
use reqwest::{
    Method, RequestBuilder, Response, Url,
    header::{HeaderMap, IF_MATCH, IF_NONE_MATCH, RETRY_AFTER},
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::de::DeserializeOwned;

use self::documents::{Api, Document, Listing, Refusal, Status};
use crate::{
    config::{ADMIN_TOKEN, ScaffoldSettings},
    error::{Call, Trouble, from_gateway},
};

/// The gateway's names of its operations; quotas and estimates go by them.
pub(crate) mod operations {
    pub(crate) const GET_STATUS: &str = "GetStatus";
    pub(crate) const LIST_APIS: &str = "ListApis";
    pub(crate) const GET_API: &str = "GetApi";
    pub(crate) const PUT_API: &str = "PutApi";
    pub(crate) const DELETE_API: &str = "DeleteApi";
}

/// How many APIs the gateway lists on a page at most.
pub(crate) const LONGEST_PAGE: usize = 100;

/// Speaks to one gateway for one piece of work.
#[derive(Debug)]
pub(crate) struct Client<'a> {
    http: &'a reqwest::Client,
    admin_url: Url,
    token: &'a SecretString,
    timeout: Duration,
    quotas: &'a dyn Quotas,
    environment: &'a str,
}

impl<'a> Client<'a> {
    /// A client for the gateway of an environment.
    pub(crate) fn new(http: &'a reqwest::Client, context: &'a Context) -> Result<Self> {
        let environment = &context.environment;
        let settings: ScaffoldSettings = settings::read(environment)?;
        let token = environment.credentials.get(ADMIN_TOKEN);
        let admin_url = Url::parse(&settings.admin_url).ok();
        let admin_url = admin_url.filter(|url| matches!(url.scheme(), "http" | "https"));
        Ok(Self {
            http,
            admin_url: admin_url.ok_or_else(|| no_url(environment.name.as_str(), &settings.admin_url))?,
            token: token.ok_or_else(|| no_credential(environment.name.as_str()))?,
            timeout: Duration::from_millis(settings.timeout_ms.into()),
            quotas: context.quotas.as_ref(),
            environment: environment.name.as_str(),
        })
    }

    /// Who answers, and what the credential may do.
    pub(crate) async fn status(&self) -> Result<Status> {
        let request = self.request(Method::GET, self.url(&["status"]));
        self.call(operations::GET_STATUS, "the gateway", request).await
    }

    /// A page of all APIs, or of those that carry a label with a value.
    pub(crate) async fn list(
        &self,
        position: Option<&str>,
        limit: usize,
        label: Option<(&str, &str)>,
    ) -> Result<Listing> {
        let mut url = self.url(&["apis"]);
        let limit = limit.clamp(1, LONGEST_PAGE).to_string();
        url.query_pairs_mut().append_pair("limit", &limit);
        if let Some(position) = position {
            url.query_pairs_mut().append_pair("position", position);
        }
        if let Some((name, value)) = label {
            url.query_pairs_mut()
                .append_pair("label", &format!("{name}={value}"));
        }
        let request = self.request(Method::GET, url);
        self.call(operations::LIST_APIS, "the APIs", request).await
    }

    /// An API; none only if the gateway says that it is not there.
    pub(crate) async fn get(&self, id: &str) -> Result<Option<Api>> {
        let request = self.request(Method::GET, self.url(&["apis", id]));
        match self.call(operations::GET_API, id, request).await {
            Ok(api) => Ok(Some(api)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes an API that is not there, or replaces the version that was seen; never anything else.
    pub(crate) async fn put(&self, id: &str, document: &Document, seen: Option<u64>) -> Result<Api> {
        let request = self.request(Method::PUT, self.url(&["apis", id]));
        let request = match seen {
            None => request.header(IF_NONE_MATCH, "*"),
            Some(version) => request.header(IF_MATCH, format!("\"{version}\"")),
        };
        self.call(operations::PUT_API, id, request.json(document)).await
    }

    /// Removes the version that was seen. What is gone is removed.
    pub(crate) async fn delete(&self, id: &str, seen: u64) -> Result<()> {
        let request = self.request(Method::DELETE, self.url(&["apis", id]));
        let request = request.header(IF_MATCH, format!("\"{seen}\""));
        match self.call(operations::DELETE_API, id, request).await {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }

    fn url(&self, path: &[&str]) -> Url {
        let mut url = self.admin_url.clone();
        // Each part is escaped, so that an id with a slash stays one part. A URL of http always has parts.
        if let Ok(mut parts) = url.path_segments_mut() {
            parts.pop_if_empty().extend(path);
        }
        url
    }

    fn request(&self, method: Method, url: Url) -> RequestBuilder {
        let request = self.http.request(method, url).timeout(self.timeout);
        request.bearer_auth(self.token.expose_secret())
    }

    /// Makes one call when the account's quotas allow it, and tells them what came of it.
    async fn call<T: DeserializeOwned>(
        &self,
        operation: &'static str,
        object: &str,
        request: RequestBuilder,
    ) -> Result<T> {
        self.quotas.acquire(operation).await?;
        let call = Call {
            operation,
            object,
            gateway: self.admin_url.as_str(),
            environment: self.environment,
        };
        let result = exchange(request).await;
        let result = result.map_err(|trouble| from_gateway(call, trouble));
        match &result {
            Err(error) if error.kind() == ErrorKind::RateLimited => {
                self.quotas.throttled(operation, asked_to_wait(error));
            }
            _ => self.quotas.succeeded(operation),
        }
        result
    }
}

async fn exchange<T: DeserializeOwned>(request: RequestBuilder) -> std::result::Result<T, Trouble> {
    let response = request.send().await.map_err(Trouble::NoAnswer)?;
    if !response.status().is_success() {
        return Err(refused(response).await);
    }
    let body = response.bytes().await.map_err(Trouble::NoAnswer)?;
    // A removal is answered without a body.
    let body = if body.is_empty() { &b"null"[..] } else { &body };
    serde_json::from_slice(body).map_err(Trouble::Unreadable)
}

async fn refused(response: Response) -> Trouble {
    let status = response.status().as_u16();
    let retry_after = retry_after(response.headers());
    let body = response.bytes().await.unwrap_or_default();
    Trouble::Refused {
        status,
        // Whatever stands between us and the gateway may answer in words of its own.
        refusal: serde_json::from_slice::<Refusal>(&body).unwrap_or_default(),
        retry_after,
    }
}

/// When to come back, in seconds; a date in its place is left to the runtime's own pauses.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?;
    seconds.trim().parse().ok().map(Duration::from_secs)
}

fn asked_to_wait(error: &Error) -> Option<Duration> {
    match error.retry() {
        Retry::After(wait) => Some(wait),
        Retry::Never | Retry::Backoff => None,
    }
}

fn no_credential(environment: &str) -> Error {
    Error::new(
        ErrorKind::Unauthorized,
        format!(
            "environment `{environment}` has no credential `{ADMIN_TOKEN}`; add it to `spec.credentials`"
        ),
    )
}

fn no_url(environment: &str, url: &str) -> Error {
    Error::new(
        ErrorKind::Invalid,
        format!(
            "`{url}` is not an http or https URL; correct `spec.settings.adminUrl` of environment `{environment}`"
        ),
    )
}
