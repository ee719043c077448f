//! The upstream of the recordings: it answers with what it was asked.

use std::collections::BTreeMap;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Method, Response, Uri};
use serde_json::json;
use tokio::net::TcpListener;

/// Starts the upstream and returns its port; it ends with the test.
pub(crate) async fn start() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
    port
}

async fn answer(method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response<Body> {
    let path = uri.path_and_query().unwrap().as_str();
    let text = |value: &axum::http::HeaderValue| value.to_str().unwrap().to_owned();
    let headers: BTreeMap<String, String> = headers
        .iter()
        .map(|(name, value)| (name.to_string(), text(value)))
        .collect();
    let body = String::from_utf8(body.to_vec()).unwrap();
    let answer = json!({ "method": method.as_str(), "path": path, "headers": headers, "body": body });
    let response = Response::builder().header("content-type", "application/json");
    response.body(Body::from(answer.to_string())).unwrap()
}
