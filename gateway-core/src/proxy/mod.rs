//! One request's way through: check its head, find its route, hold it to the route's policies, send it
//! on, send the answer back.

mod admit;
mod attempts;
pub(crate) mod body;
pub(crate) mod budget;
mod cached;
pub(crate) mod client;
pub(crate) mod completion;
mod forward;
mod grpc;
pub(crate) mod head;
mod mirror;
pub(crate) mod misdirected;
mod modules;
pub(crate) mod origin;
pub(crate) mod problem;
mod replay;
mod trace;
mod transformed;
pub(crate) mod upgrade;

use std::{convert::Infallible, net::IpAddr, rc::Rc, sync::Arc, time::Instant};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, Version, header, request,
};
use hyper::body::{Body as _, Incoming};

use self::{
    body::{CutFlag, ResponseBody},
    cached::Expected,
    client::Client,
    completion::{AccessEntry, Completion},
    mirror::Original,
    problem::Problem,
    upgrade::Pending,
};
use crate::{
    api::Route,
    policy::{
        jwt::Token,
        limits::Told,
        redirect::Asked,
        respond::{Given, Respond},
        wasm::Wasm,
    },
    router::{Lookup, path::NormalPath, rule::RequestView},
    table::Table,
    telemetry::Trace,
};

/// Answers one request.
pub(crate) async fn answer(
    client: Rc<Client>,
    request: Request<Incoming>,
) -> Result<Response<ResponseBody>, Infallible> {
    let asks_to_switch = head::asks_to_switch(&request);
    let http2 = request.version() == Version::HTTP_2;
    client.began.set(true);
    let mut exchange = Exchange::new(&client, request.headers());
    let mut response = match exchange.serve(request).await {
        Ok(response) => exchange.past_modules(response).await,
        Err(problem) => exchange.refuse(problem),
    };
    if exchange.extended && !exchange.switched && response.status().is_success() {
        response = exchange.without_websocket(response);
    }
    // If the caller asked to switch, how requests are framed on this connection is no longer watched.
    let ends = asks_to_switch || (client.closing.get() && !http2);
    if ends && response.status() != StatusCode::SWITCHING_PROTOCOLS {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
    }
    Ok(response)
}

/// One request and what is known of it so far.
struct Exchange<'a> {
    client: &'a Client,
    /// Where the request came from: the connection's other end, or whom a trusted proxy there speaks for.
    address: IpAddr,
    /// Whether refusals are to be said as gRPC does.
    grpc: bool,
    /// Until when a gRPC caller waits, if it says so.
    deadline: Option<Instant>,
    started: Instant,
    route: Option<Arc<Route>>,
    request_id: Option<HeaderValue>,
    /// Where the calling script comes from, if the route cares.
    origin: Option<HeaderValue>,
    consumer: Option<Arc<str>>,
    /// What a service or a module that let the request through says to the upstream.
    vouched: Vec<(HeaderName, HeaderValue)>,
    /// What modules take out of the caller's headers.
    withheld: Vec<HeaderName>,
    /// What modules want to know again when they see the answer.
    notes: Vec<(Arc<Wasm>, String)>,
    /// The caller's token, once it was verified.
    token: Option<Arc<Token>>,
    /// What the answer says of limits.
    limits: Option<Told>,
    /// Says why the request's body was cut off, if that may happen.
    cut: Option<CutFlag>,
    entry: Option<Box<AccessEntry>>,
    /// Only if requests are traced.
    trace: Option<Trace>,
    /// The caller's side of a WebSocket that is asked for.
    websocket: Option<Pending>,
    /// Whether it is asked for over HTTP/2, where any success says that there is one.
    extended: bool,
    /// Whether there is one now.
    switched: bool,
    /// What the cache does with the upstream's answer.
    expected: Option<Box<Expected>>,
    /// Whether no caller waits for the answer.
    in_background: bool,
    /// There is an answer, which from then on is recorded by itself.
    answered: bool,
}

/// The caller went away before there was an answer. That is recorded, too, with the status that nginx made known for it.
impl Drop for Exchange<'_> {
    fn drop(&mut self) {
        if self.answered || self.in_background {
            return;
        }
        let nothing = HeaderMap::new();
        // Its span says so by having no status.
        drop(self.end_trace(&nothing));
        if let Ok(gone) = StatusCode::from_u16(499) {
            drop(self.completion(gone, &nothing));
        }
    }
}

