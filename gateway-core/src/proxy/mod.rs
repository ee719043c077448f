//! One request's way through: check its head, find its route, hold it to the route's policies, send it
//! on, send the answer back.

pub(crate) mod body;
pub(crate) mod completion;
pub(crate) mod head;
pub(crate) mod problem;
mod upgrade;

use std::{convert::Infallible, net::IpAddr, rc::Rc, sync::Arc, time::Instant};

use http::{HeaderValue, Method, Request, Response, StatusCode, Version, header, request};
use hyper::body::{Body as _, Incoming};

use self::{
    body::{RequestBody, ResponseBody, UpstreamBody},
    completion::{AccessEntry, Completion},
    head::Origin,
    problem::Problem,
};
use crate::{
    api::Route,
    metrics::UpstreamFailure,
    router::{Lookup, path::NormalPath, rule::RequestView},
    upstream::send::{self, Answer, SendError},
    worker::Worker,
};

/// What all requests of one connection have in common.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) worker: Rc<Worker>,
    pub(crate) address: IpAddr,
    /// The address as `X-Forwarded-For` says it.
    pub(crate) address_header: HeaderValue,
    /// Whether the connection is TLS.
    pub(crate) secure: bool,
}

/// Answers one request.
pub(crate) async fn answer(
    client: Rc<Client>,
    request: Request<Incoming>,
) -> Result<Response<ResponseBody>, Infallible> {
    let mut exchange = Exchange {
        client: &client,
        started: Instant::now(),
        route: None,
        request_id: None,
        consumer: None,
        entry: None,
    };
    Ok(match exchange.serve(request).await {
        Ok(response) => response,
        Err(problem) => exchange.refuse(problem),
    })
}

/// One request and what is known of it so far.
struct Exchange<'a> {
    client: &'a Client,
    started: Instant,
    route: Option<Arc<Route>>,
    request_id: Option<HeaderValue>,
    consumer: Option<Arc<str>>,
    entry: Option<Box<AccessEntry>>,
}

