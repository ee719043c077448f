//! Copies of requests for other upstreams. Nobody waits for their answers, and there is a limit to all of it: to
//! how many are under way, to how large they are, to how long they take.

use std::{cell::Cell, rc::Rc, sync::Arc, time::Instant};

use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Request, request};
use http_body_util::BodyExt as _;
use hyper::body::Body as _;
use tracing::debug;

use super::{
    Exchange,
    body::{BodyError, RequestBody},
    problem::Problem,
    target,
};
use crate::{api::Route, error::chain, router::path::NormalPath, traffic::Mirror, upstream::send};

/// How many copies each worker has under way; further ones are not made.
const IN_FLIGHT_MAX: usize = 64;

/// The largest body that is copied, in bytes. It is taken in before the request goes on.
const BODY_MAX: u64 = 64 * 1024;

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
        let whole = whole(body).await?;
        for mirror in wanting {
            self.copy(&mirror.route, original, &whole)?;
        }
        Ok(match whole.is_empty() {
            true => RequestBody::Empty,
            false => RequestBody::Whole(whole),
        })
    }

    fn copy(&self, route: &Arc<Route>, original: Original<'_>, body: &Bytes) -> Result<(), Problem> {
        let Some(place) = Place::take() else {
            debug!(api.name = %route.api, "Too many copies of requests are under way; one is left out");
            return Ok(());
        };
        let mut parts = original.parts.clone();
        parts.uri = target(route, original.path, original.query)?;
        self.rewrite(route, &mut parts, original.host.clone());
        let body = match body.is_empty() {
            true => RequestBody::Empty,
            false => RequestBody::Whole(body.clone()),
        };
        let (route, pool) = (Arc::clone(route), Rc::clone(&self.client.worker.pool));
        tokio::task::spawn_local(async move {
            let _place = place;
            let request = Request::from_parts(parts, body);
            let (upstream, now) = (&*route.upstream, Instant::now());
            let sent = send::send(
                &pool,
                upstream,
                &upstream.first.endpoint,
                now,
                route.timeout(),
                request,
            );
            if let Err(error) = sent.await {
                debug!(api.name = %route.api, error = %chain(&error), "A copy of a request got no answer");
            }
        });
        Ok(())
    }
}

async fn whole(mut body: RequestBody) -> Result<Bytes, Problem> {
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| match error {
            BodyError::TooLarge => super::admit::too_large(BODY_MAX),
            BodyError::Broken(_) | BodyError::Superseded => {
                Problem::bad_request("The request's body broke off.").closing()
            }
        })?;
        whole.extend_from_slice(frame.data_ref().map_or(&[], |data| data));
    }
    Ok(whole.freeze())
}
