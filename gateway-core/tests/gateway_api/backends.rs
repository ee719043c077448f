//! Backends that answer with what they were asked, as those of the conformance suite do.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ServerConnection;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::accept_async;

/// One backend.
#[derive(Clone)]
pub(crate) struct Backend {
    pub(crate) address: SocketAddr,
    /// The targets that it was asked for.
    asked: Arc<Mutex<Vec<String>>>,
}

impl Backend {
    /// Starts a backend of this name, over TLS if it is said how.
    pub(crate) async fn start(namespace: &str, app: &str, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let identity = Arc::new((namespace.to_owned(), app.to_owned()));
        let seen = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (identity, seen) = (Arc::clone(&identity), Arc::clone(&seen));
                let tls = tls.clone();
                let service = |handshake: Value| {
                    service_fn(move |request| {
                        let (identity, seen) = (Arc::clone(&identity), Arc::clone(&seen));
                        let handshake = handshake.clone();
                        async move { Ok::<_, Infallible>(answer(&identity, &seen, handshake, request).await) }
                    })
                };
                tokio::spawn(async move {
                    if let Some(tls) = tls {
                        // Whoever does not want this certificate is of no interest either.
                        let Ok(stream) = tls.accept(stream).await else {
                            return;
                        };
                        let service = service(handshake(stream.get_ref().1));
                        let server = http1::Builder::new();
                        let _ = server.serve_connection(TokioIo::new(stream), service).await;
                        return;
                    }
                    let service = service(Value::Null);
                    let mut start = [0; 3];
                    let http2 = stream.peek(&mut start).await.is_ok() && start == *b"PRI";
                    let io = TokioIo::new(stream);
                    // Whoever breaks off is of no interest.
                    let _ = match http2 {
                        true => {
                            let server = http2::Builder::new(TokioExecutor::new());
                            server.serve_connection(io, service).await
                        }
                        false => http1::Builder::new().serve_connection(io, service).await,
                    };
                });
            }
        });
        Self { address, asked }
    }

    /// Starts a backend that sends every message back.
    pub(crate) async fn websocket() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut socket = accept_async(stream).await.expect("a handshake");
                    while let Some(Ok(message)) = socket.next().await {
                        if message.is_text() {
                            socket.send(message).await.expect("sent");
                        }
                    }
                });
            }
        });
        Self {
            address,
            asked: Arc::default(),
        }
    }

    /// How often it was asked for this target.
    pub(crate) fn times(&self, target: &str) -> usize {
        let asked = self.asked.lock().expect("nobody panicked");
        asked.iter().filter(|seen| *seen == target).count()
    }
}

/// What a gateway asked for and showed.
fn handshake(session: &ServerConnection) -> Value {
    let certificate = session.peer_certificates().and_then(<[_]>::first);
    json!({
        "serverName": session.server_name(),
        "certificate": certificate.map(|der| der.as_ref()),
    })
}

async fn answer(
    (namespace, app): &(String, String),
    seen: &Mutex<Vec<String>>,
    handshake: Value,
    request: Request<Incoming>,
) -> Response<Full<Bytes>> {
    let target = request
        .uri()
        .path_and_query()
        .map_or("/", |target| target.as_str());
    let target = target.to_owned();
    let before = {
        let mut seen = seen.lock().expect("nobody panicked");
        seen.push(target.clone());
        seen.iter().filter(|it| **it == target).count() - 1
    };
    if let Some(failure) = failure(&target, before) {
        let mut response = Response::new(Full::default());
        *response.status_mut() = failure;
        return response;
    }
    if let Some((_, delay)) = target.split_once("delay=") {
        tokio::time::sleep(duration(delay)).await;
    }
    let headers = request.headers();
    let authority = request.uri().authority().map(ToString::to_string);
    let host = headers
        .get(header::HOST)
        .map(text)
        .or(authority)
        .unwrap_or_default();
    let document = json!({
        "path": target,
        "host": host,
        "method": request.method().as_str(),
        "namespace": namespace,
        "pod": format!("{app}-0"),
        "headers": joined(headers),
        "tls": handshake,
    });
    let mut response = Response::new(Full::new(Bytes::from(document.to_string())));
    for asked in headers.get_all("x-echo-set-header") {
        for pair in text(asked).split(',') {
            let (name, value) = pair.split_once(':').expect("a name and a value");
            let name: HeaderName = name.trim().parse().expect("a header name");
            let value = HeaderValue::from_str(value.trim()).expect("a header value");
            response.headers_mut().append(name, value);
        }
    }
    response
}

/// With what a request is answered that was asked for so often before, if it says how often that is to be.
fn failure(target: &str, before: usize) -> Option<StatusCode> {
    let parameter = |name: &str| {
        let pairs = target.split_once('?')?.1.split('&');
        pairs
            .filter_map(|pair| pair.split_once('='))
            .find(|(own, _)| *own == name)
    };
    let (_, times) = parameter("succeedAfter")?;
    let (_, status) = parameter("responseCode")?;
    let fails = before < times.parse().expect("a number");
    fails.then(|| status.parse().expect("a status"))
}

/// Each header's values, joined by commas.
pub(crate) fn joined(headers: &HeaderMap) -> BTreeMap<String, String> {
    let of_name = |name: &HeaderName| {
        let values: Vec<String> = headers.get_all(name).iter().map(text).collect();
        (name.as_str().to_owned(), values.join(","))
    };
    headers.keys().map(of_name).collect()
}

fn text(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}

/// A duration as Kubernetes writes them, of one unit.
pub(crate) fn duration(text: &str) -> Duration {
    let number = |unit: &str| text.strip_suffix(unit).and_then(|number| number.parse().ok());
    let milliseconds = number("ms").map(Duration::from_millis);
    let seconds = number("s").map(Duration::from_secs);
    milliseconds
        .or(seconds)
        .unwrap_or_else(|| panic!("`{text}` is no duration"))
}
