//! A server that answers from a table and notes what it was asked, and clients that ask it.

pub(crate) mod prism;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use gatehouse_connector_sdk::context::{Context, EnvironmentContext, SecretResolver};
use gatehouse_connector_sdk::error::Result;
use gatehouse_connector_sdk::schemas::environment::Mode;
use gatehouse_connector_sdk::schemas::identity::{EnvironmentId, ResourceName};
use secrecy::SecretString;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;

use crate::client::{Client, Connections};

/// The control plane that clients of Konnect here belong to.
pub(crate) const CONTROL_PLANE: &str = "9f5061ce-78f6-4452-9108-ad7c02821fd5";

#[derive(Debug)]
struct NoSecrets;

#[async_trait]
impl SecretResolver for NoSecrets {
    async fn resolve(&self, _names: &[ResourceName]) -> Result<BTreeMap<ResourceName, SecretString>> {
        Ok(BTreeMap::new())
    }
}

/// A client of the Konnect at an address.
pub(crate) async fn konnect(address: SocketAddr) -> Client {
    let settings = json!({"deployment": "konnect", "konnectUrl": format!("http://{address}"), "controlPlane": CONTROL_PLANE});
    client(settings).await
}

/// A client of a workspace of the Kong at an address.
pub(crate) async fn workspace(address: SocketAddr) -> Client {
    let settings = json!({"deployment": "self-managed", "adminUrl": format!("http://{address}/admin"), "workspace": "zoo"});
    client(settings).await
}

async fn client(settings: Value) -> Client {
    let settings = settings.as_object().cloned().unwrap_or_else(Map::new);
    let environment = EnvironmentContext {
        id: EnvironmentId(uuid::Uuid::from_u128(7)),
        name: "test".parse().unwrap(),
        mode: Mode::ReadWrite,
        settings,
        credentials: BTreeMap::from([(crate::ADMIN_TOKEN.to_owned(), "kpat_test".into())]),
        endpoints: Vec::new(),
    };
    let context = Context {
        journal: Arc::new(gatehouse_connector_sdk::journal::NoJournal),
        quotas: Arc::new(gatehouse_connector_sdk::scheduler::NoQuotas),
        environment: Arc::new(environment),
        secrets: Arc::new(NoSecrets),
        cancellation: tokio_util::sync::CancellationToken::new(),
    };
    Connections::new().unwrap().open(&context).await.unwrap()
}

/// Answers from a table; what is not in it is not found. What writes is noted with its method and body.
pub(crate) struct Table {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

/// Answers of one path, the last of which is given again and again.
type Answers = Arc<Mutex<BTreeMap<String, VecDeque<(u16, Value)>>>>;

impl Table {
    /// Serves `(path, status, body)`; a path that is there several times answers in turn.
    pub(crate) async fn serve(table: Vec<(&str, u16, Value)>) -> Self {
        let mut answers: BTreeMap<String, VecDeque<(u16, Value)>> = BTreeMap::new();
        for (path, status, body) in table {
            answers
                .entry(path.to_owned())
                .or_default()
                .push_back((status, body));
        }
        let (answers, asked) = (Arc::new(Mutex::new(answers)), Arc::new(Mutex::new(Vec::new())));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let noted = Arc::clone(&asked);
        let service = axum::Router::new().fallback(move |request: Request| {
            let (noted, answers) = (Arc::clone(&noted), Arc::clone(&answers));
            async move {
                let answer = answer(&answers, request.uri().path());
                let note = note(request).await;
                noted.lock().unwrap().push(note);
                answer
            }
        });
        tokio::spawn(async move { axum::serve(listener, service).await });
        Self { address, asked }
    }

    /// What was asked, with queries.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn answer(answers: &Answers, path: &str) -> Response {
    let mut answers = answers.lock().unwrap();
    let Some(queue) = answers.get_mut(path) else {
        return (StatusCode::NOT_FOUND, axum::Json(json!({"message": "Not found"}))).into_response();
    };
    let (status, body) = if queue.len() > 1 {
        queue.pop_front().unwrap()
    } else {
        queue[0].clone()
    };
    (StatusCode::from_u16(status).unwrap(), axum::Json(body)).into_response()
}

async fn note(request: Request) -> String {
    let (method, uri) = (request.method().clone(), request.uri().to_string());
    let body = to_bytes(request.into_body(), usize::MAX).await.unwrap();
    match method {
        Method::GET => uri,
        method => format!("{method} {uri} {}", String::from_utf8_lossy(&body)),
    }
}
