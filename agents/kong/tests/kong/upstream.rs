//! An upstream that tells what it was asked.

use axum::{Json, Router, extract::Request};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

/// Ends when it is dropped.
pub(crate) struct Upstream {
    pub(crate) url: String,
    server: JoinHandle<()>,
}

impl Upstream {
    /// Answers everything with 200, and in JSON what it was asked.
    pub(crate) async fn start() -> Self {
        Self::serving(Router::new().fallback(echo)).await
    }

    /// Answers everything with one JSON document.
    pub(crate) async fn of(document: Value) -> Self {
        let answer = move || async move { Json(document) };
        Self::serving(Router::new().fallback(answer)).await
    }

    async fn serving(router: Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let server = tokio::spawn(async move { axum::serve(listener, router).await.expect("it serves") });
        Self { url, server }
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn echo(request: Request) -> Json<Value> {
    let headers: Value = request
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), json!(value.to_str().unwrap_or_default())))
        .collect::<serde_json::Map<_, _>>()
        .into();
    Json(json!({
        "method": request.method().as_str(),
        "path": request.uri().path(),
        "query": request.uri().query(),
        "headers": headers,
    }))
}
