//! A plain HTTP client that sends exactly what it is told.

use reqwest::{Client, Method};
use serde_json::Value;

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: Option<String>,
    pub(crate) body: Value,
}

/// Sends a call; the body of the answer is `null` when it is no JSON.
pub(crate) async fn call(
    method: &str,
    url: &str,
    headers: &[(String, String)],
    body: Option<String>,
) -> Answer {
    let client = Client::builder().no_proxy().build().unwrap();
    let mut request = client.request(Method::from_bytes(method.as_bytes()).unwrap(), url);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    if let Some(body) = body {
        request = request.body(body);
    }
    let response = request.send().await.unwrap();
    let content_type = response
        .headers()
        .get("content-type")
        .map(|value| value.to_str().unwrap().to_owned());
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    Answer {
        status,
        content_type,
        body: serde_json::from_str(&text).unwrap_or_default(),
    }
}

/// Sends JSON, or nothing when it is `null`.
pub(crate) async fn json(method: &str, url: &str, body: Value) -> Answer {
    let headers = [("Content-Type".to_owned(), "application/json".to_owned())];
    match body {
        Value::Null => call(method, url, &[], None).await,
        body => call(method, url, &headers, Some(body.to_string())).await,
    }
}
