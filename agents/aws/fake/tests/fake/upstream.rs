//! An upstream that says what it was asked.

use axum::{
    Json, Router,
    body::Bytes,
    extract::Request,
    http::{HeaderName, HeaderValue, StatusCode},
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value, json};
use tokio::task::JoinSet;

/// An upstream that says what it was asked; `/status/418` is answered with that status. It ends when it is dropped.
pub(crate) struct Upstream {
    pub(crate) url: String,
    _task: JoinSet<()>,
}

impl Upstream {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let mut task = JoinSet::new();
        task.spawn(async move {
            axum::serve(listener, Router::new().fallback(answer))
                .await
                .unwrap();
        });
        Self { url, _task: task }
    }
}

async fn answer(request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body: Bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let headers = head
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), Value::from(value.to_str().unwrap())));
    let said = json!({
        "method": head.method.as_str(), "path": head.uri.path(), "query": head.uri.query(),
        "headers": headers.collect::<Map<_, _>>(), "body": String::from_utf8_lossy(&body),
    });
    let status = head
        .uri
        .path()
        .strip_prefix("/status/")
        .and_then(|status| status.parse().ok());
    let status = StatusCode::from_u16(status.unwrap_or(200)).unwrap();
    let location = (
        HeaderName::from_static("location"),
        HeaderValue::from_static("/elsewhere"),
    );
    (status, [location], Json(said)).into_response()
}
