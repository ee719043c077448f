//! Asking an authorization server about tokens: each token once at a time, whoever waits for the answer.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use gatehouse_schemas::policy::OAuth2Policy;
use http::{HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::Full;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use quick_cache::{Weighter, sync::Cache};
use tokio::{runtime::Handle, sync::watch, time::timeout};
use tracing::{debug, warn};

use super::answer::Answer;
use crate::{
    config::Secret,
    error::chain,
    policy::{
        api_key::{Hash, sha256},
        complaint::Complaint,
    },
    upstream::{
        Endpoints,
        fetch::{Connections, FetchError},
    },
};

/// How long one question may take, connecting included.
const ASK_TIME: Duration = Duration::from_secs(5);

/// The longest an inactive token is remembered, in seconds: it may be one that is about to become active.
const NEGATIVE_SECONDS: u32 = 10;

/// The most tokens asked about at the same time; whoever floods us with others does not flood the server.
const MAX_ASKING: usize = 256;

/// What all remembered answers of one server take up at most, in bytes.
const REMEMBERED_BYTES: u64 = 8 * 1024 * 1024;

/// What stays as it is in a form and in the credentials of a client (RFC 6749, appendix B).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Asks one authorization server as one client. Policies with the same server and client share one.
#[derive(Debug)]
pub(crate) struct Introspection {
    uri: Uri,
    authorization: HeaderValue,
    connections: Connections,
    runtime: Handle,
    remembered: Cache<Hash, Arc<Told>, ByBytes>,
    asking: Mutex<HashMap<Hash, watch::Receiver<Outcome>>>,
    failed: Complaint,
}

/// What was said, and when it was asked for.
#[derive(Debug)]
struct Told {
    answer: Arc<Answer>,
    asked: Instant,
}

/// How a question ended, once it has.
#[derive(Debug, Clone)]
enum Outcome {
    Open,
    Told(Arc<Answer>),
    Failed,
}

#[derive(Debug, Clone)]
struct ByBytes;

impl Weighter<Hash, Arc<Told>> for ByBytes {
    fn weight(&self, _: &Hash, told: &Arc<Told>) -> u64 {
        told.answer.weight()
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
enum AskError {
    #[error(transparent)]
    Exchange(#[from] FetchError),
    #[error("it answers {0} to the gateway's client; are its id and secret right?")]
    Client(StatusCode),
    #[error("its answer cannot be used: {0}")]
    Answer(String),
}

impl Introspection {
    /// What the server says of a token, or said no longer ago than this; none if it cannot be asked. All who ask about
    /// the same token at the same time get the same answer.
    pub(super) async fn ask(self: &Arc<Self>, token: &str, keep_seconds: u32) -> Option<Arc<Answer>> {
        let hash = sha256(token.as_bytes());
        if let Some(answer) = self.remembered(&hash, keep_seconds) {
            return Some(answer);
        }
        let mut asking = self.join(hash, token, keep_seconds)?;
        let outcome = asking.wait_for(|outcome| !matches!(outcome, Outcome::Open)).await;
        match outcome.as_deref() {
            Ok(Outcome::Told(answer)) => Some(Arc::clone(answer)),
            _ => None,
        }
    }

    fn remembered(&self, hash: &Hash, keep_seconds: u32) -> Option<Arc<Answer>> {
        if keep_seconds == 0 {
            return None;
        }
        let told = self.remembered.get(hash)?;
        let seconds = match &*told.answer {
            Answer::Active(_) => keep_seconds,
            Answer::Inactive => keep_seconds.min(NEGATIVE_SECONDS),
        };
        let fresh = told.asked.elapsed() < Duration::from_secs(seconds.into());
        fresh.then(|| Arc::clone(&told.answer))
    }

    /// Waits for the question about this token, which is asked now if nobody has asked it.
    fn join(
        self: &Arc<Self>,
        hash: Hash,
        token: &str,
        keep_seconds: u32,
    ) -> Option<watch::Receiver<Outcome>> {
        let mut asking = self.asking.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = asking.get(&hash) {
            return Some(open.clone());
        }
        if asking.len() >= MAX_ASKING {
            self.report("too many tokens are being asked about at once");
            return None;
        }
        let (told, open) = watch::channel(Outcome::Open);
        asking.insert(hash, open.clone());
        let question = Question {
            introspection: Arc::clone(self),
            hash,
            keep: keep_seconds > 0,
        };
        let token = token.to_owned();
        self.runtime.spawn(async move {
            let outcome = question.answer(&token).await;
            // Whoever asks from now on asks anew.
            drop(question);
            told.send_replace(outcome);
        });
        Some(open)
    }

    async fn exchange(&self, token: &str) -> Result<Answer, AskError> {
        let exchange = self.connections.send(self.request(token));
        let (status, body) = timeout(ASK_TIME, exchange)
            .await
            .unwrap_or(Err(FetchError::Timeout))?;
        match status {
            StatusCode::OK => {}
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => return Err(AskError::Client(status)),
            status => return Err(FetchError::Status(status).into()),
        }
        let document = serde_json::from_slice(&body).map_err(FetchError::Json)?;
        Answer::read(&document).map_err(AskError::Answer)
    }

    fn request(&self, token: &str) -> Request<Full<Bytes>> {
        let token = utf8_percent_encode(token, ENCODED);
        let form = format!("token={token}&token_type_hint=access_token");
        let mut request = Request::new(Full::new(Bytes::from(form)));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri.clone();
        let headers = request.headers_mut();
        headers.insert(header::AUTHORIZATION, self.authorization.clone());
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        headers.insert(header::CONTENT_TYPE, form);
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        request
    }

    /// A failure is told, but not once per request.
    fn report(&self, error: &str) {
        if self.failed.is_due() {
            warn!(
                introspection.uri = %self.uri, error,
                "The authorization server at `{}` cannot be asked about tokens, so nobody is let in with one: {error}", self.uri
            );
        } else {
            debug!(introspection.uri = %self.uri, error, "A token could not be asked about");
        }
    }
}

/// One question; when it goes away, it is no longer open.
struct Question {
    introspection: Arc<Introspection>,
    hash: Hash,
    keep: bool,
}

impl Question {
    async fn answer(&self, token: &str) -> Outcome {
        let asked = Instant::now();
        match self.introspection.exchange(token).await {
            Ok(answer) => {
                let answer = Arc::new(answer);
                if self.keep {
                    let told = Told {
                        answer: Arc::clone(&answer),
                        asked,
                    };
                    self.introspection.remembered.insert(self.hash, Arc::new(told));
                }
                Outcome::Told(answer)
            }
            Err(error) => {
                self.introspection.report(&chain(&error));
                Outcome::Failed
            }
        }
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        let asking = self.introspection.asking.lock();
        asking.unwrap_or_else(PoisonError::into_inner).remove(&self.hash);
    }
}

/// What makes two policies ask the same server as the same client: the URL, the client, a hash of its secret.
type Identity = (String, String, Hash);

/// All that are in use.
#[derive(Debug)]
pub(crate) struct Introspections {
    runtime: Handle,
    known: Mutex<HashMap<Identity, Weak<Introspection>>>,
}

impl Introspections {
    /// Questions will be asked on this runtime.
    pub(crate) fn new(runtime: Handle) -> Self {
        Self {
            runtime,
            known: Mutex::default(),
        }
    }

    /// The one for a policy. Nothing is asked yet.
    pub(crate) fn get(
        &self,
        policy: &OAuth2Policy,
        secret: Option<&Secret>,
        endpoints: &Endpoints,
    ) -> Result<Arc<Introspection>, String> {
        let secret = secret.ok_or_else(|| {
            let name = &policy.client_secret_ref;
            format!(
                "the value of secret `{name}` is missing; does the secret exist? If so, deploy the API again"
            )
        })?;
        let identity = (
            policy.introspection_url.clone(),
            policy.client_id.clone(),
            sha256(secret.expose().as_bytes()),
        );
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(introspection) = known.get(&identity).and_then(Weak::upgrade) {
            return Ok(introspection);
        }
        let introspection = Arc::new(self.introspection(policy, secret, endpoints)?);
        known.retain(|_, introspection| introspection.strong_count() > 0);
        known.insert(identity, Arc::downgrade(&introspection));
        Ok(introspection)
    }

    fn introspection(
        &self,
        policy: &OAuth2Policy,
        secret: &Secret,
        endpoints: &Endpoints,
    ) -> Result<Introspection, String> {
        let url = &policy.introspection_url;
        let uri: Uri = url
            .parse()
            .map_err(|error| format!("introspection URL `{url}`: {error}"))?;
        let endpoint = endpoints
            .endpoint(&uri)
            .map_err(|reason| format!("introspection {reason}"))?;
        Ok(Introspection {
            connections: Connections::to(endpoint),
            uri,
            authorization: credentials(&policy.client_id, secret)?,
            runtime: self.runtime.clone(),
            remembered: Cache::with_weighter(4_096, REMEMBERED_BYTES, ByBytes),
            asking: Mutex::default(),
            failed: Complaint::new(),
        })
    }
}

/// As whom the gateway asks (RFC 6749, section 2.3.1).
fn credentials(client: &str, secret: &Secret) -> Result<HeaderValue, String> {
    let encode = |text| utf8_percent_encode(text, ENCODED);
    let pair = format!("{}:{}", encode(client), encode(secret.expose()));
    let value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(pair)));
    let mut value = value.map_err(|_| "the client cannot be named in a header".to_owned())?;
    value.set_sensitive(true);
    Ok(value)
}
