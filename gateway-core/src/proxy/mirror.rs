//! Copies of requests for other upstreams. Nobody waits for their answers, and there is a limit to all of it: to
//! how many are under way, to how large they are, to how long they take.

use std::{cell::Cell, rc::Rc, sync::Arc, time::Instant};

use bytes::Bytes;
use http::{HeaderValue, Request, header, request};
use http_body_util::BodyExt as _;
use hyper::body::Body as _;
use tokio::time::timeout;
use tracing::debug;

use super::{Exchange, admit::take_in, attempts, body::RequestBody, problem::Problem, target};
use crate::{
    api::Route,
    error::chain,
    router::path::NormalPath,
    traffic::Mirror,
    upstream::{
        choice::Wish,
        line::Line,
        send::{self, Answer},
        uptime,
    },
    worker::Worker,
};

/// How many copies each worker has under way; further ones are not made.
const IN_FLIGHT_MAX: usize = 64;

/// The largest body that is copied, in bytes. It is taken in before the request goes on.
const BODY_MAX: u64 = 64 * 1024;

/// The largest answer to a copy that is read, in bytes, rather than its connection closed.
const ANSWER_MAX: usize = 1024 * 1024;

thread_local! {
    static IN_FLIGHT: Cell<usize> = const { Cell::new(0) };
}

/// One copy under way.
struct Place;

impl Place {
    fn take() -> Option<Self> {
        let taken = IN_FLIGHT.get();
        (taken < IN_FLIGHT_MAX).then(|| {
            IN_FLIGHT.set(taken + 1);
            Self
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        IN_FLIGHT.set(IN_FLIGHT.get().saturating_sub(1));
    }
}

/// A request as its copies are made of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Original<'a> {
    pub(super) parts: &'a request::Parts,
    pub(super) host: &'a HeaderValue,
    pub(super) path: &'a NormalPath<'a>,
    pub(super) query: Option<&'a str>,
}

impl Exchange<'_> {
    /// Sends copies of a request where its route says, and gives its body back. A request whose body is large or of
    /// unannounced length is not copied.
    pub(super) async fn mirror(
        &self,
        mirrors: &[Mirror],
        original: Original<'_>,
        body: RequestBody,
    ) -> Result<RequestBody, Problem> {
        let wanting: Vec<&Mirror> = mirrors.iter().filter(|mirror| mirror.wants()).collect();
        let small = body.size_hint().upper().is_some_and(|length| length <= BODY_MAX);
        if wanting.is_empty() || !small {
            return Ok(body);
        }
        let shared = &self.client.worker.shared;
        let whole = take_in(body, BODY_MAX, &shared.bodies, shared.stall_timeout).await?;
        for mirror in wanting {
            self.copy(&mirror.route, original, &whole);
        }
        Ok(match whole.is_empty() {
            true => RequestBody::Empty,
            false => RequestBody::Whole(whole),
        })
    }

    /// What keeps a copy from being made is no concern of the caller's.
    fn copy(&self, route: &Arc<Route>, original: Original<'_>, body: &Bytes) {
        let Some(place) = Place::take() else {
            debug!(api.name = %route.api, "Too many copies of requests are under way; one is left out");
            return;
        };
        let Ok(target) = target(route, original.path, original.query) else {
            debug!(api.name = %route.api, "A request cannot be rewritten for its copy, which is left out");
            return;
        };
        let mut parts = original.parts.clone();
        parts.uri = target;
        self.rewrite(route, &mut parts, original.host.clone());
        let body = match body.is_empty() {
            true => RequestBody::Empty,
            false => RequestBody::Whole(body.clone()),
        };
        let copy = Copied {
            key: self.hash_key(&route.upstream, &parts.headers),
            route: Arc::clone(route),
            worker: Rc::clone(&self.client.worker),
            request: Request::from_parts(parts, body),
        };
        tokio::task::spawn_local(async move {
            let _place = place;
            copy.send().await;
        });
    }
}

/// A copy on its way.
struct Copied {
    route: Arc<Route>,
    worker: Rc<Worker>,
    request: Request<RequestBody>,
    /// What it has in common with others that go to the same endpoint.
    key: u64,
}

impl Copied {
    /// Sends the copy to an endpoint that its upstream chooses. Nobody is harmed if that one fails.
    async fn send(mut self) {
        let (route, upstream) = (&*self.route, &*self.route.upstream);
        let mut choice = upstream.choose(&Wish {
            now: uptime(),
            key: self.key,
            harmless: true,
            tried: &[],
        });
        let Ok(_lease) = upstream.lease(choice.member).await else {
            debug!(api.name = %route.api, "An upstream has as many requests as it may have; a copy is left out");
            return;
        };
        let endpoint = &choice.member.endpoint;
        let headers = self.request.headers_mut();
        if headers.get(header::HOST) == Some(&upstream.first.endpoint.authority) {
            headers.insert(header::HOST, endpoint.authority.clone());
        }
        let (pool, began) = (&self.worker.pool, Instant::now());
        let outcome = send::send(pool, upstream, endpoint, began, route.timeout(), self.request).await;
        attempts::learn(route, self.worker.number, &mut choice, &outcome, began.elapsed());
        match outcome {
            Ok(answer) => {
                let kept = timeout(route.timeout(), read_out(answer)).await.ok().flatten();
                if let Some(line) = kept {
                    pool.put(endpoint.id, line, Instant::now() + upstream.idle_timeout);
                }
            }
            Err(error) => {
                debug!(api.name = %route.api, error = %chain(&error), "A copy of a request got no answer");
            }
        }
    }
}

/// Reads an answer that nobody wants to its end, so that its connection can be used again; gives up on a large one.
async fn read_out(answer: Answer) -> Option<Line> {
    let mut body = answer.response.into_body();
    let mut left = ANSWER_MAX;
    while let Some(frame) = body.frame().await {
        let length = frame.ok()?.data_ref().map_or(0, Bytes::len);
        left = left.checked_sub(length)?;
    }
    let mut line = body.take_line()?;
    line.ready().await.ok()?;
    Some(line)
}
