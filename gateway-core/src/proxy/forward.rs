//! Sending an admitted request on and its answer back.

use std::rc::Rc;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, Version, header, request, response};
use hyper::body::Incoming;
use tracing::warn;

use super::{
    Exchange, admit,
    body::{RequestBody, ResponseBody, UpstreamBody},
    head::{self, Origin},
    problem::Problem,
    text,
    upgrade::{self, Pending},
};
use crate::{
    api::Route,
    error::chain,
    metrics::UpstreamFailure,
    upstream::send::{self, Answer, SendError},
};

impl Exchange<'_> {
    pub(super) async fn forward(
        &mut self,
        route: &Route,
        mut parts: request::Parts,
        body: RequestBody,
        host: HeaderValue,
    ) -> Result<Response<ResponseBody>, Problem> {
        let websocket = head::wants_websocket(&parts).then(|| Pending::take(&mut parts));
        self.rewrite(route, &mut parts, host);
        if websocket.is_some() {
            upgrade::ask(&mut parts.headers);
        }
        let request = Request::from_parts(parts, body);
        let timeout = route.timeout();
        match send::send(&self.client.worker.pool, &route.upstream, timeout, request).await {
            Ok(answer) => self.pass_back(route, answer, websocket),
            Err(error) => Err(self.failed(route, &error)),
        }
    }

    pub(super) fn rewrite(&self, route: &Route, parts: &mut request::Parts, host: HeaderValue) {
        if parts.version == Version::HTTP_2 {
            head::join_cookies(&mut parts.headers);
        }
        parts.version = Version::HTTP_11;
        parts.extensions.clear();
        let headers = &mut parts.headers;
        head::strip_hop_by_hop(headers);
        head::strip_disguises(headers);
        if !self.client.trusted {
            head::strip_vouches(headers);
        }
        // We answer `100 Continue` ourselves, when the upstream takes the body.
        headers.remove(header::EXPECT);
        for credential in &route.chain.hidden_headers {
            headers.remove(credential);
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
        let own = || route.upstream.endpoint.authority.clone();
        headers.insert(header::HOST, rewritten.unwrap_or_else(own));
        route.chain.request.apply(headers);
        route.headers.apply(headers);
    }

    fn pass_back(
        &mut self,
        route: &Route,
        answer: Answer,
        websocket: Option<Pending>,
    ) -> Result<Response<ResponseBody>, Problem> {
        let switched = answer.response.status() == StatusCode::SWITCHING_PROTOCOLS;
        match (switched, websocket) {
            (true, Some(pending)) => Ok(self.switch(answer.response, pending)),
            (true, None) => Err(Problem::upstream_failed(
                "The upstream switched protocols without being asked to.",
            )),
            (false, _) => match self.instead(route, &answer.response) {
                Some(kept) => Ok(kept),
                None => Ok(self.streamed(route, answer)),
            },
        }
    }

    fn streamed(&mut self, route: &Route, answer: Answer) -> Response<ResponseBody> {
        let (mut parts, incoming) = answer.response.into_parts();
        let recorder = self.record(&mut parts, &incoming);
        self.rewrite_answer(route, &mut parts);
        let body = UpstreamBody {
            incoming,
            sender: Some(answer.sender),
            may_upload: answer.may_upload,
            pool: Rc::clone(&self.client.worker.pool),
            endpoint: route.upstream.endpoint.id,
        };
        let completion = self.completion(parts.status, &parts.headers);
        Response::from_parts(parts, ResponseBody::upstream(body, completion).recorded(recorder))
    }

    fn rewrite_answer(&self, route: &Route, parts: &mut response::Parts) {
        parts.version = Version::HTTP_11;
        parts.extensions.clear();
        head::strip_hop_by_hop(&mut parts.headers);
        if let Some(cors) = &route.chain.cors {
            cors.mark(self.origin.as_ref(), &mut parts.headers);
        }
        route.chain.response.apply(&mut parts.headers);
    }

    fn switch(&mut self, response: Response<Incoming>, pending: Pending) -> Response<ResponseBody> {
        let headers = upgrade::accepted(response.headers());
        pending.tunnel(&self.client.worker, response);
        self.own_answer(StatusCode::SWITCHING_PROTOCOLS, headers, Bytes::new())
    }

    fn failed(&self, route: &Route, error: &SendError) -> Problem {
        if let Some(max) = self.exceeded.as_ref().and_then(|exceeded| exceeded.get()) {
            return admit::too_large(max);
        }
        let api = &route.api;
        let (failure, problem) = match error {
            SendError::Connect(_) | SendError::ConnectTimeout | SendError::Handshake(_) => (
                UpstreamFailure::Connect,
                Problem::upstream_unreachable(format!("The upstream of API `{api}` cannot be reached.")),
            ),
            SendError::Timeout => (
                UpstreamFailure::Timeout,
                Problem::upstream_timeout(format!("The upstream of API `{api}` did not answer in time.")),
            ),
            SendError::Broken(_) => (
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