impl<'a> Exchange<'a> {
    fn new(client: &'a Client, headers: &HeaderMap) -> Self {
        let grpc = grpc::is_call(headers);
        let started = Instant::now();
        let patience = if grpc { grpc::timeout(headers) } else { None };
        Self {
            client,
            address: client.origin(headers),
            grpc,
            deadline: patience.and_then(|patience| started.checked_add(patience)),
            started,
            route: None,
            request_id: None,
            origin: None,
            consumer: None,
            vouched: Vec::new(),
            withheld: Vec::new(),
            notes: Vec::new(),
            token: None,
            limits: None,
            cut: None,
            entry: None,
            trace: None,
            websocket: None,
            extended: false,
            switched: false,
            expected: None,
            in_background: false,
            answered: false,
        }
    }

    async fn serve(&mut self, request: Request<Incoming>) -> Result<Response<ResponseBody>, Problem> {
        let (mut parts, body) = request.into_parts();
        // First of all, so that everything else sees the GET that it is over HTTP/1.1.
        self.websocket = Pending::take_extended(&mut parts);
        self.extended = self.websocket.is_some();
        self.begin_trace(&mut parts);
        self.identify(&parts);
        let host = head::take_host(&mut parts)?;
        if head::wants_websocket(&parts) {
            self.websocket = Some(Pending::take(&mut parts));
        }
        // Before anything is decided on, so that all checks see what the upstream will.
        head::strip_hop_by_hop(&mut parts.headers);
        if parts.version == Version::HTTP_2 {
            head::join_cookies(&mut parts.headers);
        }
        if parts.method == Method::CONNECT {
            return Err(upgrade::refused(&parts));
        }
        self.refuse_misdirected(&host)?;
        let uri = std::mem::take(&mut parts.uri);
        let path = NormalPath::parse(uri.path())
            .map_err(|error| Problem::bad_request(format!("The request cannot be routed: {error}.")))?;
        // A guard, not a copy; it is gone before anything is waited for.
        let route = {
            let table = self.client.worker.shared.table.load();
            if let Some(headers) = self.preflight(&table, &parts, &host, &path, uri.query()) {
                if let Some(route) = self.route.clone() {
                    self.follow_log(&route, &parts, &host, uri.path());
                }
                return Ok(self.own_answer(StatusCode::NO_CONTENT, headers?, Bytes::new()));
            }
            let route = self.route(&table, &parts, &host, &path, uri.query())?;
            self.follow_log(&route, &parts, &host, uri.path());
            admit::refuse_disguise(&table, &parts, &host, &path, uri.query(), &route)?;
            self.refuse_uncertified(&host, &route)?;
            route
        };
        let has_body = !body.is_end_stream();
        self.admit(&route, &parts, &path, uri.query(), &host, has_body)
            .await?;
        for name in self.withheld.drain(..) {
            parts.headers.remove(name);
        }
        let body = self.limit(&route.chain, body)?;
        let body = self.watched(body, parts.version);
        let shared = &self.client.worker.shared;
        let body = admit::checked(
            &route.chain,
            &parts.headers,
            body,
            &shared.bodies,
            shared.stall_timeout,
        )
        .await?;
        if let Some(respond) = &route.chain.respond {
            let location = self.location(&route, respond, &host, &path, uri.query())?;
            let given = respond.give(&parts.headers)?;
            return Ok(self.fixed_answer(&route, given, location));
        }
        let transform = route.chain.transform.as_ref();
        let body = match transform.and_then(|transform| transform.request.as_ref()) {
            None => body,
            Some(change) => Box::pin(self.transform_request(&route, change, &mut parts, body)).await?,
        };
        let body = match &route.mirrors[..] {
            [] => body,
            mirrors => {
                let original = Original {
                    parts: &parts,
                    host: &host,
                    path: &path,
                    query: uri.query(),
                };
                self.mirror(mirrors, original, body).await?
            }
        };
        let route = match &route.split {
            Some(split) => split.choose(&parts.headers).map_or(route.clone(), Arc::clone),
            None => route,
        };
        parts.uri = target(&route, &path, uri.query())?;
        if let Some(caching) = &route.chain.cache {
            // In a box, so that requests without a cache have no room for it.
            return Box::pin(self.cached(&route, caching, parts, body, host, &path.forward)).await;
        }
        self.forward(&route, parts, body, host).await
    }

