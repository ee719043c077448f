//! The proxy of a fake Kong: routes a consumer's request, runs its plugins and asks the upstream.
//!
//! A configuration is compiled as a whole when it is first needed, so that a request sees all of it or nothing.

mod answer;
mod exchange;
mod memory;
mod path;
mod plugins;
mod query;
mod router;
#[cfg(test)]
mod tests;
mod upstream;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime};

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;

use self::answer::{Answer, text};
use self::exchange::{Exchange, UpstreamRequest};
use self::memory::Memory;
use self::plugins::{Plugin, Plugins};
pub use self::router::RouterFlavor;
use self::router::{Found, Router, Subject, reference, strings};
use crate::configuration::{Configuration, Entity};

/// The largest body that the proxy takes in, which is nginx's `client_max_body_size` no matter what plugins allow.
const LARGEST_BODY: usize = 256 << 20;

/// Answers consumers' requests by the newest configuration until the process ends.
///
/// # Errors
///
/// When the listener has no address or cannot accept connections.
pub async fn serve(
    listener: TcpListener,
    configuration: watch::Receiver<Arc<Configuration>>,
    flavor: RouterFlavor,
) -> std::io::Result<()> {
    let port = listener.local_addr()?.port();
    let proxy = Arc::new(Proxy {
        configuration,
        flavor,
        port,
        generation: Mutex::default(),
        memory: Memory::default(),
    });
    let service = axum::Router::new().fallback(handle).with_state(proxy);
    axum::serve(
        listener,
        service.into_make_service_with_connect_info::<SocketAddr>(),
    )
    .await
}

/// Everything that requests share.
struct Proxy {
    configuration: watch::Receiver<Arc<Configuration>>,
    flavor: RouterFlavor,
    port: u16,
    generation: Mutex<Option<Arc<Generation>>>,
    memory: Memory,
}

/// One configuration, compiled.
#[derive(Debug)]
struct Generation {
    configuration: Arc<Configuration>,
    router: Router,
    plugins: Plugins,
}

impl Generation {
    fn compile(configuration: Arc<Configuration>, flavor: RouterFlavor) -> Self {
        let router = Router::compile(&configuration, flavor);
        let plugins = Plugins::compile(&configuration);
        Self {
            configuration,
            router,
            plugins,
        }
    }
}

impl Proxy {
    fn generation(&self) -> Arc<Generation> {
        let newest = Arc::clone(&self.configuration.borrow());
        let mut current = self.generation.lock().unwrap_or_else(PoisonError::into_inner);
        match &*current {
            Some(generation) if Arc::ptr_eq(&generation.configuration, &newest) => Arc::clone(generation),
            _ => Arc::clone(current.insert(Arc::new(Generation::compile(newest, self.flavor)))),
        }
    }
}

async fn handle(
    State(proxy): State<Arc<Proxy>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    let started = Instant::now();
    let request_id = uuid::Uuid::new_v4().simple().to_string();
    let answer = answered(&proxy, peer, request, &request_id).await;
    answer.into_response(&request_id, started.elapsed().as_millis())
}

async fn answered(proxy: &Proxy, peer: SocketAddr, request: Request, request_id: &str) -> Answer {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, LARGEST_BODY).await else {
        return Answer::error(413, "Payload too large", request_id);
    };
    let asked = Asked {
        peer,
        port: proxy.port,
        parts,
        body,
        request_id: request_id.to_owned(),
    };
    let generation = proxy.generation();
    match exchange(&generation, asked) {
        Ok(exchange) => run(&generation, &proxy.memory, exchange).await,
        Err(answer) => *answer,
    }
}

/// A request as it came in.
struct Asked {
    peer: SocketAddr,
    port: u16,
    parts: axum::http::request::Parts,
    body: Bytes,
    request_id: String,
}

