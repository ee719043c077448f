//! Bodies that a `transform` changes on their way. They are taken in whole, within the memory there is for that, and
//! go on changed or not at all.

use std::{future::poll_fn, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header, request};
use http_body_util::Full;
use hyper::body::{Body as _, Frame};
use tokio::time::timeout;
use tracing::warn;

use super::{
    Exchange, admit,
    body::{RequestBody, ResponseBody, UpstreamBody},
    forward::Passed,
    problem::Problem,
    text,
    upgrade::Pending,
};
use crate::{
    api::Route,
    policy::transform::{Change, Transform},
};

/// The largest body of a response that is taken in. Larger ones are answered 502.
const MAX_BYTES: usize = 1024 * 1024;

/// How long a response's body may stand still.
const IDLE_TIME: Duration = Duration::from_secs(30);

/// What is said of a body that is no more.
pub(super) const OF_THE_BODY: [HeaderName; 7] = [
    header::CONTENT_LENGTH,
    header::ETAG,
    header::ACCEPT_RANGES,
    HeaderName::from_static("content-md5"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
];

impl Exchange<'_> {
    /// Changes the body of a request, once it has passed all checks. Without a body there is nothing to change, and
    /// what gRPC sends is no text.
    pub(super) async fn transform_request(
        &self,
        route: &Route,
        change: &Change,
        parts: &mut request::Parts,
        body: RequestBody,
    ) -> Result<RequestBody, Problem> {
        if body.is_end_stream() || self.grpc {
            return Ok(body);
        }
        if is_compressed(&parts.headers) {
            return Err(Problem::unsupported_type(
                "The request's body must not be compressed.",
            ));
        }
        if change.reads(&parts.headers) != Some(true) {
            return Err(Problem::unsupported_type(format!(
                "The request's body must be {}.",
                change.reads_what()
            )));
        }
        let shared = &self.client.worker.shared;
        let max = admit::largest(&route.chain);
        let whole = admit::take_in(body, max, &shared.bodies, shared.stall_timeout).await?;
        let changed = change.apply(&whole).map_err(|reason| {
            Problem::bad_request(format!("The request's body cannot be changed: {reason}."))
        })?;
        drop(whole);
        describe(change, &mut parts.headers);
        Ok(RequestBody::Whole(self.hold(&changed)?))
    }

    /// Has the upstream answer in a way that can be changed.
    pub(super) fn ask_for_plain(headers: &mut HeaderMap) {
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        headers.remove(header::RANGE);
        headers.remove(header::IF_RANGE);
    }

    /// Gives an answer back to the caller, changed if its route says so.
    pub(super) async fn transform_answer(
        &mut self,
        route: &Route,
        transform: &Transform,
        passed: Passed,
        websocket: Option<Pending>,
    ) -> Result<Response<ResponseBody>, Problem> {
        let response = &passed.answer.response;
        let change = transform.response.as_ref().filter(|change| {
            let has_body = !response.body().is_end_stream()
                && response.status() != StatusCode::SWITCHING_PROTOCOLS
                && response.status() != StatusCode::NOT_MODIFIED;
            // What says no type may well be what is to be changed.
            has_body && change.reads(response.headers()) != Some(false) && !self.grpc
        });
        let Some(change) = change else {
            return self.pass_back(route, passed, websocket);
        };
        if let Some(kept) = self.instead(route, response) {
            return Ok(kept);
        }
        let answer = passed.answer;
        let (mut parts, incoming) = answer.response.into_parts();
        if is_compressed(&parts.headers) {
            return Err(self.unchanged(route, "it is compressed"));
        }
        let upstream = UpstreamBody {
            incoming,
            _stream: answer.stream,
            may_upload: answer.may_upload,
            pool: std::rc::Rc::clone(&self.client.worker.pool),
            endpoint: passed.endpoint,
            idle_timeout: route.upstream.idle_timeout,
            lease: passed.lease,
        };
        let whole = self.take_in(route, upstream).await?;
        let changed = change
            .apply(&whole)
            .map_err(|reason| self.unchanged(route, &reason))?;
        drop(whole);
        describe(change, &mut parts.headers);
        parts
            .headers
            .insert(header::CONTENT_LENGTH, HeaderValue::from(changed.len()));
        let body = self.hold(&changed)?;
        // What is kept is what was made of it.
        let recorder = self.record(&mut parts, &Full::new(Bytes::clone(&body)));
        self.rewrite_answer(route, &mut parts);
        let completion = self.completion(parts.status, &parts.headers);
        Ok(Response::from_parts(
            parts,
            ResponseBody::own(body, completion).recorded(recorder),
        ))
    }

    async fn take_in(&self, route: &Route, mut upstream: UpstreamBody) -> Result<Bytes, Problem> {
        let mut whole = self.client.worker.shared.bodies.body();
        loop {
            let next = timeout(IDLE_TIME, poll_fn(|context| upstream.poll(context)));
            let frame = match next.await {
                Err(_) => {
                    return Err(Problem::upstream_timeout(format!(
                        "The upstream of API `{}` did not send its answer in time.",
                        route.api
                    )));
                }
                Ok(None) => break,
                Ok(Some(Err(_))) => return Err(self.unchanged(route, "it broke off")),
                Ok(Some(Ok(frame))) => frame,
            };
            // Trailers speak of the body as it was.
            let data = Frame::into_data(frame).unwrap_or_default();
            if whole.len() + data.len() > MAX_BYTES {
                return Err(self.unchanged(route, "it is larger than 1 MiB"));
            }
            whole.push(&data).map_err(|_| admit::overloaded())?;
        }
        Ok(whole.freeze())
    }

    /// A changed body takes up memory as well.
    fn hold(&self, changed: &[u8]) -> Result<Bytes, Problem> {
        let mut held = self.client.worker.shared.bodies.body();
        held.push(changed).map_err(|_| admit::overloaded())?;
        Ok(held.freeze())
    }

    /// The answer in place of one that cannot be changed.
    fn unchanged(&self, route: &Route, reason: &str) -> Problem {
        let api = &route.api;
        warn!(
            api.name = %api,
            request.id = self.request_id.as_ref().map(text),
            "An answer of the upstream of API `{api}` cannot be changed: {reason}"
        );
        Problem::upstream_failed(format!(
            "The answer of the upstream of API `{api}` cannot be used."
        ))
    }
}

fn is_compressed(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_ENCODING)
        .is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// Says of the changed body what is true of it.
fn describe(change: &Change, headers: &mut HeaderMap) {
    for name in &OF_THE_BODY {
        headers.remove(name);
    }
    match change.media_type() {
        Some(kind) => drop(headers.insert(header::CONTENT_TYPE, kind)),
        None if !headers.contains_key(header::CONTENT_TYPE) => {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        None => {}
    }
}
