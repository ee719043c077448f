//! Answers from the cache, and answers on their way into it.
//!
//! Checks were made before; what is kept is the upstream's answer as it came, so what changes responses changes kept
//! ones, too. A body is kept while it passes through: nobody waits for that, except callers who would ask the upstream
//! for the same thing at the same time.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Version, header, request, response,
};
use http_body_util::BodyExt as _;
use hyper::body::Body;

use super::{
    Exchange,
    body::{RequestBody, ResponseBody},
    budget::HeldBody,
    head,
    problem::Problem,
};
use crate::{
    api::Route,
    policy::cache::{
        Asked, Caching, concerns,
        rules::{self, Directives, Lifetime, Use},
        store::{Entry, Found, Key, Leader, Names, Turn},
        variant,
    },
};

/// Says how an answer came about (RFC 9211).
const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// How long a caller waits for another one's answer before it asks by itself.
const WAIT: Duration = Duration::from_secs(5);

/// Answers instead of which a stale one may be given (RFC 5861, section 4).
const ERRORS: [StatusCode; 4] = [
    StatusCode::INTERNAL_SERVER_ERROR,
    StatusCode::BAD_GATEWAY,
    StatusCode::SERVICE_UNAVAILABLE,
    StatusCode::GATEWAY_TIMEOUT,
];

/// What is to become of the answer that is being waited for.
#[derive(Debug)]
pub(super) struct Expected {
    caching: Arc<Caching>,
    key: Key,
    names: Names,
    method: Method,
    /// The caller's headers.
    headers: HeaderMap,
    shares_credential: bool,
    asked: Instant,
    /// What is kept and no longer fresh.
    old: Option<(Key, Arc<Entry>)>,
    /// Whether it may be given when no newer one can be had.
    if_error: bool,
    /// Whether the upstream was asked for something newer than it.
    revalidates: bool,
    leader: Option<Leader>,
}

/// What the cache has for a request.
enum Kept {
    Fresh(Arc<Entry>),
    Stale {
        old: (Key, Arc<Entry>),
        while_revalidate: bool,
        if_error: bool,
    },
    Nothing,
    /// Nothing, and waiting for others would be in vain.
    Passing,
}

