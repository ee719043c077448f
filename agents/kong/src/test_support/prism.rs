//! [Prism](https://github.com/stoplightio/prism), which answers from the OpenAPI files that Kong publishes, and refuses
//! what they do not allow.
//!
//! `GATEHOUSE_TEST_PRISM` is its program, which `./test tools` installs. Prism knows no base paths, so that a server in
//! front of it takes them away.

use std::{net::SocketAddr, path::PathBuf, process::Stdio, time::Duration};

use axum::{
    body::{Bytes, to_bytes},
    extract::Request,
    response::{IntoResponse, Response},
};
use reqwest::{Method, StatusCode, header::HeaderMap};
use serde_json::Value;
use tokio::{
    net::{TcpListener, TcpStream},
    process::{Child, Command},
};

/// A running Prism, which ends with this.
pub(crate) struct Prism {
    address: SocketAddr,
    _process: Child,
}

impl Prism {
    /// Answers from one of Kong's descriptions; none, with a word of it, where there is no Prism or no description.
    pub(crate) async fn start(description: &str) -> Option<Self> {
        let Some(program) = std::env::var_os("GATEHOUSE_TEST_PRISM") else {
            println!(
                "SKIPPED: Konnect and portals were not checked with Prism; set GATEHOUSE_TEST_PRISM to its program (`./test tools` installs it)"
            );
            return None;
        };
        let path = shared().join("data/kong/specs").join(description);
        if !path.is_file() {
            println!(
                "SKIPPED: {} is not there, so Konnect and portals were not checked with it",
                path.display()
            );
            return None;
        }
        let address = TcpListener::bind("127.0.0.1:0")
            .await
            .unwrap()
            .local_addr()
            .unwrap();
        let mut command = Command::new(program);
        command
            .args(["mock", "-h", "127.0.0.1", "-p", &address.port().to_string()])
            .arg(path);
        let process = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        listening(address).await;
        Some(Self {
            address,
            _process: process,
        })
    }

    /// A server in front of it, by which a path begins with `base`.
    pub(crate) async fn below(&self, base: &'static str, prefer: Option<&'static str>) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let prism = self.address;
        let forward = move |request: Request| forwarded(prism, base, prefer, request);
        tokio::spawn(async move { axum::serve(listener, axum::Router::new().fallback(forward)).await });
        address
    }
}

fn shared() -> PathBuf {
    let workspace = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    std::env::var_os("GATEHOUSE_SHARED").map_or_else(|| workspace.join("../shared"), PathBuf::from)
}

async fn listening(address: SocketAddr) {
    let tries = async {
        while TcpStream::connect(address).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(120), tries)
        .await
        .expect("Prism listens");
}

async fn forwarded(prism: SocketAddr, base: &str, prefer: Option<&str>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let uri = parts.uri.to_string();
    let path = uri.strip_prefix(base).unwrap_or("/outside");
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let mut headers = parts.headers;
    headers.remove("host");
    if let Some(prefer) = prefer {
        headers.insert("prefer", prefer.parse().unwrap());
    }
    answered(prism, path, parts.method, headers, body).await
}

async fn answered(
    prism: SocketAddr,
    path: &str,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let request = reqwest::Client::new().request(method, format!("http://{prism}{path}"));
    let response = request.headers(headers).body(body).send().await.unwrap();
    let status: StatusCode = response.status();
    let body = response.bytes().await.unwrap();
    match serde_json::from_slice::<Value>(&body) {
        Ok(body) => (status, axum::Json(body)).into_response(),
        Err(_) => (status, body).into_response(),
    }
}
