//! `ext.authz`: a service outside of the gateway decides about each request.
//!
//! It is asked as other proxies ask (nginx's `auth_request`, Traefik's forward authentication, Envoy's HTTP service), so that
//! services written for those serve here as well.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    error::Error,
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use gatehouse_schemas::{api, policy::ExtAuthzPolicy};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Limited};
use tokio::time::timeout;
use tracing::{debug, warn};

use super::complaint::Complaint;
use crate::{
    error::chain,
    proxy::{body::RequestBody, problem::Problem},
    upstream::{
        Endpoints, Upstream,
        line::Received,
        pool::Pool,
        send::{self, Answer},
    },
};

/// The largest answer that is given to a caller.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

const FORWARDED_METHOD: HeaderName = HeaderName::from_static("x-forwarded-method");
const FORWARDED_URI: HeaderName = HeaderName::from_static("x-forwarded-uri");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// What of a refusal's head the caller sees: what it has to do to get in.
const TOLD: [HeaderName; 4] = [
    header::CONTENT_TYPE,
    header::LOCATION,
    header::SET_COOKIE,
    header::WWW_AUTHENTICATE,
];

/// A compiled policy.
#[derive(Debug)]
pub(crate) struct External {
    service: Upstream,
    target: Uri,
    timeout: Duration,
    request_headers: Vec<HeaderName>,
    /// What only the service may say to the upstream.
    pub(crate) upstream_headers: Vec<HeaderName>,
    consumer_header: Option<HeaderName>,
    failed: Complaint,
}

/// The request that the service is asked about.
#[derive(Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) method: &'a Method,
    /// In its canonical form, which is what the upstream gets.
    pub(crate) path: &'a str,
    pub(crate) query: Option<&'a str>,
    pub(crate) host: &'a HeaderValue,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) address: IpAddr,
    pub(crate) secure: bool,
}

/// What the service says of a request that it lets through.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) consumer: Option<Arc<str>>,
    /// For the upstream.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
}

impl External {
    /// Compiles the policy.
    pub(crate) fn compile(policy: &ExtAuthzPolicy, endpoints: &Endpoints) -> Result<Self, String> {
        let uri: Uri = policy
            .url
            .parse()
            .map_err(|error| format!("URL `{}`: {error}", policy.url))?;
        let target = uri
            .path_and_query()
            .map_or_else(Uri::default, |path| Uri::from(path.clone()));
        let described = api::Upstream {
            timeout_ms: policy.timeout_ms,
            connect_timeout_ms: policy.timeout_ms,
            ..api::Upstream::at(policy.url.clone())
        };
        let service = Upstream::compile(&described, &BTreeMap::new(), endpoints)?;
        let names = |names: &[String]| names.iter().map(|text| name(text)).collect::<Result<Vec<_>, _>>();
        Ok(Self {
            service,
            target,
            timeout: Duration::from_millis(policy.timeout_ms.into()),
            request_headers: names(&policy.request_headers)?,
            upstream_headers: names(&policy.upstream_headers)?,
            consumer_header: policy.consumer_header.as_deref().map(name).transpose()?,
            failed: Complaint::new(),
        })
    }

    /// Asks the service. Nobody gets in while it does not answer.
    pub(crate) async fn check(&self, pool: &Pool, asked: Asked<'_>) -> Result<Verdict, Problem> {
        let request = self.question(&asked);
        let exchange = async {
            let answer = send::send(
                pool,
                &self.service,
                &self.service.first.endpoint,
                Instant::now(),
                self.timeout,
                request,
            )
            .await
            .map_err(|error| self.unavailable(&chain(&error)))?;
            self.read(pool, answer).await
        };
        timeout(self.timeout, exchange)
            .await
            .unwrap_or_else(|_| Err(self.unavailable("no answer in time")))
    }

    fn question(&self, asked: &Asked<'_>) -> Request<RequestBody> {
        let mut request = Request::new(RequestBody::Empty);
        *request.uri_mut() = self.target.clone();
        let headers = request.headers_mut();
        for name in &self.request_headers {
            for value in asked.headers.get_all(name) {
                headers.append(name.clone(), value.clone());
            }
        }
        // After those of the caller, which may have the same names.
        let target = asked.query.map_or_else(
            || Cow::Borrowed(asked.path),
            |query| Cow::Owned(format!("{}?{query}", asked.path)),
        );
        let own = [
            (FORWARDED_METHOD, asked.method.as_str()),
            (FORWARDED_URI, &target),
            (FORWARDED_PROTO, if asked.secure { "https" } else { "http" }),
            (FORWARDED_FOR, &asked.address.to_canonical().to_string()),
        ];
        for (name, text) in own {
            match HeaderValue::from_str(text) {
                Ok(value) => drop(headers.insert(name, value)),
                Err(_) => drop(headers.remove(name)),
            }
        }
        headers.insert(FORWARDED_HOST, asked.host.clone());
        headers.insert(header::HOST, self.service.first.endpoint.authority.clone());
        request
    }

    /// The answer to its end, after which its connection is free again.
    async fn read(&self, pool: &Pool, answer: Answer) -> Result<Verdict, Problem> {
        let (head, mut body) = answer.response.into_parts();
        let whole = whole(&mut body).await;
        let whole =
            whole.map_err(|error| self.unavailable(&format!("its answer cannot be read: {error}")))?;
        if let Some(line) = body.take_line() {
            let until = Instant::now() + self.service.idle_timeout;
            pool.put(self.service.first.endpoint.id, line, until);
        }
        if head.status.is_success() {
            return Ok(self.verdict(&head.headers));
        }
        match head.status.is_redirection() || head.status.is_client_error() {
            true => Err(refused(head.status, &head.headers, whole)),
            false => Err(self.unavailable(&format!("it answered {}", head.status))),
        }
    }

    fn unavailable(&self, reason: &str) -> Problem {
        let target = &self.target;
        if self.failed.is_due() {
            warn!(authorizer.target = %target, reason, "The service that authorises requests does not decide; they are refused");
        } else {
            debug!(authorizer.target = %target, reason, "A request was not decided on");
        }
        Problem::authorizer_unavailable(
            "The service that authorises requests does not answer; try again later.",
        )
    }

    fn verdict(&self, answered: &HeaderMap) -> Verdict {
        let consumer = self.consumer_header.as_ref();
        let consumer = consumer.and_then(|name| answered.get(name)?.to_str().ok());
        let all = |name| answered.get_all(name).iter().map(move |value| (name, value));
        let headers = self.upstream_headers.iter().flat_map(all);
        Verdict {
            consumer: consumer.map(Arc::from),
            headers: headers
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
        }
    }
}

fn name(text: &str) -> Result<HeaderName, String> {
    text.parse().map_err(|_| format!("`{text}` is not a header name"))
}

async fn whole(body: &mut Received) -> Result<Bytes, Box<dyn Error + Send + Sync>> {
    let body = Limited::new(body, MAX_ANSWER_BYTES).collect().await?;
    Ok(body.to_bytes())
}

/// What the service itself says to the caller.
fn refused(status: StatusCode, answered: &HeaderMap, body: Bytes) -> Problem {
    let mut problem = Problem::forbidden("The request is not authorised.").answered(status, body);
    for name in TOLD {
        for value in answered.get_all(&name) {
            problem = problem.with(name.clone(), value.clone());
        }
    }
    problem
}