    /// Gives the request a name; a caller's own is kept if it is harmless.
    fn identify(&mut self, parts: &request::Parts) {
        let worker = &self.client.worker;
        let given = parts.headers.get(&head::REQUEST_ID).filter(|id| is_harmless(id));
        let id = given.cloned().unwrap_or_else(|| worker.next_request_id());
        self.request_id = Some(id);
        self.name_trace();
        if worker.shared.access_log {
            let host = parts.headers.get(header::HOST).map(text);
            let host = parts.uri.host().or(host).unwrap_or_default();
            self.entry = self.access_entry(parts, host, parts.uri.path());
        }
    }

    /// What the access log will say of this request, if anybody listens to it.
    fn access_entry(&self, parts: &request::Parts, host: &str, path: &str) -> Option<Box<AccessEntry>> {
        if !tracing::enabled!(target: "gateway_access", tracing::Level::INFO) && !self.exports_access_log() {
            return None;
        }
        Some(Box::new(AccessEntry {
            method: parts.method.clone(),
            host: host.to_owned(),
            path: path.to_owned(),
            client: self.address,
            request_id: self.request_id.as_ref().map(text).unwrap_or_default().to_owned(),
            api: None,
            consumer: None,
            logged: None,
            trace: self.traced(&parts.headers),
        }))
    }

    /// A route with a `log` policy decides whether this request is written and what of it.
    fn follow_log(&mut self, route: &Route, parts: &request::Parts, host: &HeaderValue, path: &str) {
        let Some(log) = &route.chain.log else {
            return;
        };
        if !log.picks() {
            self.entry = None;
            return;
        }
        if self.entry.is_none() {
            self.entry = self.access_entry(parts, text(host), path);
        }
        if let Some(entry) = &mut self.entry {
            entry.logged = Some(log.of_request(&parts.headers));
        }
    }

    fn route(
        &mut self,
        table: &Table,
        parts: &request::Parts,
        host: &HeaderValue,
        path: &NormalPath<'_>,
        query: Option<&str>,
    ) -> Result<Arc<Route>, Problem> {
        let view = RequestView {
            method: &parts.method,
            headers: &parts.headers,
            query,
        };
        match table.router.find(text(host), path, &view) {
            Lookup::Found(route) => {
                if route.chain.cors.is_some() {
                    self.origin = parts.headers.get(header::ORIGIN).cloned();
                }
                self.route = Some(Arc::clone(route));
                Ok(Arc::clone(route))
            }
            Lookup::OtherMethods(methods) => Err(method_not_allowed(methods.into_iter().collect())),
            Lookup::Ambiguous => Err(Problem::bad_request(
                "The path can be read in two ways that lead to different operations; write it without escaped slashes and `;`.",
            )),
            Lookup::Nothing => Err(Problem::no_route("No API is served at this host and path.")),
        }
    }

    /// The answer to a request that is not let through.
    fn refuse(&mut self, problem: Problem) -> Response<ResponseBody> {
        let id = match self.request_id.take() {
            Some(id) => id,
            None => self.client.worker.next_request_id(),
        };
        let id = text(&id);
        let status = problem.status;
        self.trace_refusal(&problem);
        let mut body = problem.body(id);
        let detail = self.grpc.then(|| problem.detail.clone());
        let mut headers = HeaderMap::new();
        if let Some(route) = self.route.clone() {
            if let Some(cors) = &route.chain.cors {
                // Scripts that may read answers may read this one.
                cors.mark(self.origin.as_ref(), &mut headers);
            }
            self.tell_limits(&mut headers);
            // What protects callers of an API protects those who are refused, too.
            route.chain.response.apply(&mut headers);
        }
        problem.write_headers(id, &mut headers);
        if let Some(detail) = &detail {
            grpc::refuse(status, detail, &mut headers);
            body = Bytes::new();
        }
        let mut response = self.own_answer(status, headers, body);
        if detail.is_some() {
            // What is counted and logged is why; gRPC's own answer is always this.
            *response.status_mut() = StatusCode::OK;
        }
        response
    }

    /// The answer to somebody who asked for a WebSocket over HTTP/2, in place of a success that would say there is one.
    fn without_websocket(&mut self, answer: Response<ResponseBody>) -> Response<ResponseBody> {
        let problem = upgrade::not_opened(answer.status());
        self.take_back(answer);
        self.refuse(problem)
    }

