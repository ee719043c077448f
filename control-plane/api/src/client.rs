//! A small client of the Admin API, for the command line and for tests.
//!
//! It sends one request per call and decodes the answer. It does not retry, and it decides nothing.

mod calls;
mod changes;
mod error;
mod gateways;

use std::time::Duration;

use reqwest::{Method, Url, header};
use secrecy::{ExposeSecret, SecretString};
use serde::{Serialize, de::DeserializeOwned};

pub use self::{calls::ListOptions, error::ClientError, gateways::OperationChoice};
use crate::problem::{Problem, ProblemKind};

/// The largest request body the Admin API takes, in bytes.
pub const BODY_LIMIT: usize = 32 * 1024 * 1024;

/// Speaks to one control plane with one token.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    server: Url,
    token: Option<SecretString>,
}

/// Where a client connects to, and as whom.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// The address of the Admin API, for example `http://127.0.0.1:9090`.
    pub server: String,
    /// The API token, if there is one.
    pub token: Option<SecretString>,
    /// How long a connection may take to be made.
    pub connect_timeout: Duration,
    /// How long a whole request may take.
    pub timeout: Duration,
}

impl ClientOptions {
    /// The usual timeouts: 5 seconds to connect, 120 seconds for a request with a large document.
    pub fn new(server: impl Into<String>, token: Option<SecretString>) -> Self {
        Self {
            server: server.into(),
            token,
            connect_timeout: Duration::from_secs(5),
            timeout: Duration::from_secs(120),
        }
    }
}

/// A request that has not been sent yet.
#[derive(Debug)]
pub struct Call {
    method: Method,
    path: Vec<String>,
    query: Vec<(String, String)>,
    body: Option<Vec<u8>>,
    if_match: Option<String>,
}

impl Call {
    /// A request for a path below `/api/v1`, given segment by segment.
    pub fn new<S: Into<String>>(method: Method, path: impl IntoIterator<Item = S>) -> Self {
        Self {
            method,
            path: path.into_iter().map(Into::into).collect(),
            query: Vec::new(),
            body: None,
            if_match: None,
        }
    }

    /// With a query parameter.
    #[must_use]
    pub fn query(mut self, name: &str, value: impl Into<String>) -> Self {
        self.query.push((name.to_owned(), value.into()));
        self
    }

    /// With a query parameter, if there is a value for it.
    #[must_use]
    pub fn query_if(self, name: &str, value: Option<impl Into<String>>) -> Self {
        match value {
            Some(value) => self.query(name, value),
            None => self,
        }
    }

    /// Only if the object still has this ETag.
    #[must_use]
    pub fn if_match(mut self, etag: impl Into<String>) -> Self {
        self.if_match = Some(etag.into());
        self
    }

    /// With a JSON body.
    pub fn json(mut self, body: &impl Serialize) -> Result<Self, ClientError> {
        let bytes = serde_json::to_vec(body).map_err(|source| ClientError::Encode { source })?;
        if bytes.len() > BODY_LIMIT {
            return Err(too_large(bytes.len()).into());
        }
        self.body = Some(bytes);
        Ok(self)
    }
}

fn too_large(length: usize) -> Problem {
    ProblemKind::TooLarge.problem(format!(
        "the request has {} MiB, the control plane takes {} MiB at most; split the documents or shorten them",
        length.div_ceil(1024 * 1024),
        BODY_LIMIT / (1024 * 1024),
    ))
}

