//! A client of the Agent API: one typed method per request, one attempt each.
//!
//! Holding tokens, retrying and deciding what a refusal means are the caller's.

use std::{net::IpAddr, time::Duration};

use gatehouse_schemas::identity::{DeploymentId, DiscoveryId, EnvironmentId, Generation, TaskId};
use reqwest::{Client, Method, RequestBuilder, StatusCode, Url, header, redirect};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;

use crate::{
    agent::{
        DeploymentReport, DiscoveryCompletion, DiscoveryWish, DiscoveryWishAnswer, EnrollRequest,
        EnrollResponse, InventoryResponse, ObservationsReport, SecretsRequest, SecretsResponse,
        SessionRequest, SessionResponse, StepReport, TaskReport, TokenRequest, TokenResponse, WorkResponse,
    },
    problem::{Problem, ProblemKind},
};

/// The media type of a page of findings: one JSON value per line.
pub const NDJSON_MEDIA_TYPE: &str = "application/x-ndjson";

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// What became of a request that did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum AgentApiError {
    /// The address is not one of a control plane.
    #[error("`{address}` is not the address of a control plane: {reason}")]
    Address {
        /// As given.
        address: String,
        /// What is wrong and what would be right.
        reason: String,
    },
    /// No answer came.
    #[error("no answer from the control plane at {base}")]
    Unreachable {
        /// Where it was looked for.
        base: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// The control plane refused and said why.
    #[error("{}", problem.detail)]
    Refused {
        /// In its words.
        problem: Box<Problem>,
    },
    /// An answer came that no control plane gives; a proxy may have given it.
    #[error("the answer from {base} (HTTP {status}) is not a control plane's: {detail}")]
    NotUnderstood {
        /// Where the request went.
        base: String,
        /// The answer's status.
        status: u16,
        /// What is wrong with it.
        detail: String,
    },
}

impl AgentApiError {
    /// The status of the answer, if one came.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Address { .. } | Self::Unreachable { .. } => None,
            Self::Refused { problem } => Some(problem.status),
            Self::NotUnderstood { status, .. } => Some(*status),
        }
    }

    /// Whether it is a refusal of this kind.
    pub fn is(&self, kind: ProblemKind) -> bool {
        matches!(self, Self::Refused { problem } if problem.r#type == kind.problem("").r#type)
    }

    /// Whether the same request can succeed later without anybody changing anything.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Address { .. } => false,
            Self::Unreachable { .. } => true,
            Self::Refused { .. } | Self::NotUnderstood { .. } => {
                matches!(self.status(), Some(408 | 425 | 429 | 500..))
            }
        }
    }
}

/// Speaks with one control plane. Connections are kept and shared by clones.
#[derive(Debug, Clone)]
pub struct AgentClient {
    http: Client,
    base: String,
}

