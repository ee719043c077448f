//! Sending a request to one of several endpoints, and again to another one if it failed and may be repeated.
//!
//! All of this happens before the caller has got the first byte of an answer.

use std::{
    net::IpAddr,
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri, header, request};
use hyper::body::Body as _;
use tokio::time::{timeout, timeout_at};
use tracing::debug;

use super::{
    Exchange,
    body::{RequestBody, ResponseBody},
    forward::Passed,
    problem::Problem,
    replay::Replay,
    upgrade::Pending,
};
use crate::{
    api::Route,
    policy::retry::{self, Retry},
    upstream::{
        Endpoint, Protocol, Upstream,
        choice::{Balancer, Choice, Key, Wish},
        hashed,
        send::{self, Answer, SendError},
        uptime,
    },
};

/// How often a request is sent again that an upstream has not looked at, without any policy.
const UNTOUCHED: u32 = 2;

/// A request that is about to be sent, once or more often.
struct Outgoing {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Replay,
    /// Whether it can be sent twice without anybody noticing: it changes nothing, and has no body.
    harmless: bool,
    /// The `Host` header is that of an endpoint, and changes with it.
    host_of_endpoint: bool,
}

/// How long an attempt may take.
#[derive(Debug, Clone, Copy)]
struct Time {
    began: Instant,
    /// To the head of the answer.
    whole: Duration,
    /// If it can be sent again then, connecting included.
    own: Option<Duration>,
}

impl Outgoing {
    fn new(
        parts: request::Parts,
        body: RequestBody,
        upgrades: bool,
        repeats: bool,
        host: &HeaderValue,
    ) -> Self {
        let empty = body.is_end_stream();
        Self {
            harmless: !upgrades && empty && parts.method.is_idempotent(),
            host_of_endpoint: parts.headers.get(header::HOST) == Some(host),
            body: match repeats {
                true => Replay::new(body),
                false => Replay::once(body),
            },
            method: parts.method,
            uri: parts.uri,
            headers: parts.headers,
        }
    }

    fn request(&mut self, host: &HeaderValue) -> Request<RequestBody> {
        if self.host_of_endpoint {
            self.headers.insert(header::HOST, host.clone());
        }
        let mut request = Request::new(self.body.play());
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        request
    }

    /// Whether it failed for want of its caller, who has not sent all of it. That says nothing of the endpoint.
    fn is_to_blame(&self, error: &SendError) -> bool {
        match error {
            SendError::Timeout | SendError::Broken(_) => error.is_ours() || self.body.is_awaited(),
            _ => false,
        }
    }
}

/// What has happened to a request so far.
#[derive(Default)]
struct History {
    /// Endpoints that failed it.
    tried: Vec<u64>,
    /// How often it was sent again because a policy says so.
    again: u32,
    /// How often it was sent again because nobody had looked at it.
    untouched: u32,
    /// It tried an endpoint that was out; it does so once at most.
    has_tried: bool,
}

