//! A proxy with its configuration at hand, and an upstream that says what it was asked.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::Request;
use axum::response::IntoResponse;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::configuration::Configuration;
use crate::proxy::{RouterFlavor, serve};

/// A running proxy.
pub(crate) struct Fake {
    pub(crate) proxy: SocketAddr,
    pub(crate) upstream: SocketAddr,
    configuration: watch::Sender<Arc<Configuration>>,
    client: reqwest::Client,
}

/// An answer, read to its end.
pub(crate) struct Got {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: String,
}

impl Got {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

impl Fake {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = listener.local_addr().unwrap();
        let (configuration, receiver) = watch::channel(Arc::default());
        tokio::spawn(serve(listener, receiver, RouterFlavor::TraditionalCompatible));
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self {
            proxy,
            upstream: upstream().await,
            configuration,
            client,
        }
    }

    /// Puts an entity and publishes the configuration with it.
    pub(crate) fn put(&self, collection: &str, id: &str, mut entity: Value) {
        entity["id"] = json!(id);
        self.configuration.send_modify(|current| {
            let mut next = Configuration::clone(current);
            next.put(collection, id, entity.as_object().unwrap().clone());
            *current = Arc::new(next);
        });
    }

    pub(crate) async fn get(&self, path: &str) -> Got {
        self.ask("GET", path, &[]).await
    }

    pub(crate) async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Got {
        self.send(method, path, headers, "").await
    }

    pub(crate) async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Got {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = self
            .client
            .request(method, format!("http://{}{path}", self.proxy));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.body(body.to_owned()).send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Got {
            status,
            headers,
            body: response.text().await.unwrap(),
        }
    }
}

/// A service at an address.
pub(crate) fn service(address: SocketAddr, path: &str) -> Value {
    json!({"protocol": "http", "host": address.ip().to_string(), "port": address.port(), "path": path,
        "enabled": true, "retries": 1, "connect_timeout": 60000, "read_timeout": 60000, "write_timeout": 60000})
}

/// An address that nobody listens at.
pub(crate) async fn unused_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap()
}

/// An upstream that says what it was asked; below `/slow` it never answers.
pub(crate) async fn upstream() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, axum::Router::new().fallback(echo)).await });
    address
}

async fn echo(request: Request) -> axum::response::Response {
    if request.uri().path().starts_with("/slow") {
        std::future::pending::<()>().await;
    }
    let headers = request.headers().iter();
    let headers: BTreeMap<_, _> = headers
        .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
        .collect();
    let said =
        json!({"method": request.method().as_str(), "uri": request.uri().to_string(), "headers": headers});
    axum::Json(said).into_response()
}
