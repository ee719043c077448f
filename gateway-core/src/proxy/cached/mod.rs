//! Answers from the cache, and answers on their way into it.
//!
//! Checks were made before; what is kept is the upstream's answer as it came, so what changes responses changes kept
//! ones, too. A body is kept while it passes through: nobody waits for that, except callers who would ask the upstream
//! for the same thing at the same time.

mod expected;
mod recorder;

use std::{sync::Arc, time::Instant};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Uri, header, request, response,
};
use http_body_util::BodyExt as _;
use hyper::body::Body;

use self::expected::{Kept, QUESTIONS, WAIT, look};
pub(super) use self::{expected::Expected, recorder::Recorder};
use super::{
    Exchange,
    body::{RequestBody, ResponseBody},
    problem::Problem,
};
use crate::{
    api::Route,
    policy::cache::{
        Asked, Caching, concerns,
        rules::{self, Directives},
        store::{Entry, Key, Turn},
    },
};

/// Says how an answer came about (RFC 9211).
const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// Answers instead of which a stale one may be given (RFC 5861, section 4).
const ERRORS: [StatusCode; 4] = [
    StatusCode::INTERNAL_SERVER_ERROR,
    StatusCode::BAD_GATEWAY,
    StatusCode::SERVICE_UNAVAILABLE,
    StatusCode::GATEWAY_TIMEOUT,
];

/// What callers and the upstream know a request's target as.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target<'a> {
    pub(super) host: &'a HeaderValue,
    /// As the caller sees it, in its canonical form.
    pub(super) path: &'a str,
    /// What the upstream is asked for.
    pub(super) uri: &'a Uri,
}