impl Exchange<'_> {
    /// Answers from the cache, or asks the upstream and keeps what it answers.
    pub(super) async fn cached(
        &mut self,
        route: &Arc<Route>,
        caching: &Arc<Caching>,
        parts: request::Parts,
        body: RequestBody,
        host: HeaderValue,
    ) -> Result<Response<ResponseBody>, Problem> {
        let wanted = Directives::of(&parts.headers);
        if !concerns(&parts, !body.is_end_stream()) || wanted.no_store {
            return self.past_the_cache(route, caching, parts, body, host).await;
        }
        let mut expected = self.expected(route, caching, &parts, &host);
        match expected.look(&wanted) {
            Kept::Fresh(entry) => return Ok(self.kept(route, &parts.method, &parts.headers, &entry, "hit")),
            _ if wanted.only_if_cached => {
                return Err(Problem::not_cached(
                    "There is no fresh answer in the cache, and nobody else was to be asked.",
                ));
            }
            Kept::Stale {
                old,
                while_revalidate: true,
                ..
            } => {
                let entry = Arc::clone(&old.1);
                expected.old = Some(old);
                let answer = self.kept(route, &parts.method, &parts.headers, &entry, "hit; detail=stale");
                self.refresh(route, expected, parts, host);
                return Ok(answer);
            }
            Kept::Stale { old, if_error, .. } => {
                expected.old = Some(old);
                expected.if_error = if_error;
            }
            Kept::Nothing | Kept::Passing => {}
        }
        if parts.method == Method::HEAD || wanted.no_cache || wanted.max_age.is_some() {
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
    ) -> Result<Response<ResponseBody>, Problem> {
        if parts.method.is_safe() {
            return self.forward(route, parts, body, host).await;
        }
        let (target, headers) = (parts.uri.clone(), HeaderMap::new());
        let own = self.asked(route, &target, &headers, &host);
        let named = (own.scope, own.secure, host.clone());
        let answer = self.forward(route, parts, body, host).await?;
        if answer.status().is_success() || answer.status().is_redirection() {
            let (scope, secure, host) = named;
            caching.written(&Asked {
                scope,
                secure,
                host: host.as_bytes(),
                target: &target,
                headers: &headers,
                hidden: &[],
                vouched: &[],
                trusted: false,
                consumer: None,
            });
        }
        Ok(answer)
    }

    fn asked<'a>(
        &'a self,
        route: &'a Route,
        target: &'a http::Uri,
        headers: &'a HeaderMap,
        host: &'a HeaderValue,
    ) -> Asked<'a> {
        Asked {
            scope: route.scope,
            secure: self.client.secure,
            host: host.as_bytes(),
            target,
            headers,
            hidden: &route.chain.hidden_headers,
            vouched: &self.vouched,
            trusted: self.client.trusted,
            consumer: self.consumer.as_deref(),
        }
    }

    fn expected(
        &self,
        route: &Route,
        caching: &Arc<Caching>,
        parts: &request::Parts,
        host: &HeaderValue,
    ) -> Expected {
        let asked = self.asked(route, &parts.uri, &parts.headers, host);
        Expected {
            key: caching.key(&asked),
            names: caching.names(&asked),
            shares_credential: caching.shares_credential(&asked),
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

    /// Asks the upstream. What is too old is given if it fails and that is allowed.
    async fn ask_upstream(
        &mut self,
        route: &Arc<Route>,
        mut expected: Expected,
        mut parts: request::Parts,
        host: HeaderValue,
    ) -> Result<Response<ResponseBody>, Problem> {
        expected.revalidate(&mut parts.headers);
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
        let Turn::Lead(leader) = expected.caching.store.turn(&expected.key) else {
            return;
        };
        expected.leader = Some(leader);
        expected.method = Method::GET;
        parts.method = Method::GET;
        for name in [header::IF_NONE_MATCH, header::IF_MODIFIED_SINCE] {
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
        let (_, entry) = expected.old.as_ref().filter(|_| expected.if_error)?;
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
        let (key, caching) = (expected.key, Arc::clone(&expected.caching));
        let (was_kept, is_get) = (expected.old.is_some(), expected.method == Method::GET);
        let held = self.client.worker.shared.bodies.body();
        let recorder = expected.recorder(parts, incoming, held);
        if recorder.is_none() && is_get && !was_kept {
            caching.store.pass(&key, Instant::now());
        }
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

impl Expected {
    fn look(&self, wanted: &Directives) -> Kept {
        let now = Instant::now();
        let variant = |names: &[HeaderName]| variant(&self.key, names, &self.headers);
        let (key, entry) = match self.caching.store.find(&self.key, variant, now) {
            Found::Nothing => return Kept::Nothing,
            Found::Passing => return Kept::Passing,
            Found::Answer(key, entry) => (key, entry),
        };
        let too_old = wanted.no_cache || wanted.max_age.is_some_and(|most| entry.age(now).as_secs() > most);
        match entry.usable(now) {
            Use::Fresh if !too_old => Kept::Fresh(entry),
            Use::Fresh => Kept::Stale {
                old: (key, entry),
                while_revalidate: false,
                if_error: false,
            },
            Use::Stale {
                while_revalidate,
                if_error,
            } => Kept::Stale {
                old: (key, entry),
                while_revalidate: while_revalidate && !too_old,
                if_error,
            },
        }
    }

    /// Waits for whoever asks the upstream for the same thing. None when it is this one's turn to ask, or when waiting
    /// was in vain.
    async fn take_turn(&mut self, wanted: &Directives) -> Option<Arc<Entry>> {
        let deadline = tokio::time::Instant::now() + WAIT;
        loop {
            match self.look(wanted) {
                Kept::Fresh(entry) => return Some(entry),
                Kept::Passing => return None,
                Kept::Stale { .. } | Kept::Nothing => {}
            }
            match self.caching.store.turn(&self.key) {
                Turn::Lead(leader) => {
                    self.leader = Some(leader);
                    // Whoever led before may have kept an answer since we looked.
                    return match self.look(wanted) {
                        Kept::Fresh(entry) => {
                            self.leader = None;
                            Some(entry)
                        }
                        _ => None,
                    };
                }
                Turn::Wait(mut ended) => {
                    if tokio::time::timeout_at(deadline, ended.changed()).await.is_err() {
                        return None;
                    }
                }
            }
        }
    }

    /// Asks for something newer than what is kept, unless the caller has a question of its own.
    fn revalidate(&mut self, headers: &mut HeaderMap) {
        let own = [header::IF_NONE_MATCH, header::IF_MODIFIED_SINCE];
        let Some((_, old)) = &self.old else {
            return;
        };
        if own.iter().any(|name| headers.contains_key(name)) {
            return;
        }
        for (question, from) in own.into_iter().zip([header::ETAG, header::LAST_MODIFIED]) {
            if let Some(known) = old.headers.get(from) {
                headers.insert(question, known.clone());
                self.revalidates = true;
                return;
            }
        }
    }

    /// What was kept, with what the upstream says of it now (RFC 9111, section 4.3.4).
    fn renewed(&self, told: &HeaderMap) -> Option<Arc<Entry>> {
        let (key, old) = self.old.as_ref()?;
        let mut headers = old.headers.clone();
        let mut told = told.clone();
        clean(&mut told);
        for name in [
            header::CONTENT_LENGTH,
            header::CONTENT_ENCODING,
            header::CONTENT_TYPE,
            header::CONTENT_RANGE,
        ] {
            told.remove(name);
        }
        for name in told.keys() {
            headers.remove(name);
        }
        headers.extend(told);
        let lifetime = self.lifetime(StatusCode::OK, &headers);
        let mut names = self.names.clone();
        self.caching.add_tags(&headers, &mut names);
        let entry = Arc::new(Entry {
            body: old.body.clone(),
            lifetime: lifetime.unwrap_or(Lifetime {
                age: Duration::ZERO,
                fresh: Duration::ZERO,
                while_revalidate: Duration::ZERO,
                if_error: Duration::ZERO,
            }),
            received: Instant::now(),
            headers,
            names,
        });
        if lifetime.is_some() {
            self.caching.store.renew(key, Arc::clone(&entry));
        }
        Some(entry)
    }

    fn lifetime(&self, status: StatusCode, headers: &HeaderMap) -> Option<Lifetime> {
        let mut lifetime = rules::lifetime(
            status,
            headers,
            self.caching.longest,
            self.shares_credential,
            SystemTime::now(),
        )?;
        // What it aged on its way counts (RFC 9111, section 4.2.3).
        lifetime.age += self.asked.elapsed();
        Some(lifetime)
    }

    fn recorder(
        mut self: Box<Self>,
        parts: &response::Parts,
        incoming: &impl Body,
        held: HeldBody,
    ) -> Option<Box<Recorder>> {
        let length = incoming.size_hint().exact();
        let most = self.caching.store.max_body();
        if self.method != Method::GET || !has_an_end(parts) || length.is_some_and(|length| length > most) {
            return None;
        }
        let lifetime = self.lifetime(parts.status, &parts.headers)?;
        let vary: Arc<[HeaderName]> = rules::vary(&parts.headers)?.into();
        let variant = (!vary.is_empty()).then(|| {
            let key = variant(&self.key, &vary, &self.headers);
            (vary, key)
        });
        let mut headers = parts.headers.clone();
        clean(&mut headers);
        self.caching.add_tags(&headers, &mut self.names);
        Some(Box::new(Recorder {
            expected: self,
            variant,
            headers,
            lifetime,
            held,
            most,
        }))
    }
}

/// Whether the end of a body can be told from a connection that broke.
fn has_an_end(parts: &response::Parts) -> bool {
    parts.version == Version::HTTP_2
        || parts.headers.contains_key(header::CONTENT_LENGTH)
        || parts.headers.contains_key(header::TRANSFER_ENCODING)
}

/// Takes away what is of one connection or one request, and what is said anew each time.
fn clean(headers: &mut HeaderMap) {
    head::strip_hop_by_hop(headers);
    for name in [header::AGE, head::REQUEST_ID, CACHE_STATUS] {
        headers.remove(name);
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

/// Keeps an answer while its body passes through.
#[derive(Debug)]
pub(super) struct Recorder {
    expected: Box<Expected>,
    variant: Option<(Arc<[HeaderName]>, Key)>,
    headers: HeaderMap,
    lifetime: Lifetime,
    held: HeldBody,
    most: u64,
}

impl Recorder {
    /// Takes in a part of the body. Says whether to go on: not if it becomes too large, or if there is no room for it.
    pub(super) fn push(&mut self, data: &[u8]) -> bool {
        let fits = (self.held.len() + data.len()) as u64 <= self.most && self.held.push(data).is_ok();
        if !fits {
            let expected = &self.expected;
            expected.caching.store.pass(&expected.key, Instant::now());
        }
        fits
    }

    /// The body has come to its end.
    pub(super) fn finish(self) {
        let Self {
            expected,
            variant,
            headers,
            lifetime,
            held,
            ..
        } = self;
        let entry = Entry {
            headers,
            body: Bytes::copy_from_slice(held.as_ref()),
            lifetime,
            received: Instant::now(),
            names: expected.names.clone(),
        };
        expected.caching.store.keep(&expected.key, variant, entry);
    }
}
