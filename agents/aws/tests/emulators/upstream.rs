//! An upstream that tells what it was asked, and answers as it is told to.

use axum::{
    Json, Router,
    body::{Bytes, to_bytes},
    extract::Request,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

/// Ends when it is dropped.
pub(crate) struct Upstream {
    pub(crate) url: String,
    server: JoinHandle<()>,
}

impl Upstream {
    /// Answers with 200, or with the status in the query, and in JSON what it was asked; `binary` in the query asks for
    /// all bytes there are.
    pub(crate) async fn start(name: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}/{name}", listener.local_addr().expect("an address"));
        let router = Router::new().fallback(move |request: Request| echo(name, request));
        let server = tokio::spawn(async move { axum::serve(listener, router).await.expect("it serves") });
        Self { url, server }
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Every byte there is.
pub(crate) fn every_byte() -> Vec<u8> {
    (0..=u8::MAX).collect()
}

async fn echo(name: &'static str, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let query = parts.uri.query().unwrap_or_default().to_owned();
    if query.contains("binary") {
        return Bytes::from(every_byte()).into_response();
    }
    let header = |name: &str| {
        parts
            .headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned)
    };
    let body = to_bytes(body, usize::MAX).await.expect("a body");
    let told: Value = json!({
        "upstream": name, "method": parts.method.as_str(), "path": parts.uri.path(), "query": query,
        "mine": header("x-mine"), "body": body.to_vec(),
    });
    let status = query
        .split('&')
        .find_map(|part| part.strip_prefix("status=")?.parse().ok());
    let status = StatusCode::from_u16(status.unwrap_or(200)).expect("a status");
    (status, [("x-theirs", "yes")], Json(told)).into_response()
}