impl AgentClient {
    /// A client of the control plane at an `http` or `https` address. Redirects are not followed: the
    /// agent's token goes to the control plane and nowhere else.
    pub fn new(address: &str) -> Result<Self, AgentApiError> {
        let refuse = |reason: String| AgentApiError::Address {
            address: address.to_owned(),
            reason,
        };
        let url = Url::parse(address).map_err(|error| refuse(error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(refuse("use http:// or https://".to_owned()));
        }
        let http = client_for(&url).map_err(|error| refuse(error.to_string()))?;
        Ok(Self {
            http,
            base: url.as_str().trim_end_matches('/').to_owned(),
        })
    }

    /// Where requests go.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Registers an agent with a join token.
    pub async fn enroll(&self, request: &EnrollRequest) -> Result<EnrollResponse, AgentApiError> {
        self.read(self.post("enroll").json(request)).await
    }

    /// Exchanges the agent's key for a short-lived token.
    pub async fn token(&self, request: &TokenRequest) -> Result<TokenResponse, AgentApiError> {
        self.read(self.post("token").json(request)).await
    }

    /// Announces the connector and agrees on a protocol version.
    pub async fn session(
        &self,
        token: &SecretString,
        request: &SessionRequest,
    ) -> Result<SessionResponse, AgentApiError> {
        self.read(authorised(self.post("session"), token).json(request))
            .await
    }

    /// Waits until there is something new after a position, at most for `wait`.
    pub async fn work(
        &self,
        token: &SecretString,
        after: Generation,
        wait: Duration,
    ) -> Result<WorkResponse, AgentApiError> {
        let path = format!("work?after={after}&waitSeconds={}", wait.as_secs());
        let request = self.request(Method::GET, &path).timeout(wait + REQUEST_TIMEOUT);
        self.read(authorised(request, token)).await
    }

    /// Resolves secrets of an environment.
    pub async fn secrets(
        &self,
        token: &SecretString,
        environment: EnvironmentId,
        request: &SecretsRequest,
    ) -> Result<SecretsResponse, AgentApiError> {
        let path = format!("environments/{environment}/secrets");
        self.read(authorised(self.post(&path), token).json(request)).await
    }

    /// Reports on a deployment. The same report may be sent again.
    pub async fn report(
        &self,
        token: &SecretString,
        deployment: DeploymentId,
        report: &DeploymentReport,
    ) -> Result<(), AgentApiError> {
        let path = format!("deployments/{deployment}/status");
        self.send(authorised(self.post(&path), token).json(report))
            .await
            .map(drop)
    }

    /// Records a step before or after it is taken. The same record may be sent again.
    pub async fn step(
        &self,
        token: &SecretString,
        deployment: DeploymentId,
        report: &StepReport,
    ) -> Result<(), AgentApiError> {
        let path = format!("deployments/{deployment}/steps");
        self.send(authorised(self.post(&path), token).json(report))
            .await
            .map(drop)
    }

    /// Tells what was observed of deployments, at most 100 at a time. The same may be told again.
    pub async fn observations(
        &self,
        token: &SecretString,
        environment: EnvironmentId,
        report: &ObservationsReport,
    ) -> Result<(), AgentApiError> {
        let path = format!("environments/{environment}/observations");
        self.send(authorised(self.post(&path), token).json(report))
            .await
            .map(drop)
    }

    /// Answers a task. The same answer may be sent again.
    pub async fn task_result(
        &self,
        token: &SecretString,
        task: TaskId,
        report: &TaskReport,
    ) -> Result<(), AgentApiError> {
        let path = format!("tasks/{task}/result");
        self.send(authorised(self.post(&path), token).json(report))
            .await
            .map(drop)
    }

    /// The versions of an environment's APIs that are known, by the gateway's own identity.
    pub async fn inventory(
        &self,
        token: &SecretString,
        environment: EnvironmentId,
    ) -> Result<InventoryResponse, AgentApiError> {
        let path = format!("environments/{environment}/inventory");
        let request = self.request(Method::GET, &path);
        self.read(authorised(request, token)).await
    }

    /// Sends the last page of findings; see [`Self::discovery_page_at`].
    pub async fn discovery_page(
        &self,
        token: &SecretString,
        discovery: DiscoveryId,
        number: u32,
        lines: Vec<u8>,
    ) -> Result<(), AgentApiError> {
        self.discovery_page_at(token, discovery, number, None, lines)
            .await
    }

    /// Sends one page of findings: NDJSON of
    /// [`DiscoveredItem`](gatehouse_schemas::observed::DiscoveredItem). Pages are numbered from 1; the same
    /// page may be sent again. `position` is where the listing goes on after it; none after its end.
    pub async fn discovery_page_at(
        &self,
        token: &SecretString,
        discovery: DiscoveryId,
        number: u32,
        position: Option<&str>,
        lines: Vec<u8>,
    ) -> Result<(), AgentApiError> {
        let path = format!(
            "discoveries/{discovery}/pages/{number}{}",
            position_query(position)
        );
        let request = authorised(self.post(&path), token)
            .header(header::CONTENT_TYPE, NDJSON_MEDIA_TYPE)
            .body(lines);
        self.send(request).await.map(drop)
    }

    /// Asks for a discovery of an environment, since its gateway told of a change.
    pub async fn wish_discovery(
        &self,
        token: &SecretString,
        environment: EnvironmentId,
        wish: &DiscoveryWish,
    ) -> Result<DiscoveryWishAnswer, AgentApiError> {
        let path = format!("environments/{environment}/discoveries");
        self.read(authorised(self.post(&path), token).json(wish)).await
    }

    /// Finishes a discovery. The same completion may be sent again.
    pub async fn complete_discovery(
        &self,
        token: &SecretString,
        discovery: DiscoveryId,
        completion: &DiscoveryCompletion,
    ) -> Result<(), AgentApiError> {
        let path = format!("discoveries/{discovery}/completion");
        self.send(authorised(self.post(&path), token).json(completion))
            .await
            .map(drop)
    }

    fn post(&self, path: &str) -> RequestBuilder {
        self.request(Method::POST, path)
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http
            .request(method, format!("{}/agent/v1/{path}", self.base))
            .timeout(REQUEST_TIMEOUT)
    }

    async fn read<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, AgentApiError> {
        let (status, body) = self.send(request).await?;
        serde_json::from_slice(&body).map_err(|error| self.not_understood(status.as_u16(), error.to_string()))
    }

    async fn send(&self, request: RequestBuilder) -> Result<(StatusCode, Vec<u8>), AgentApiError> {
        let unreachable = |source: reqwest::Error| AgentApiError::Unreachable {
            base: self.base.clone(),
            source: source.without_url(),
        };
        let response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        let body = response.bytes().await.map_err(unreachable)?;
        if status.is_success() {
            return Ok((status, body.to_vec()));
        }
        Err(match serde_json::from_slice::<Problem>(&body) {
            Ok(problem) => AgentApiError::Refused {
                problem: Box::new(problem),
            },
            Err(_) => self.not_understood(status.as_u16(), "its body is not a problem document".to_owned()),
        })
    }

    fn not_understood(&self, status: u16, detail: String) -> AgentApiError {
        AgentApiError::NotUnderstood {
            base: self.base.clone(),
            status,
            detail,
        }
    }
}

/// Whether an address stays on this machine, so that nobody else can listen.
pub fn is_loopback(url: &Url) -> bool {
    let Some(host) = url.host_str() else {
        return false;
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

fn client_for(url: &Url) -> reqwest::Result<Client> {
    let builder = Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .redirect(redirect::Policy::none())
        .user_agent(concat!("gatehouse-agent/", env!("CARGO_PKG_VERSION")));
    // A proxy stands between machines, never between a machine and itself.
    let builder = if is_loopback(url) {
        builder.no_proxy()
    } else {
        builder
    };
    builder.build()
}

/// A connector's position may be any text.
fn position_query(position: Option<&str>) -> String {
    let Some(position) = position else {
        return String::new();
    };
    let mut query = "?position=".to_owned();
    for byte in position.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => query.push(byte.into()),
            _ => query.push_str(&format!("%{byte:02X}")),
        }
    }
    query
}

fn authorised(request: RequestBuilder, token: &SecretString) -> RequestBuilder {
    request.bearer_auth(token.expose_secret())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_http_and_https_addresses_only() {
        for (address, good) in [
            ("http://127.0.0.1:9090", true),
            ("https://control.example.com/", true),
            ("ftp://control.example.com", false),
            ("127.0.0.1:9090", false),
            ("", false),
        ] {
            assert_eq!(AgentClient::new(address).is_ok(), good, "{address}");
        }
    }

    #[test]
    fn knows_which_addresses_stay_on_this_machine() {
        for (address, loopback) in [
            ("http://127.0.0.1:1", true),
            ("http://localhost:1", true),
            ("http://[::1]:1", true),
            ("http://10.0.0.1", false),
            ("http://localhost.example.com", false),
        ] {
            assert_eq!(is_loopback(&Url::parse(address).unwrap()), loopback, "{address}");
        }
    }

    #[test]
    fn positions_travel_whole() {
        for position in ["", "memory-12", "a b+c&d=e#f?g%h/ü", "eyJrIjoiL29yZGVycyJ9=="] {
            let url = format!("http://127.0.0.1/pages/1{}", position_query(Some(position)));
            let url = Url::parse(&url).unwrap();
            let (name, value) = url.query_pairs().next().unwrap();
            assert_eq!((name.as_ref(), value.as_ref()), ("position", position));
        }
        assert_eq!(position_query(None), "");
    }

    #[test]
    fn tells_refusals_from_outages() {
        let refused = |kind: ProblemKind| AgentApiError::Refused {
            problem: Box::new(kind.problem("no")),
        };
        assert!(refused(ProblemKind::Stale).is(ProblemKind::Stale));
        assert!(!refused(ProblemKind::Stale).is(ProblemKind::WrongState));
        assert!(!refused(ProblemKind::Stale).is_temporary());
        assert!(refused(ProblemKind::Unavailable).is_temporary());
    }
}