impl Exchange<'_> {
    async fn serve(&mut self, request: Request<Incoming>) -> Result<Response<ResponseBody>, Problem> {
        let (mut parts, body) = request.into_parts();
        let host = head::take_host(&mut parts)?;
        self.identify(&mut parts, &host);
        if parts.method == Method::CONNECT {
            return Err(Problem::method_not_allowed("This gateway opens no tunnels.").closing());
        }
        let uri = std::mem::take(&mut parts.uri);
        let path = NormalPath::parse(uri.path())
            .map_err(|error| Problem::bad_request(format!("The request cannot be routed: {error}.")))?;
        let route = self.route(&parts, &host, &path, uri.query())?;
        let target = head::target(
            &route.upstream.path_prefix,
            path.below(route.base_segments),
            uri.query(),
        );
        parts.uri = target.ok_or_else(|| Problem::bad_request("The request's target is too long."))?;
        self.forward(&route, parts, body, host).await
    }

    /// Gives the request a name; a caller's own is kept if it is harmless.
    fn identify(&mut self, parts: &mut request::Parts, host: &HeaderValue) {
        let given = parts.headers.get(&head::REQUEST_ID);
        let id = match given.filter(|id| is_harmless(id)) {
            Some(id) => id.clone(),
            None => {
                let id = self.client.worker.next_request_id();
                parts.headers.insert(head::REQUEST_ID, id.clone());
                id
            }
        };
        if self.client.worker.shared.access_log {
            self.entry = Some(Box::new(AccessEntry {
                method: parts.method.clone(),
                host: text(host).to_owned(),
                path: parts.uri.path().to_owned(),
                client: self.client.address,
                request_id: text(&id).to_owned(),
                api: None,
                consumer: None,
            }));
        }
        self.request_id = Some(id);
    }

    fn route(
        &mut self,
        parts: &request::Parts,
        host: &HeaderValue,
        path: &NormalPath<'_>,
        query: Option<&str>,
    ) -> Result<Arc<Route>, Problem> {
        let table = self.client.worker.shared.table.load();
        let view = RequestView {
            method: &parts.method,
            headers: &parts.headers,
            query,
        };
        match table.router.find(text(host), path, &view) {
            Lookup::Found(route) => {
                self.route = Some(Arc::clone(route));
                Ok(Arc::clone(route))
            }
            Lookup::OtherMethods(methods) => {
                let allowed = methods.into_iter().collect::<Vec<_>>().join(", ");
                let problem = Problem::method_not_allowed(format!("This path is served for {allowed}."));
                Err(match HeaderValue::try_from(allowed) {
                    Ok(allowed) => problem.with(header::ALLOW, allowed),
                    Err(_) => problem,
                })
            }
            Lookup::Ambiguous => Err(Problem::bad_request(
                "The path can be read in two ways that lead to different operations; write it without escaped slashes and `;`.",
            )),
            Lookup::Nothing => Err(Problem::no_route("No API is served at this host and path.")),
        }
    }

    async fn forward(
        &mut self,
        route: &Route,
        mut parts: request::Parts,
        body: Incoming,
        host: HeaderValue,
    ) -> Result<Response<ResponseBody>, Problem> {
        let websocket = head::wants_websocket(&parts).then(|| upgrade::Pending::take(&mut parts));
        if parts.version == Version::HTTP_2 {
            head::join_cookies(&mut parts.headers);
        }
        self.rewrite(route, &mut parts, host);
        if websocket.is_some() {
            upgrade::ask(&mut parts.headers);
        }
        let body = match body.is_end_stream() {
            true => RequestBody::Empty,
            false => RequestBody::Streaming(body),
        };
        let request = Request::from_parts(parts, body);
        let pool = &self.client.worker.pool;
        match send::send(pool, &route.upstream, request).await {
            Ok(answer) => self.pass_back(route, answer, websocket),
            Err(error) => Err(self.failed(route, error)),
        }
    }

    fn rewrite(&self, route: &Route, parts: &mut request::Parts, host: HeaderValue) {
        let headers = &mut parts.headers;
        head::strip_hop_by_hop(headers);
        // We answer `100 Continue` ourselves, when the upstream takes the body.
        headers.remove(header::EXPECT);
        let origin = Origin {
            address: &self.client.address_header,
            host,
            secure: self.client.secure,
        };
        head::add_forwarded(headers, origin);
        headers.insert(header::HOST, route.upstream.endpoint.authority.clone());
        parts.version = Version::HTTP_11;
        parts.extensions.clear();
    }

    fn pass_back(
        &mut self,
        route: &Route,
        answer: Answer,
        websocket: Option<upgrade::Pending>,
    ) -> Result<Response<ResponseBody>, Problem> {
        let Answer { response, sender } = answer;
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            let Some(pending) = websocket else {
                return Err(Problem::upstream_failed(
                    "The upstream switched protocols without being asked to.",
                ));
            };
            return Ok(self.switch(response, pending));
        }
        let (mut parts, incoming) = response.into_parts();
        head::strip_hop_by_hop(&mut parts.headers);
        if websocket.is_some() {
            // The framing of what follows on this connection was no longer watched.
            parts
                .headers
                .insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        parts.version = Version::HTTP_11;
        parts.extensions.clear();
        let body = UpstreamBody {
            incoming,
            sender: Some(sender),
            pool: Rc::clone(&self.client.worker.pool),
            endpoint: route.upstream.endpoint.id,
        };
        let completion = self.completion(parts.status);
        Ok(Response::from_parts(
            parts,
            ResponseBody::upstream(body, completion),
        ))
    }

    fn switch(&mut self, response: Response<Incoming>, pending: upgrade::Pending) -> Response<ResponseBody> {
        let headers = upgrade::accepted(response.headers());
        pending.tunnel(response);
        let completion = self.completion(StatusCode::SWITCHING_PROTOCOLS);
        let mut switched = Response::new(ResponseBody::own(bytes::Bytes::new(), completion));
        *switched.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        *switched.headers_mut() = headers;
        switched
    }

    fn failed(&self, route: &Route, error: SendError) -> Problem {
        let api = &route.api;
        let (failure, problem) = match &error {
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
        tracing::warn!(
            api.name = %api,
            request.id = self.request_id.as_ref().map(text),
            error = %crate::error::chain(&error),
            "A request to API `{api}` got no answer from its upstream"
        );
        problem
    }

    /// The answer to a request that is not let through.
    fn refuse(&mut self, problem: Problem) -> Response<ResponseBody> {
        let id = match self.request_id.take() {
            Some(id) => id,
            None => self.client.worker.next_request_id(),
        };
        let id = text(&id);
        let status = problem.status;
        let body = problem.body(id);
        let headers = problem.into_headers(id);
        let mut response = Response::new(ResponseBody::own(body, self.completion(status)));
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        response
    }

    fn completion(&mut self, status: StatusCode) -> Completion {
        let worker = &self.client.worker;
        let metrics = match &self.route {
            Some(route) => &route.metrics,
            None => &worker.shared.unrouted,
        };
        let mut entry = self.entry.take();
        if let Some(entry) = &mut entry {
            entry.api = self.route.as_ref().map(|route| Arc::clone(&route.api));
            entry.consumer = self.consumer.take();
        }
        Completion::new(
            Rc::clone(worker),
            Arc::clone(metrics),
            self.started,
            status,
            entry,
        )
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
