//! The agent with a control plane of protocol 1, whose answers were recorded from one.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    extract::{Request, State},
    http::{Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use gatehouse_control_plane_api::agent::DeploymentOutcome;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::watch};

use super::{Stage, control_plane::ControlPlane, options, start, until};
use crate::memory::MemoryGateway;

const RECORDED: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../integration-tests/data/protocol-1/control-plane-1.json"
));

#[derive(Debug, Clone, Deserialize)]
struct Recording {
    exchanges: Vec<Entry>,
}

/// What people did, or what the agent asked and was answered.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Entry {
    Exchange(Exchange),
    People {
        #[expect(dead_code, reason = "for whoever reads the recording")]
        people: String,
    },
}

#[derive(Debug, Clone, Deserialize)]
struct Exchange {
    request: Asked,
    answer: Answered,
}

#[derive(Debug, Clone, Deserialize)]
struct Asked {
    method: String,
    path: String,
    #[serde(default)]
    body: Value,
}

#[derive(Debug, Clone, Deserialize)]
struct Answered {
    status: u16,
    #[serde(default)]
    body: Value,
}

impl Exchange {
    fn is_work(&self) -> bool {
        self.request.path.starts_with("/agent/v1/work?")
    }

    fn place(&self) -> &str {
        self.request.path.split('?').next().unwrap_or_default()
    }
}

/// A control plane that says again what one of protocol 1 said.
#[derive(Clone)]
struct Replay {
    left: Arc<Mutex<Vec<Exchange>>>,
    /// What was asked beside it.
    strange: Arc<Mutex<Vec<String>>>,
    asked: Arc<Mutex<BTreeMap<String, Vec<Value>>>>,
    changed: watch::Sender<u64>,
}