impl Exchange<'_> {
    /// Answers from the cache, or asks the upstream and keeps what it answers. The path is the caller's.
    pub(super) async fn cached(
        &mut self,
        route: &Arc<Route>,
        caching: &Arc<Caching>,
        parts: request::Parts,
        body: RequestBody,
        host: HeaderValue,
        path: &str,
    ) -> Result<Response<ResponseBody>, Problem> {
        let wanted = Directives::of(&parts.headers);
        if self.websocket.is_some() || !concerns(&parts, !body.is_end_stream()) || wanted.no_store {
            return self.past_the_cache(route, caching, parts, body, host, path).await;
        }
        let target = Target {
            host: &host,
            path,
            uri: &parts.uri,
        };
        let asked = self.asked(route, target, &parts.headers);
        let key = caching.key(&asked);
        let (place, kept) = look(caching, &key, &parts.headers, &wanted);
        if let Kept::Fresh(entry) = kept {
            return Ok(self.kept(route, &parts.method, &parts.headers, &entry, "hit"));
        }
        if wanted.only_if_cached {
            return Err(Problem::not_cached(
                "There is no fresh answer in the cache, and nobody else was to be asked.",
            ));
        }
        let mut expected = expected(caching, (key, place), &asked, &parts);
        if let Kept::Stale {
            old,
            while_revalidate,
            if_error,
        } = kept
        {
            if while_revalidate {
                let answer = self.kept(route, &parts.method, &parts.headers, &old, "hit; detail=stale");
                expected.old = Some(old);
                self.refresh(route, expected, parts, host);
                return Ok(answer);
            }
            expected.old = Some(old);
            expected.if_error = if_error;
        }
        let alone = parts.method == Method::HEAD
            || wanted.no_cache
            || wanted.max_age.is_some()
            || expected.asks_for_itself();
        if alone {
            return self.ask_upstream(route, expected, parts, host).await;
        }
        match expected.take_turn(&wanted).await {
            Some(entry) => Ok(self.kept(
                route,
                &parts.method,
                &parts.headers,
                &entry,
                "hit; detail=collapsed",
            )),
            None => self.ask_upstream(route, expected, parts, host).await,
        }
    }

    /// What the cache has no part in, except that a change ends what is kept of its target.
    async fn past_the_cache(
        &mut self,
        route: &Arc<Route>,
        caching: &Caching,
        parts: request::Parts,
        body: RequestBody,
        host: HeaderValue,
        path: &str,
    ) -> Result<Response<ResponseBody>, Problem> {
        if parts.method.is_safe() {
            return self.forward(route, parts, body, host).await;
        }
        let written = caching.target(host.as_bytes(), path, parts.uri.query());
        let answer = self.forward(route, parts, body, host).await?;
        if answer.status().is_success() || answer.status().is_redirection() {
            caching.written(&written);
        }
        Ok(answer)
    }

    fn asked<'a>(&'a self, route: &'a Route, target: Target<'a>, headers: &'a HeaderMap) -> Asked<'a> {
        Asked {
            scope: route.scope,
            secure: self.client.secure,
            host: target.host.as_bytes(),
            path: target.path,
            target: target.uri,
            headers,
            hidden: &route.chain.hidden_headers,
            vouched: &self.vouched,
            trusted: self.client.trusted,
            consumer: self.consumer.as_deref(),
        }
    }

    /// Asks the upstream. What is too old is given if it fails and that is allowed.
    async fn ask_upstream(
        &mut self,
        route: &Arc<Route>,
        mut expected: Expected,
        mut parts: request::Parts,
        host: HeaderValue,
    ) -> Result<Response<ResponseBody>, Problem> {
        expected.revalidate(&mut parts.headers);
        // Not when it began to wait for its turn: an answer's age counts from here.
        expected.asked = Instant::now();
        self.expected = Some(Box::new(expected));
        let answer = self.forward(route, parts, RequestBody::Empty, host).await;
        let expected = self.expected.take();
        match (answer, expected) {
            (Err(problem), Some(expected)) if ERRORS.contains(&problem.status) => {
                self.instead_of_error(route, &expected).ok_or(problem)
            }
            (answer, _) => answer,
        }
    }

    /// Asks the upstream while nobody waits for it, unless somebody does so already.
    fn refresh(
        &self,
        route: &Arc<Route>,
        mut expected: Expected,
        mut parts: request::Parts,
        host: HeaderValue,
    ) {
        let Turn::Lead(leader) = expected.caching.store.turn(&expected.place, WAIT) else {
            return;
        };
        expected.leader = Some(leader);
        expected.method = Method::GET;
        parts.method = Method::GET;
        for name in QUESTIONS {
            parts.headers.remove(&name);
            expected.headers.remove(name);
        }
        let (client, route) = (self.client.in_background(), Arc::clone(route));
        let (consumer, vouched) = (self.consumer.clone(), self.vouched.clone());
        let trace = self.trace_in_background();
        tokio::task::spawn_local(async move {
            let mut exchange = Exchange::new(&client, &parts.headers);
            exchange.in_background = true;
            exchange.trace = trace;
            exchange.consumer = consumer;
            exchange.vouched = vouched;
            exchange.request_id = Some(client.worker.next_request_id());
            exchange.route = Some(Arc::clone(&route));
            // Nobody is there to be told of a failure; the log is.
            if let Ok(answer) = exchange.ask_upstream(&route, expected, parts, host).await {
                let mut body = answer.into_body();
                while let Some(Ok(_)) = body.frame().await {}
            }
        });
    }

    /// The answer to give instead of the upstream's: it has nothing newer, or failed.
    pub(super) fn instead<B>(
        &mut self,
        route: &Route,
        answer: &Response<B>,
    ) -> Option<Response<ResponseBody>> {
        let status = answer.status();
        let expected = self.expected.as_deref()?;
        if expected.revalidates && status == StatusCode::NOT_MODIFIED {
            let expected = self.expected.take()?;
            let entry = expected.renewed(answer.headers())?;
            return Some(self.kept(
                route,
                &expected.method,
                &expected.headers,
                &entry,
                "hit; detail=revalidated",
            ));
        }
        if expected.if_error && ERRORS.contains(&status) {
            let expected = self.expected.take()?;
            return self.instead_of_error(route, &expected);
        }
        None
    }

    fn instead_of_error(&mut self, route: &Route, expected: &Expected) -> Option<Response<ResponseBody>> {
        let entry = expected.old.as_ref().filter(|_| expected.if_error)?;
        Some(self.kept(
            route,
            &expected.method,
            &expected.headers,
            entry,
            "hit; detail=stale-if-error",
        ))
    }

    /// Begins to keep an answer, if it may be kept. Says in its head what became of it.
    pub(super) fn record(
        &mut self,
        parts: &mut response::Parts,
        incoming: &impl Body,
    ) -> Option<Box<Recorder>> {
        let expected = self.expected.take()?;
        let held = self.client.worker.shared.bodies.recording();
        let recorder = expected.recorder(parts, incoming, held);
        let told = match &recorder {
            Some(_) => "gatehouse; fwd=miss; stored",
            None => "gatehouse; fwd=miss",
        };
        parts.headers.append(CACHE_STATUS, HeaderValue::from_static(told));
        recorder
    }

    /// A kept answer, as this caller gets it.
    fn kept(
        &mut self,
        route: &Route,
        method: &Method,
        request: &HeaderMap,
        entry: &Entry,
        how: &str,
    ) -> Response<ResponseBody> {
        let has_it = rules::has_it_already(request, &entry.headers);
        let mut headers = match has_it {
            true => of_not_modified(&entry.headers),
            false => entry.headers.clone(),
        };
        headers.insert(
            header::AGE,
            HeaderValue::from(entry.age(Instant::now()).as_secs()),
        );
        if let Ok(told) = HeaderValue::try_from(format!("gatehouse; {how}")) {
            headers.append(CACHE_STATUS, told);
        }
        let body = match (has_it, method == Method::HEAD) {
            (true, _) => Bytes::new(),
            (false, true) => {
                headers.insert(header::CONTENT_LENGTH, HeaderValue::from(entry.body.len()));
                Bytes::new()
            }
            (false, false) => entry.body.clone(),
        };
        self.tell_limits(&mut headers);
        if let Some(cors) = &route.chain.cors {
            cors.mark(self.origin.as_ref(), &mut headers);
        }
        route.chain.response.apply(&mut headers);
        let status = if has_it {
            StatusCode::NOT_MODIFIED
        } else {
            StatusCode::OK
        };
        self.own_answer(status, headers, body)
    }
}

fn expected(
    caching: &Arc<Caching>,
    (key, place): (Key, Key),
    asked: &Asked<'_>,
    parts: &request::Parts,
) -> Expected {
    Expected {
        key,
        place,
        names: caching.names(asked),
        shares_credential: caching.shares_credential(asked),
        caching: Arc::clone(caching),
        method: parts.method.clone(),
        headers: parts.headers.clone(),
        asked: Instant::now(),
        old: None,
        if_error: false,
        revalidates: false,
        leader: None,
    }
}

fn of_not_modified(headers: &HeaderMap) -> HeaderMap {
    let mut kept = HeaderMap::new();
    for name in &rules::OF_NOT_MODIFIED {
        for value in headers.get_all(name) {
            kept.append(name, value.clone());
        }
    }
    kept
}
