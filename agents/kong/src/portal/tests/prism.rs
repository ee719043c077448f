//! Portals as Kong's own OpenAPI files describe them: [Prism](https://github.com/stoplightio/prism) answers from these
//! files, and refuses what they do not allow.
//!
//! `GATEHOUSE_TEST_PRISM` is its program, which `./test tools` installs. Prism knows no base paths, so that a server in
//! front of it takes them away.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use axum::extract::Request;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use gatehouse_connector_sdk::error::ErrorKind;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

use super::support::{konnect, workspace};
use crate::client::node::Edition;
use crate::portal::{Content, Finding, Portal, classic};

/// The service of the examples in Konnect's description.
const SERVICE: &str = "7710d5c4-d902-410b-992f-18b814155b53";

/// A running Prism, which ends with this.
struct Prism {
    address: SocketAddr,
    _process: Child,
}

impl Prism {
    /// Answers from one of Kong's descriptions; none, with a word of it, where there is no Prism or no description.
    async fn start(description: &str) -> Option<Self> {
        let Some(program) = std::env::var_os("GATEHOUSE_TEST_PRISM") else {
            println!(
                "SKIPPED: portals were not checked with Prism; set GATEHOUSE_TEST_PRISM to its program (`./test tools` installs it)"
            );
            return None;
        };
        let path = shared().join("data/kong/specs").join(description);
        if !path.is_file() {
            println!(
                "SKIPPED: {} is not there, so portals were not checked with it",
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
    async fn below(&self, base: &'static str, prefer: Option<&'static str>) -> SocketAddr {
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
    let uri = request.uri().to_string();
    let path = uri.strip_prefix(base).unwrap_or("/outside").to_owned();
    let (status, body) = ask(prism, &path, request.headers(), prefer).await;
    (
        axum::http::StatusCode::from_u16(status).unwrap(),
        axum::Json(body),
    )
        .into_response()
}

async fn ask(prism: SocketAddr, path: &str, headers: &HeaderMap, prefer: Option<&str>) -> (u16, Value) {
    let mut request = reqwest::Client::new().get(format!("http://{prism}{path}"));
    if let Some(authorization) = headers.get("authorization") {
        request = request.header("authorization", authorization);
    }
    if let Some(prefer) = prefer {
        request = request.header("prefer", prefer);
    }
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

#[tokio::test]
async fn a_definition_is_found_in_konnects_catalogue() {
    let Some(prism) = Prism::start("konnect-api-builder-v3-openapi.yaml").await else {
        return;
    };
    let client = konnect(prism.below("/v3", None).await).await;
    let portal = Portal::look(&client, Edition::Konnect, &[SERVICE]).await.unwrap();
    let Finding::Definition(document) = portal.finding(SERVICE) else {
        panic!("{:?}", portal.finding(SERVICE))
    };
    assert_eq!(
        (document.api_name.as_deref(), document.api_version.as_deref()),
        (Some("myAPI"), Some("v1"))
    );
    assert_eq!(document.labels, ["env:test"]);
    assert_eq!(
        document.portals,
        ["My-Portal", "7710d5c4-d902-410b-992f-18b814155b53 (private)"]
    );
    let Content::Definition(definition) = &document.content else {
        panic!("it is a definition")
    };
    assert_eq!(
        (definition.title.as_str(), definition.operations.len()),
        ("Example API", 1)
    );
}

#[tokio::test]
async fn a_catalogue_that_may_not_be_read_says_so_in_konnects_words() {
    let Some(prism) = Prism::start("konnect-api-builder-v3-openapi.yaml").await else {
        return;
    };
    for (prefer, kind) in [
        ("code=401", ErrorKind::Unauthorized),
        ("code=403", ErrorKind::Forbidden),
    ] {
        let client = konnect(prism.below("/v3", Some(prefer)).await).await;
        let error = Portal::look(&client, Edition::Konnect, &[SERVICE])
            .await
            .unwrap_err();
        assert_eq!(error.kind(), kind);
    }
}

#[tokio::test]
async fn a_file_of_the_portal_is_read_as_its_description_shapes_it() {
    let Some(prism) = Prism::start("gateway-dev-portal-v1-openapi.yaml").await else {
        return;
    };
    let (status, page) = ask(prism.address, "/files", &HeaderMap::new(), None).await;
    assert_eq!(status, 200);
    let file = &page["data"][0];
    let path = file["path"].as_str().unwrap();
    let content = classic::content(&format!("the portal's file `{path}`"), file);
    assert_eq!(content, Content::Other("prose".to_owned()), "{path}");
    let client = workspace(prism.below("/admin/zoo", None).await).await;
    let read = client.read(&["files"], &[("size", "1")]).await.unwrap();
    assert_eq!(read["data"][0]["path"], json!(path));
}