impl Exchange<'_> {
    /// Sends a request on as often as its route allows and for as long as its caller waits. How long that is says
    /// nothing of an endpoint, so when the caller's time is over nothing is concluded.
    pub(super) async fn attempt(
        &mut self,
        route: &Route,
        parts: request::Parts,
        body: RequestBody,
        websocket: Option<Pending>,
    ) -> Result<Response<ResponseBody>, Problem> {
        let deadline = self.deadline;
        let attempts = self.attempts(route, parts, body, websocket);
        let Some(deadline) = deadline else {
            return attempts.await;
        };
        if let Ok(outcome) = timeout_at(deadline.into(), attempts).await {
            return outcome;
        }
        self.trace_outcome(&Err(SendError::Timeout));
        Err(self.failed(route, &SendError::Timeout))
    }

    async fn attempts(
        &mut self,
        route: &Route,
        parts: request::Parts,
        body: RequestBody,
        websocket: Option<Pending>,
    ) -> Result<Response<ResponseBody>, Problem> {
        let upstream = &*route.upstream;
        let covers = |retry: &&Retry| websocket.is_none() && retry.covers(&parts.method);
        let retry = route.chain.retry.as_deref().filter(covers);
        if retry.is_some() {
            upstream.first.endpoint.budget.earn();
        }
        let key = self.hash_key(upstream, &parts.headers);
        let host = &upstream.first.endpoint.authority;
        let mut outgoing = Outgoing::new(
            parts,
            body,
            websocket.is_some(),
            retry.is_some() || upstream.protocol != Protocol::Http1,
            host,
        );
        let mut history = History::default();
        // Where each attempt has a time of its own, all of them together have that of the request.
        let first = retry
            .is_some_and(|retry| retry.per_try.is_some())
            .then(Instant::now);
        let left = |whole: Duration| first.map_or(whole, |first| whole.saturating_sub(first.elapsed()));
        loop {
            let mut choice = upstream.choose(&Wish {
                now: uptime(),
                key,
                harmless: outgoing.harmless && !history.has_tried,
                tried: &history.tried,
            });
            let trial = choice.trial.is_some();
            let lease = upstream.lease(choice.member).await.map_err(|_| busy(route))?;
            let endpoint = &choice.member.endpoint;
            let mut request = outgoing.request(&endpoint.authority);
            self.trace_attempt(endpoint, &mut request);
            let began = Instant::now();
            let time = Time {
                began,
                whole: left(route.timeout()),
                own: retry.and_then(|retry| retry.per_try),
            };
            let outcome = self.once(upstream, endpoint, time, request, &outgoing).await;
            self.trace_outcome(&outcome);
            let ours = matches!(&outcome, Err(error) if outgoing.is_to_blame(error));
            if !ours {
                self.conclude(route, &mut choice, &outcome, began.elapsed());
            }
            let failed = failed(&outcome);
            let unwanted = failed || retry.is_some_and(|retry| retry.wants(&outcome));
            if unwanted && outgoing.body.is_whole() {
                let elsewhere = failed && trial && outgoing.harmless && upstream.members.len() > 1;
                let pause = match elsewhere {
                    true => Some(Duration::ZERO),
                    false if history.untouched < UNTOUCHED && is_untouched(&outcome) => {
                        history.untouched += 1;
                        Some(Duration::ZERO)
                    }
                    false => retry.and_then(|retry| pause(retry, upstream, &outcome, &mut history)),
                };
                if let Some(pause) = pause.filter(|pause| *pause < left(route.timeout())) {
                    debug!(upstream.endpoint = endpoint.name(), "Sending a request once more");
                    history.has_tried |= trial;
                    history.tried.push(endpoint.id);
                    if !elsewhere {
                        route.metrics.retry(self.client.worker.number);
                    }
                    self.trace_repeat();
                    drop((outcome, lease));
                    if !pause.is_zero() {
                        tokio::time::sleep(pause).await;
                    }
                    continue;
                }
            }
            let answer = outcome.map_err(|error| self.failed(route, &error))?;
            let passed = Passed {
                answer,
                endpoint: endpoint.id,
                lease: Some(lease),
            };
            return match &route.chain.transform {
                None => self.pass_back(route, passed, websocket),
                Some(transform) => self.transform_answer(route, transform, passed, websocket).await,
            };
        }
    }

    /// Sends a request. It is given up after the time of an attempt if it can be sent again then.
    async fn once(
        &self,
        upstream: &Upstream,
        endpoint: &Arc<Endpoint>,
        time: Time,
        request: Request<RequestBody>,
        outgoing: &Outgoing,
    ) -> Result<Answer, SendError> {
        let pool = &self.client.worker.pool;
        let mut sending = pin!(send::send(
            pool, upstream, endpoint, time.began, time.whole, request
        ));
        let Some(own) = time.own else {
            return sending.await;
        };
        match timeout(own.min(time.whole), sending.as_mut()).await {
            Ok(outcome) => outcome,
            Err(_) if outgoing.body.is_whole() => Err(SendError::Timeout),
            Err(_) => sending.await,
        }
    }

    fn conclude(
        &self,
        route: &Route,
        choice: &mut Choice<'_>,
        outcome: &Result<Answer, SendError>,
        took: Duration,
    ) {
        if self.cut.as_ref().and_then(|cut| cut.get()).is_some() {
            return;
        }
        learn(route, self.client.worker.number, choice, outcome, took);
    }

    /// A number for what requests have in common that go to the same endpoint; 0 where that does not matter.
    pub(super) fn hash_key(&self, upstream: &Upstream, headers: &HeaderMap) -> u64 {
        let Balancer::Owner(key) = &upstream.balancer else {
            return 0;
        };
        let named = match key {
            Key::Address => None,
            Key::Consumer => self.consumer.as_deref().map(str::as_bytes),
            Key::Header(name) => headers.get(name).map(HeaderValue::as_bytes),
        };
        named.map_or_else(|| of_address(self.address), hashed)
    }
}

/// Draws conclusions about an endpoint from how a request to it went.
pub(super) fn learn(
    route: &Route,
    worker: usize,
    choice: &mut Choice<'_>,
    outcome: &Result<Answer, SendError>,
    took: Duration,
) {
    let upstream = &route.upstream;
    match failed(outcome) {
        false => upstream.succeeded(choice, uptime(), took),
        true => {
            if upstream.failed(choice, uptime()) {
                route.metrics.ejection(worker);
            }
        }
    }
}

fn of_address(address: IpAddr) -> u64 {
    match address.to_canonical() {
        IpAddr::V4(address) => hashed(&address.octets()),
        IpAddr::V6(address) => hashed(&address.octets()),
    }
}

/// Whether the endpoint did not serve the request.
fn failed(outcome: &Result<Answer, SendError>) -> bool {
    match outcome {
        Ok(answer) => retry::is_unavailable(answer.response.status()),
        Err(_) => true,
    }
}

/// Whether the endpoint says that it did not begin with the request, so that sending it again repeats nothing.
fn is_untouched(outcome: &Result<Answer, SendError>) -> bool {
    matches!(outcome, Err(SendError::Unprocessed(_)))
}

/// How long to wait before the request is sent again, if the policy wants that and there is budget for it.
fn pause(
    retry: &Retry,
    upstream: &Upstream,
    outcome: &Result<Answer, SendError>,
    history: &mut History,
) -> Option<Duration> {
    let wanted = history.again < retry.attempts && retry.wants(outcome);
    if !wanted || !upstream.first.endpoint.budget.spend(uptime()) {
        return None;
    }
    let pause = retry.pause(history.again, fastrand::f64());
    history.again += 1;
    Some(pause)
}

fn busy(route: &Route) -> Problem {
    Problem::upstream_busy(format!(
        "The upstream of API `{}` has as many requests as it may have; try again later.",
        route.api
    ))
}