impl Replay {
    async fn start() -> (Self, String) {
        let recording: Recording = serde_json::from_str(RECORDED).unwrap();
        let exchanges = recording.exchanges.into_iter().filter_map(|entry| match entry {
            Entry::Exchange(exchange) => Some(exchange),
            Entry::People { .. } => None,
        });
        let replay = Self {
            left: Arc::new(Mutex::new(exchanges.collect())),
            strange: Arc::default(),
            asked: Arc::default(),
            changed: watch::Sender::new(0),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(replay.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        (replay, url)
    }

    /// The next answer to a request. Work is handed out once everything is done that came before it.
    fn take(&self, method: &Method, path: &str) -> Option<Exchange> {
        let mut left = self.left.lock().unwrap();
        let fits =
            |exchange: &Exchange| exchange.request.method == method.as_str() && exchange.place() == path;
        let at = left.iter().position(fits)?;
        let must_wait = left[at].is_work() && at > 0;
        (!must_wait).then(|| left.remove(at))
    }

    fn is_over(&self) -> bool {
        self.left.lock().unwrap().is_empty()
    }
}

async fn answer(State(replay): State<Replay>, method: Method, uri: Uri, request: Request) -> Response {
    let body = axum::body::to_bytes(request.into_body(), usize::MAX)
        .await
        .unwrap();
    let mut changed = replay.changed.subscribe();
    loop {
        changed.mark_unchanged();
        if let Some(exchange) = replay.take(&method, uri.path()) {
            let mut asked = replay.asked.lock().unwrap();
            asked
                .entry(uri.path().to_owned())
                .or_default()
                .push(read(uri.path(), &body));
            drop(asked);
            replay.changed.send_modify(|count| *count += 1);
            return told(&exchange.answer);
        }
        if uri.path() != "/agent/v1/work" {
            replay.strange.lock().unwrap().push(format!("{method} {uri}"));
            return StatusCode::NOT_FOUND.into_response();
        }
        // A long poll; the agent is stopped when the story is over.
        changed.changed().await.unwrap();
    }
}

/// One JSON value or, in a page of findings, several, one a line.
fn read(path: &str, body: &Bytes) -> Value {
    match path.contains("/pages/") {
        true => lines(body),
        false => serde_json::from_slice(body).unwrap_or_default(),
    }
}

fn lines(body: &Bytes) -> Value {
    let lines = body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines
        .map(|line| serde_json::from_slice::<Value>(line).unwrap())
        .collect()
}

fn told(answer: &Answered) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap();
    match &answer.body {
        Value::Null => status.into_response(),
        body => {
            let headers = [(header::CONTENT_TYPE, "application/json")];
            (status, headers, body.to_string()).into_response()
        }
    }
}

/// Whether `there` says all that `wanted` does.
fn says(there: &Value, wanted: &Value) -> bool {
    match (there, wanted) {
        (Value::Object(there), Value::Object(wanted)) => wanted
            .iter()
            .all(|(key, wanted)| there.get(key).is_some_and(|there| says(there, wanted))),
        (Value::Array(there), Value::Array(wanted)) => {
            there.len() == wanted.len()
                && there
                    .iter()
                    .zip(wanted)
                    .all(|(there, wanted)| says(there, wanted))
        }
        (there, wanted) => there == wanted,
    }
}

#[tokio::test]
async fn an_agent_deploys_discovers_and_undeploys_for_a_control_plane_of_protocol_1() {
    let (replay, url) = Replay::start().await;
    let somewhere = ControlPlane::start().await;
    let folder = tempfile::tempdir().unwrap();
    let gateway = MemoryGateway::new();
    let mut options = options(&somewhere, folder.path());
    options.control_plane = url;
    let agent = start(options, &gateway);
    until("everything recorded was said again", || replay.is_over()).await;
    agent.stop().await.unwrap();

    assert_eq!(*replay.strange.lock().unwrap(), Vec::<String>::new());
    let recording: Recording = serde_json::from_str(RECORDED).unwrap();
    let asked = replay.asked.lock().unwrap();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for entry in recording.exchanges {
        let Entry::Exchange(exchange) = entry else {
            continue;
        };
        let path = exchange.place().to_owned();
        let number = counts.entry(path.clone()).or_default();
        let (now, then) = (&asked[&path][*number], &exchange.request.body);
        *number += 1;
        // What the agent of then reported, the agent of now reports, and perhaps more.
        if path.ends_with("/status") || path.contains("/discoveries/") {
            assert!(says(now, then), "{path}: {now:#} instead of {then:#}");
        }
    }
    assert!(gateway.apis().is_empty(), "it was undeployed last");
}

#[tokio::test]
async fn a_deploy_in_steps_is_refused_where_no_step_can_be_recorded() {
    let mut stage = Stage::with(
        |environment| {
            environment.settings.insert("steps".to_owned(), json!(3));
        },
        |connector| connector,
    )
    .await;
    stage.control_plane.speak(1);
    stage.restart().await;
    let generation = stage.control_plane.deploy(1, "/orders");
    stage
        .reported(generation, |outcome| {
            matches!(outcome, DeploymentOutcome::Failed { .. })
        })
        .await;
    let outcomes = stage.control_plane.outcomes(generation);
    let DeploymentOutcome::Failed {
        reason,
        message,
        retrying,
    } = &outcomes[0].outcome
    else {
        panic!("{outcomes:?}");
    };
    assert_eq!((reason.as_str(), *retrying), ("Unsupported", false));
    let url = stage.control_plane.url();
    assert_eq!(
        *message,
        format!(
            "step 1 (`make part 1 of `api-1``) was not taken: the control plane at {url} speaks protocol 1, which records no \
             steps; update the control plane"
        )
    );
    assert!(stage.gateway.apis().is_empty() && stage.gateway.parts().is_empty());
    assert_eq!(stage.control_plane.world().steps_recorded, 0);

    // Once it is updated, the agent comes back and carries it out.
    stage.control_plane.speak(2);
    stage.restart().await;
    stage.deployed(generation).await;
}

#[tokio::test]
async fn a_discovery_asks_a_control_plane_of_protocol_1_for_no_inventory() {
    let mut stage = Stage::new().await;
    stage.control_plane.speak(1);
    stage.restart().await;
    stage.control_plane.discover();
    until("it was completed", || {
        !stage.control_plane.world().completions.is_empty()
    })
    .await;
    assert_eq!(stage.control_plane.world().inventory_asked, 0);
}
