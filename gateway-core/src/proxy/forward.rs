//! Sending an admitted request on and its answer back.

use std::rc::Rc;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, Version, header, request, response};
use tracing::warn;

use super::{
    Exchange,
    body::{RequestBody, ResponseBody, UpstreamBody},
    head::{self, Origin},
    problem::Problem,
    text,
    upgrade::Pending,
};
use crate::{
    api::Route,
    error::chain,
    metrics::UpstreamFailure,
    upstream::{
        load::Lease,
        send::{self, Answer, SendError},
    },
};

/// An answer and where it comes from.
pub(super) struct Passed {
    pub(super) answer: Answer,
    pub(super) endpoint: u64,
    pub(super) lease: Option<Lease>,
}

impl Passed {
    /// An answer of an endpoint whose requests are not counted.
    fn plain(answer: Answer, endpoint: u64) -> Self {
        Self {
            answer,
            endpoint,
            lease: None,
        }
    }
}

impl Exchange<'_> {
    pub(super) async fn forward(
        &mut self,
        route: &Route,
        mut parts: request::Parts,
        body: RequestBody,
        host: HeaderValue,
    ) -> Result<Response<ResponseBody>, Problem> {
        let websocket = self.websocket.take();
        self.rewrite(route, &mut parts, host);
        if let Some(websocket) = &websocket {
            websocket.ask(&mut parts.headers);
        }
        head::frame(&mut parts, &body);
        let upstream = &*route.upstream;
        if !upstream.is_plain() || route.chain.retry.is_some() || self.deadline.is_some() {
            // Apart, so that other requests do not carry its state around.
            return Box::pin(self.attempt(route, parts, body, websocket)).await;
        }
        let mut request = Request::from_parts(parts, body);
        let endpoint = &upstream.first.endpoint;
        self.trace_attempt(endpoint, &mut request);
        let pool = &self.client.worker.pool;
        let sent = send::send(pool, upstream, endpoint, self.started, route.timeout(), request).await;
        self.trace_outcome(&sent);
        match sent {
            Ok(answer) => {
                let passed = Passed::plain(answer, endpoint.id);
                match &route.chain.transform {
                    None => self.pass_back(route, passed, websocket),
                    Some(transform) => {
                        Box::pin(self.transform_answer(route, transform, passed, websocket)).await
                    }
                }
            }
            Err(error) => Err(self.failed(route, &error)),
        }
    }

    pub(super) fn rewrite(&self, route: &Route, parts: &mut request::Parts, host: HeaderValue) {
        parts.version = Version::HTTP_11;
        parts.extensions.clear();
        let headers = &mut parts.headers;
        head::strip_disguises(headers);
        if !self.client.trusted {
            head::strip_vouches(headers);
        }
        // We answer `100 Continue` ourselves, when the upstream takes the body.
        headers.remove(header::EXPECT);
        for credential in &route.chain.hidden_headers {
            headers.remove(credential);
        }
        if let Some(transform) = &route.chain.transform
            && transform.response.is_some()
        {
            Self::ask_for_plain(headers);
        }
        for (name, value) in &self.vouched {
            headers.append(name.clone(), value.clone());
        }
        let rewritten = route.chain.rewrite.as_ref();
        let rewritten = rewritten.and_then(|rewrite| rewrite.host(&host));
        let origin = Origin {
            address: &self.client.address_header,
            host,
            secure: self.client.secure,
            trusted: self.client.trusted,
        };
        head::add_forwarded(headers, origin);
        if let Some(id) = &self.request_id {
            headers.insert(head::REQUEST_ID, id.clone());
        }
        let own = || route.upstream.first.endpoint.authority.clone();
        headers.insert(header::HOST, rewritten.unwrap_or_else(own));
        self.write_trace(headers);
        route.chain.request.apply(headers);
        route.headers.apply(headers);
    }

    pub(super) fn pass_back(
        &mut self,
        route: &Route,
        passed: Passed,
        websocket: Option<Pending>,
    ) -> Result<Response<ResponseBody>, Problem> {
        let switched = passed.answer.response.status() == StatusCode::SWITCHING_PROTOCOLS;
        match (switched, websocket) {
            (true, Some(pending)) => self.switch(passed, pending),
            (true, None) => Err(Problem::upstream_failed(
                "The upstream switched protocols without being asked to.",
            )),
            (false, _) => match self.instead(route, &passed.answer.response) {
                Some(kept) => Ok(kept),
                None => Ok(self.streamed(route, passed)),
            },
        }
    }

    fn streamed(&mut self, route: &Route, passed: Passed) -> Response<ResponseBody> {
        let answer = passed.answer;
        let (mut parts, incoming) = answer.response.into_parts();
        let recorder = self.record(&mut parts, &incoming);
        self.rewrite_answer(route, &mut parts);
        let body = UpstreamBody {
            incoming,
            _stream: answer.stream,
            may_upload: answer.may_upload,
            pool: Rc::clone(&self.client.worker.pool),
            endpoint: passed.endpoint,
            idle_timeout: route.upstream.idle_timeout,
            lease: passed.lease,
        };
        let completion = self.completion(parts.status, &parts.headers);
        Response::from_parts(parts, ResponseBody::upstream(body, completion).recorded(recorder))
    }

    pub(super) fn rewrite_answer(&mut self, route: &Route, parts: &mut response::Parts) {
        parts.version = Version::HTTP_11;
        parts.extensions.clear();
        head::strip_hop_by_hop(&mut parts.headers);
        if let Some(cors) = &route.chain.cors {
            cors.mark(self.origin.as_ref(), &mut parts.headers);
        }
        self.tell_limits(&mut parts.headers);
        route.chain.response.apply(&mut parts.headers);
    }

    fn switch(&mut self, passed: Passed, pending: Pending) -> Result<Response<ResponseBody>, Problem> {
        let (status, headers) = pending.accepted(passed.answer.response.headers())?;
        pending.tunnel(&self.client.worker, passed.answer, passed.lease);
        self.switched = true;
        Ok(self.own_answer(status, headers, Bytes::new()))
    }

    pub(super) fn failed(&self, route: &Route, error: &SendError) -> Problem {
        if let Some(problem) = self.cut_off() {
            return problem;
        }
        if error.is_ours() {
            // The caller's doing; nobody is to look for a fault of the upstream.
            return Problem::bad_request("The request's body broke off.").closing();
        }
        let api = &route.api;
        let (failure, problem) = match error {
            SendError::Connect(_) | SendError::ConnectTimeout | SendError::Handshake(_) => (
                UpstreamFailure::Connect,
                Problem::upstream_unreachable(format!("The upstream of API `{api}` cannot be reached.")),
            ),
            SendError::NotHttp2 => (
                UpstreamFailure::Connect,
                Problem::upstream_failed(format!("The upstream of API `{api}` does not speak HTTP/2.")),
            ),
            SendError::Timeout => (
                UpstreamFailure::Timeout,
                Problem::upstream_timeout(format!("The upstream of API `{api}` did not answer in time.")),
            ),
            SendError::Broken(_) | SendError::Unprocessed(_) => (
                UpstreamFailure::Broken,
                Problem::upstream_failed(format!(
                    "The upstream of API `{api}` broke off without an answer."
                )),
            ),
        };
        route.metrics.failure(self.client.worker.number, failure);
        warn!(
            api.name = %api,
            request.id = self.request_id.as_ref().map(text),
            error = %chain(error),
            "A request to API `{api}` got no answer from its upstream"
        );
        problem
    }
}
