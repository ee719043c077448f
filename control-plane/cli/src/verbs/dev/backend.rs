//! The sample backend: a small HTTP server that greets people and tells what reached it.

use std::{convert::Infallible, fs, io, net::SocketAddr, path::Path};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Request, Response, StatusCode, body::Incoming, header, server::conn::http1, service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tracing::debug;

/// A running sample backend; it ends with the process.
#[derive(Debug)]
pub(super) struct Backend {
    address: SocketAddr,
    previous_port: Option<u16>,
}

impl Backend {
    /// Starts on the port that the file remembers, else on a free one that the file then remembers.
    pub(super) async fn start(port_file: &Path) -> io::Result<Self> {
        let text = fs::read_to_string(port_file).ok();
        let previous_port = text.and_then(|text| text.trim().parse::<u16>().ok());
        let listener = listener(previous_port).await?;
        let address = listener.local_addr()?;
        fs::write(port_file, address.port().to_string())?;
        tokio::spawn(serve(listener));
        Ok(Self {
            address,
            previous_port,
        })
    }

    /// Where it listens.
    pub(super) fn url(&self) -> String {
        url(self.address.port())
    }

    /// Where it listened before, if that is another place.
    pub(super) fn previous_url(&self) -> Option<String> {
        self.previous_port
            .filter(|port| *port != self.address.port())
            .map(url)
    }
}

fn url(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

async fn listener(remembered: Option<u16>) -> io::Result<TcpListener> {
    if let Some(port) = remembered
        && let Ok(listener) = TcpListener::bind(("127.0.0.1", port)).await
    {
        return Ok(listener);
    }
    TcpListener::bind(("127.0.0.1", 0)).await
}

async fn serve(listener: TcpListener) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(connection(stream))),
            Err(error) => {
                debug!(error = %error, "The sample backend could not take a connection");
                // Out of file descriptors, most likely; others need the time to close theirs.
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        }
    }
}

async fn connection(stream: TcpStream) {
    let answer = service_fn(async |request: Request<Incoming>| Ok::<_, Infallible>(answer(&request)));
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), answer)
        .await;
    if let Err(error) = served {
        debug!(error = %error, "A connection to the sample backend broke");
    }
}

fn answer<B>(request: &Request<B>) -> Response<Full<Bytes>> {
    let path = request.uri().path();
    let (status, body) = match path.strip_prefix("/hello/") {
        Some(name) if !name.is_empty() && !name.contains('/') => (StatusCode::OK, greeting(name, request)),
        _ if path == "/headers" => (StatusCode::OK, json!({"headers": headers(request)})),
        _ => (
            StatusCode::NOT_FOUND,
            json!({"message": format!("the sample backend has nothing at {path}")}),
        ),
    };
    let mut response = Response::new(Full::from(format!("{body}\n")));
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        header::HeaderValue::from_static("application/json"),
    );
    response
}

fn greeting<B>(name: &str, request: &Request<B>) -> Value {
    json!({
        "message": format!("Hello, {name}!"),
        "from": "the sample backend of gatehouse dev",
        "received": format!("{} {}", request.method(), request.uri()),
    })
}

fn headers<B>(request: &Request<B>) -> Value {
    let fields = request.headers().iter();
    fields
        .map(|(name, value)| {
            (
                name.to_string(),
                Value::from(String::from_utf8_lossy(value.as_bytes())),
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    async fn check(path: &str, status: u16, contains: &str) {
        let request = Request::builder()
            .uri(path)
            .header("x-some", "value")
            .body(())
            .unwrap();
        let response = answer(&request);
        assert_eq!(response.status(), status, "{path}");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let body = String::from_utf8_lossy(&body);
        assert!(body.contains(contains), "{body}");
    }

    #[tokio::test]
    async fn greets_tells_headers_and_knows_nothing_else() {
        check("/hello/world", 200, "Hello, world!").await;
        check("/headers", 200, "\"x-some\":\"value\"").await;
        check("/hello/", 404, "nothing at").await;
        check("/", 404, "nothing at").await;
    }

    #[tokio::test]
    async fn keeps_its_port_unless_somebody_else_took_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("port");
        let taken = Backend::start(&file).await.unwrap();
        let moved = Backend::start(&file).await.unwrap();
        assert_ne!(moved.address, taken.address);
        assert_eq!(taken.previous_url(), None);
        assert_eq!(moved.previous_url(), Some(taken.url()));
        let remembered: u16 = fs::read_to_string(&file).unwrap().parse().unwrap();
        assert_eq!(remembered, moved.address.port());
    }
}
