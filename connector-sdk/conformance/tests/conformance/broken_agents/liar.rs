//! Stands between a control plane and an agent, passes on what they say to each other, and lies about one thing.

mod words;

use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::{Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use tokio::task::JoinHandle;

use self::words::Heard;

/// The duty that is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Breach {
    ReadOnlyIsOverlooked,
    WriteOnlyIsOverlooked,
    LeaseIsAssumed,
    LeaseOutlivesItsTime,
    WhatIsNotListedIsRemoved,
    PlanIsOverlooked,
    ConfirmationIsOverlooked,
    DriftPolicyIsOverlooked,
    /// The connector's lie.
    SecurityIsOverlooked,
    LossIsAccepted,
    /// The connector's lie.
    FailuresAreFinal,
    /// The connector's lie.
    PaceIsOverlooked,
    ReportsAreSentOnce,
    CrashesAreForgotten,
    TokensAreKept,
    PositionIsKept,
    StaleIsSentAgain,
}

/// The liar; it falls silent when this is dropped.
pub(super) struct Liar {
    address: SocketAddr,
    server: JoinHandle<()>,
}

impl Liar {
    pub(super) fn start(control_plane: &str, breach: Option<Breach>) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let between = Between {
            control_plane: control_plane.to_owned(),
            breach,
            http: reqwest::Client::builder()
                .no_proxy()
                .build()
                .map_err(io::Error::other)?,
            heard: Mutex::default(),
        };
        let router = Router::new().fallback(pass_on).with_state(Arc::new(between));
        let server = tokio::spawn(async move {
            // It ends with its task.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { address, server })
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Liar {
    fn drop(&mut self) {
        self.server.abort();
    }
}

struct Between {
    control_plane: String,
    breach: Option<Breach>,
    http: reqwest::Client,
    heard: Mutex<Heard>,
}

impl Between {
    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ask(&self, request: Request) -> Result<(StatusCode, Bytes), reqwest::Error> {
        let (mut parts, body) = request.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
        for name in [header::HOST, header::CONTENT_LENGTH, header::TRANSFER_ENCODING] {
            parts.headers.remove(name);
        }
        let url = format!("{}{}", self.control_plane, parts.uri);
        let request = self.http.request(parts.method, url).headers(parts.headers);
        let answer = request.body(body).send().await?;
        Ok((answer.status(), answer.bytes().await?))
    }
}

async fn pass_on(State(between): State<Arc<Between>>, request: Request) -> Response {
    let uri = request.uri().clone();
    let Ok((status, body)) = between.ask(request).await else {
        return StatusCode::BAD_GATEWAY.into_response();
    };
    let (status, body) = between.heard().bent(between.breach, &uri, status, body);
    let media_type = match status.is_success() {
        true => "application/json",
        false => "application/problem+json",
    };
    (status, [(header::CONTENT_TYPE, media_type)], Body::from(body)).into_response()
}