impl Client {
    /// A client; nothing is connected yet.
    pub fn new(options: ClientOptions) -> Result<Self, ClientError> {
        let server = server_url(&options.server)?;
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("gatehouse/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(options.connect_timeout)
            .timeout(options.timeout)
            .redirect(reqwest::redirect::Policy::none());
        if is_loopback(&server) {
            // A proxy for the outside world has no way to this machine's own loopback.
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(|source| ClientError::Setup { source })?;
        Ok(Self {
            http,
            server,
            token: options.token,
        })
    }

    /// The control plane this client speaks to.
    pub fn server(&self) -> &Url {
        &self.server
    }

    /// Sends a request and decodes the answer.
    pub async fn send<T: DeserializeOwned>(&self, call: Call) -> Result<T, ClientError> {
        let url = self.url(&call);
        let body = self.exchange(call).await?;
        serde_json::from_slice(&body).map_err(|source| ClientError::Decode {
            url: url.to_string(),
            source,
        })
    }

    /// Sends a request whose answer has no content of interest.
    pub async fn send_for_nothing(&self, call: Call) -> Result<(), ClientError> {
        self.exchange(call).await.map(drop)
    }

    async fn exchange(&self, call: Call) -> Result<Vec<u8>, ClientError> {
        let url = self.url(&call);
        let mut request = self.http.request(call.method, url.clone());
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.expose_secret());
        }
        if let Some(etag) = call.if_match {
            request = request.header(header::IF_MATCH, etag);
        }
        if let Some(body) = call.body {
            request = request
                .header(header::CONTENT_TYPE, "application/json")
                .body(body);
        }
        let failed = |source| ClientError::transport(&self.server, source);
        let response = request.send().await.map_err(failed)?;
        let status = response.status();
        let body = response.bytes().await.map_err(failed)?;
        if status.is_success() {
            return Ok(body.into());
        }
        Err(ClientError::answer(&url, status.as_u16(), &body))
    }

    fn url(&self, call: &Call) -> Url {
        let mut url = self.server.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(["api", "v1"]).extend(&call.path);
        }
        if !call.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&call.query);
        }
        url
    }
}

fn server_url(server: &str) -> Result<Url, ClientError> {
    let invalid = |reason: &str| ClientError::InvalidServer {
        server: server.to_owned(),
        reason: reason.to_owned(),
    };
    let url = Url::parse(server).map_err(|error| invalid(&error.to_string()))?;
    match url.scheme() {
        "http" | "https" if url.has_host() => Ok(url),
        _ => Err(invalid("it must begin with `http://` or `https://`")),
    }
}

fn is_loopback(server: &Url) -> bool {
    let host = server.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || address
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(server: &str) -> Client {
        Client::new(ClientOptions::new(server, None)).unwrap()
    }

    #[test]
    fn puts_paths_below_the_server_and_escapes_segments() {
        let call = Call::new(Method::GET, ["apis", "a/b"]).query("labelSelector", "tier=public");
        let url = client("http://127.0.0.1:9090/").url(&call);
        assert_eq!(
            url.as_str(),
            "http://127.0.0.1:9090/api/v1/apis/a%2Fb?labelSelector=tier%3Dpublic"
        );
        let url = client("https://example.com/gatehouse").url(&Call::new(Method::GET, ["apis"]));
        assert_eq!(url.as_str(), "https://example.com/gatehouse/api/v1/apis");
    }

    #[test]
    fn refuses_servers_that_are_not_http() {
        for server in [
            "",
            "127.0.0.1:9090",
            "localhost:9090",
            "ftp://example.com",
            "http://",
        ] {
            let error = Client::new(ClientOptions::new(server, None)).unwrap_err();
            assert!(
                error.to_string().contains("control plane's address"),
                "{server}: {error}"
            );
        }
    }

    #[test]
    fn knows_loopback_servers() {
        for (server, expected) in [
            ("http://127.0.0.1:1", true),
            ("http://[::1]:1", true),
            ("http://localhost:1", true),
            ("http://10.0.0.1:1", false),
            ("https://example.com", false),
        ] {
            assert_eq!(is_loopback(&server_url(server).unwrap()), expected, "{server}");
        }
    }

    #[test]
    fn refuses_a_body_over_the_limit_before_sending_it() {
        let error = Call::new(Method::POST, ["apply"])
            .json(&"x".repeat(BODY_LIMIT))
            .unwrap_err();
        assert_eq!(error.status(), Some(413));
    }

    #[tokio::test]
    async fn says_which_server_refused_the_connection() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let error = client(&format!("http://{address}")).whoami().await.unwrap_err();
        assert!(matches!(error, ClientError::Unreachable { .. }), "{error:?}");
        assert!(error.to_string().contains(&address.to_string()), "{error}");
    }
}
