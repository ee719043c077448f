//! A gateway and upstreams to try it with.

use std::{collections::BTreeMap, convert::Infallible, net::SocketAddr, sync::Arc};

use bytes::Bytes;
use gatehouse_gateway_core::{ApiConfig, Gateway, GatewayOptions};
use gatehouse_schemas::{canonical::Fingerprint, identity::ExternalRef};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// What an upstream saw of a request.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) head: http::request::Parts,
    pub(crate) body: Bytes,
}

/// Starts an upstream that answers with what the closure makes of a request.
pub(crate) async fn upstream<A>(answer: A) -> SocketAddr
where
    A: Fn(Seen) -> Response<String> + Send + Sync + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let answer = Arc::new(answer);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let answer = Arc::clone(&answer);
            let service = service_fn(move |request: Request<Incoming>| {
                let answer = Arc::clone(&answer);
                async move {
                    let (head, body) = request.into_parts();
                    let body = body
                        .collect()
                        .await
                        .map(|body| body.to_bytes())
                        .unwrap_or_default();
                    Ok::<_, Infallible>(answer(Seen { head, body }).map(|text| Full::new(Bytes::from(text))))
                }
            });
            let connection =
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            tokio::spawn(connection);
        }
    });
    address
}

/// An upstream that tells what it was asked: a JSON document with method, target, headers and body.
pub(crate) async fn echo() -> SocketAddr {
    upstream(|seen| {
        let headers: BTreeMap<String, Vec<String>> = seen
            .head
            .headers
            .keys()
            .map(|name| (name.to_string(), values(&seen, name)))
            .collect();
        let document = json!({
            "method": seen.head.method.as_str(),
            "target": seen.head.uri.to_string(),
            "headers": headers,
            "body": String::from_utf8_lossy(&seen.body),
        });
        Response::new(document.to_string())
    })
    .await
}

fn values(seen: &Seen, name: &http::HeaderName) -> Vec<String> {
    let all = seen.head.headers.get_all(name).iter();
    all.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
        .collect()
}

/// A gateway with one worker on a free port.
pub(crate) async fn gateway() -> Gateway {
    let options = GatewayOptions {
        worker_threads: Some(1),
        ..GatewayOptions::default()
    };
    Gateway::start(options).await.expect("the gateway starts")
}

/// An API with these fields beside or in place of the usual ones.
pub(crate) fn api(name: &str, upstream: SocketAddr, fields: Value) -> ApiConfig {
    let mut content = json!({
        "displayName": name,
        "version": "v1",
        "type": "rest",
        "direction": "ingress",
        "basePath": format!("/{name}"),
        "upstreams": {"main": {"url": format!("http://{upstream}")}},
    });
    for (field, value) in fields.as_object().expect("fields") {
        content[field] = value.clone();
    }
    ApiConfig {
        external_ref: ExternalRef(name.to_owned()),
        mark: None,
        fingerprint: Fingerprint::of_value(&content),
        content: serde_json::from_value(content).expect("content of a revision"),
        secret_hashes: BTreeMap::new(),
        secrets: BTreeMap::new(),
    }
}

/// Sends bytes as they are on a new connection and reads the answer until the gateway closes.
pub(crate) async fn raw(gateway: &Gateway, request: &str) -> String {
    let mut stream = TcpStream::connect(gateway.address())
        .await
        .expect("the gateway listens");
    stream
        .write_all(request.as_bytes())
        .await
        .expect("the gateway reads");
    let mut answer = Vec::new();
    // A reset after the answer is as good as an end.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

/// A GET request that ends its connection.
pub(crate) async fn get(gateway: &Gateway, path: &str) -> String {
    raw(
        gateway,
        &format!("GET {path} HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n\r\n"),
    )
    .await
}

/// The status of a raw answer.
pub(crate) fn status(answer: &str) -> u16 {
    let code = answer.split(' ').nth(1).unwrap_or_default();
    code.parse().unwrap_or_else(|_| panic!("no status in {answer:?}"))
}

/// The JSON body of a raw answer with a Content-Length.
pub(crate) fn document(answer: &str) -> Value {
    let (_, body) = answer
        .split_once("\r\n\r\n")
        .unwrap_or_else(|| panic!("no body in {answer:?}"));
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error} in {answer:?}"))
}