fn exchange(generation: &Generation, asked: Asked) -> Result<Exchange, Box<Answer>> {
    let Asked {
        peer,
        port,
        parts,
        body,
        request_id,
    } = asked;
    let path = path::normalised(parts.uri.path());
    let host = host(&parts.headers, &parts.uri);
    let query = parts.uri.query();
    let subject = Subject {
        method: &parts.method,
        host: &host,
        path: &path,
        query,
        headers: &parts.headers,
        port,
    };
    let selected = generation.router.select(&subject);
    let route =
        selected.and_then(|(id, found)| Some((generation.configuration.get("routes", id)?.clone(), found)));
    let Some((route, found)) = route else {
        return Err(Box::new(Answer::error(
            404,
            "no Route matched with those values",
            &request_id,
        )));
    };
    if https_only(&route) {
        let upgrade = Answer::message(426, "Please use HTTPS protocol");
        return Err(Box::new(
            upgrade
                .with("connection", "Upgrade")
                .with("upgrade", "TLS/1.2, HTTP/1.1"),
        ));
    }
    let service = reference(&route, "service")
        .and_then(|id| generation.configuration.get("services", id))
        .cloned();
    let Found {
        path: matched,
        captures,
    } = found;
    let prefix = matched.filter(|_| route.get("strip_path") == Some(&Value::Bool(true)));
    let upstream = upstream_request(&parts, &path, service.as_ref(), prefix.as_deref(), body.clone());
    Ok(Exchange {
        request_id,
        now: SystemTime::now(),
        peer,
        port,
        method: parts.method,
        raw_path: parts.uri.path().to_owned(),
        path,
        asked_query: parts.uri.query().map(str::to_owned),
        asked_headers: parts.headers,
        body,
        configuration: Arc::clone(&generation.configuration),
        route,
        service,
        captures,
        prefix,
        consumer: None,
        credential: None,
        cache: None,
        upstream,
        answer_headers: HeaderMap::new(),
    })
}

fn upstream_request(
    parts: &axum::http::request::Parts,
    path: &str,
    service: Option<&Entity>,
    prefix: Option<&str>,
    body: Bytes,
) -> UpstreamRequest {
    let base = service
        .and_then(|service| service.get("path"))
        .and_then(Value::as_str)
        .unwrap_or("/");
    let mut headers = parts.headers.clone();
    headers.remove("host");
    UpstreamRequest {
        method: parts.method.clone(),
        path: path::upstream_path(base, path, prefix),
        query: parts.uri.query().map(str::to_owned),
        headers,
        body,
    }
}

fn host(headers: &HeaderMap, uri: &Uri) -> String {
    let asked = text(headers, "host")
        .or_else(|| uri.authority().map(|authority| authority.as_str()))
        .unwrap_or_default();
    let name = asked
        .rsplit_once(':')
        .filter(|(_, port)| port.parse::<u16>().is_ok())
        .map_or(asked, |(name, _)| name);
    name.to_lowercase()
}

/// Whether a route has no plain HTTP: Kong tells such a consumer to come back over TLS.
fn https_only(route: &Entity) -> bool {
    let protocols = strings(route.get("protocols"));
    !protocols.is_empty()
        && !protocols
            .iter()
            .any(|protocol| protocol == "http" || protocol == "grpc")
}

async fn run(generation: &Generation, memory: &Memory, mut exchange: Exchange) -> Answer {
    let (taking_part, given) = generation.plugins.access(&mut exchange, memory);
    let mut answer = match given {
        Some(answer) => answer,
        None => upstream::ask(&exchange, memory).await,
    };
    for (name, value) in &exchange.answer_headers {
        answer.headers.insert(name.clone(), value.clone());
    }
    for plugin in &taking_part {
        plugin.answer(&exchange, &mut answer);
    }
    let storing = taking_part
        .iter()
        .find(|plugin| plugin.stores(&exchange, &answer));
    if let Some(plugin) = storing {
        answer = stored(plugin.as_ref(), &exchange, answer, memory).await;
    }
    answer
}

/// The answer again, read to its end and kept by a plugin; an upstream that breaks off is as one that does not answer.
async fn stored(plugin: &dyn Plugin, exchange: &Exchange, mut answer: Answer, memory: &Memory) -> Answer {
    let body = std::mem::replace(&mut answer.body, Body::empty());
    let Ok(body) = to_bytes(body, LARGEST_BODY).await else {
        let message = "An invalid response was received from the upstream server";
        return Answer::error(502, message, &exchange.request_id);
    };
    plugin.store(exchange, &answer, body.clone(), memory);
    answer.body = Body::from(body);
    answer
}