    /// Forgets an answer, in place of which another one is given. The request is counted once, with the answer that the
    /// caller gets.
    fn take_back(&mut self, answer: Response<ResponseBody>) {
        let (entry, recording) = answer.into_body().discard();
        self.entry = entry;
        if let Some(trace) = &mut self.trace {
            trace.recording = recording;
        }
        self.consumer = self.entry.as_mut().and_then(|entry| entry.consumer.take());
    }

    /// Puts in what is known of limits. What changes responses comes after it and may take it away.
    fn tell_limits(&mut self, headers: &mut HeaderMap) {
        if let Some(told) = self.limits.take() {
            told.write(headers);
        }
    }

    fn own_answer(&mut self, status: StatusCode, headers: HeaderMap, body: Bytes) -> Response<ResponseBody> {
        let completion = self.completion(status, &headers);
        let mut response = Response::new(ResponseBody::own(body, completion));
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        response
    }

    /// Where the caller is sent, if the answer is a redirect.
    fn location(
        &self,
        route: &Route,
        respond: &Respond,
        host: &HeaderValue,
        path: &NormalPath<'_>,
        query: Option<&str>,
    ) -> Result<Option<HeaderValue>, Problem> {
        let Some(redirect) = &respond.redirect else {
            return Ok(None);
        };
        let query = admit::without_credentials(&route.chain, query);
        let asked = Asked {
            secure: self.client.secure,
            host: text(host),
            path,
            base_segments: route.base_segments,
            query: query.as_deref(),
        };
        redirect.location(&asked).map(Some)
    }

    /// The answer of a `respond` policy, which what changes responses changes, too.
    fn fixed_answer(
        &mut self,
        route: &Route,
        given: Given,
        location: Option<HeaderValue>,
    ) -> Response<ResponseBody> {
        let mut headers = given.headers;
        headers.extend(location.map(|location| (header::LOCATION, location)));
        if let Some(cors) = &route.chain.cors {
            cors.mark(self.origin.as_ref(), &mut headers);
        }
        self.tell_limits(&mut headers);
        route.chain.response.apply(&mut headers);
        self.own_answer(given.status, headers, given.body)
    }

    fn completion(&mut self, status: StatusCode, headers: &HeaderMap) -> Completion {
        self.answered = true;
        let worker = &self.client.worker;
        let metrics = match &self.route {
            Some(route) => &route.metrics,
            None => &worker.shared.unrouted,
        };
        let mut entry = self.entry.take();
        if let Some(entry) = &mut entry {
            entry.api = self.route.as_ref().map(|route| Arc::clone(&route.api));
            entry.consumer = self.consumer.take();
            if let Some(logged) = &mut entry.logged {
                logged.answered(headers);
            }
        }
        let mut completion = Completion::new(
            Rc::clone(worker),
            (!self.in_background).then(|| Arc::clone(metrics)),
            self.started,
            status,
            entry,
        );
        completion.record(self.end_trace(headers));
        completion
    }
}

/// What the upstream is asked for.
fn target(route: &Route, path: &NormalPath<'_>, query: Option<&str>) -> Result<Uri, Problem> {
    let chain = &route.chain;
    let mut query = admit::without_credentials(chain, query);
    let mut rewritten = None;
    if let Some(rewrite) = &chain.rewrite {
        rewritten = rewrite.path(path, route.base_segments)?;
        query = rewrite.query(query);
    }
    let below = rewritten
        .as_deref()
        .unwrap_or_else(|| path.below(route.base_segments));
    let target = head::target(&route.upstream.path_prefix, below, query.as_deref());
    target.ok_or_else(|| Problem::bad_request("The request's target is too long."))
}

fn method_not_allowed(methods: Vec<String>) -> Problem {
    let allowed = methods.join(", ");
    let problem = Problem::method_not_allowed(format!("This path is served for {allowed}."));
    match HeaderValue::try_from(allowed) {
        Ok(allowed) => problem.with(header::ALLOW, allowed),
        Err(_) => problem,
    }
}

fn is_harmless(id: &HeaderValue) -> bool {
    let bytes = id.as_bytes();
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=128).contains(&bytes.len()) && bytes.iter().all(allowed)
}

fn text(value: &HeaderValue) -> &str {
    value.to_str().unwrap_or_default()
}
