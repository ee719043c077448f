//! A proxy that counts messages and can stop one of them, before or after it had its effect.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{
    HeaderMap, Request, Response, StatusCode, body::Incoming, server::conn::http1, service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
};

use super::boundary::{Hop, Message, Side, WITH_NEWS, label};

/// How a stopped message goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It waits.
    Held,
    /// It goes on as if nothing had been.
    GoesOn,
    /// It, or its answer, is lost: the connection breaks.
    Lost,
}

/// Where to stop.
#[derive(Debug, Clone)]
struct Trap {
    message: Message,
    side: Side,
    /// Told once the message is stopped.
    reached: watch::Sender<bool>,
    fate: watch::Sender<Fate>,
}

/// A trap that was set: tells when it snapped, and decides what becomes of the message.
#[derive(Debug)]
pub struct SetTrap {
    reached: watch::Receiver<bool>,
    fate: watch::Sender<Fate>,
}

impl SetTrap {
    /// Waits until a message is in it.
    pub async fn reached(&mut self) {
        // The sender lives as long as the proxy.
        let _ = self.reached.wait_for(|reached| *reached).await;
    }

    /// Lets the message go on, or loses it.
    pub fn release(&self, fate: Fate) {
        self.fate.send_replace(fate);
    }
}

#[derive(Debug, Default)]
struct Counted {
    seen: BTreeMap<String, u32>,
    messages: Vec<Message>,
    trap: Option<Trap>,
    counting: bool,
}

#[derive(Debug, Clone)]
struct Shared {
    hop: Hop,
    target: String,
    http: reqwest::Client,
    counted: Arc<Mutex<Counted>>,
}

/// A proxy in front of one process.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Shared,
}

impl Proxy {
    /// In front of the process at `target`.
    pub async fn start(hop: Hop, target: &str) -> Self {
        let shared = Shared {
            hop,
            target: target.to_owned(),
            http: reqwest::Client::builder()
                .no_proxy()
                .pool_max_idle_per_host(0)
                .build()
                .unwrap(),
            counted: Arc::default(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = shared.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(serving.clone(), stream));
            }
        });
        Self { address, shared }
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Begins to count messages, from 1 for each label.
    pub fn count(&self) {
        let mut counted = self.shared.lock();
        *counted = Counted {
            counting: true,
            ..Counted::default()
        };
    }

    /// The messages since [`Proxy::count`], in order.
    pub fn messages(&self) -> Vec<Message> {
        self.shared.lock().messages.clone()
    }

    /// Stops the message when it comes.
    pub fn set_trap(&self, message: &Message, side: Side) -> SetTrap {
        let (reached, is_reached) = watch::channel(false);
        let fate = watch::Sender::new(Fate::Held);
        self.shared.lock().trap = Some(Trap {
            message: message.clone(),
            side,
            reached,
            fate: fate.clone(),
        });
        SetTrap {
            reached: is_reached,
            fate,
        }
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Counted> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a message; none while nothing is counted.
    fn note(&self, label: &str) -> Option<Message> {
        let mut counted = self.lock();
        if !counted.counting {
            return None;
        }
        let occurrence = counted.seen.entry(label.to_owned()).or_default();
        *occurrence += 1;
        let message = Message {
            hop: self.hop,
            label: label.to_owned(),
            occurrence: *occurrence,
        };
        counted.messages.push(message.clone());
        Some(message)
    }

    /// Stops here if this is the place, and tells how it goes on. A trap snaps once.
    async fn stop(&self, message: Option<&Message>, side: Side) -> Fate {
        let Some(message) = message else {
            return Fate::GoesOn;
        };
        let trap = {
            let mut counted = self.lock();
            let here = |trap: &mut Trap| trap.message == *message && trap.side == side;
            counted.trap.take_if(here)
        };
        let Some(trap) = trap else {
            return Fate::GoesOn;
        };
        trap.reached.send_replace(true);
        let mut fate = trap.fate.subscribe();
        match fate.wait_for(|fate| *fate != Fate::Held).await {
            Ok(fate) => *fate,
            Err(_) => Fate::Lost,
        }
    }
}

const POLL: &str = "GET /agent/v1/work";

/// What ends a connection without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the connection broke")]
struct Lost;

async fn serve(shared: Shared, stream: TcpStream) {
    let service = service_fn(move |request| {
        let shared = shared.clone();
        // In a task of its own: a message that is on its way arrives although the sender dies.
        async move { tokio::spawn(pass(shared, request)).await.map_err(|_| Lost)? }
    });
    // That a connection broke is what this is for.
    drop(
        http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service)
            .await,
    );
}

async fn pass(shared: Shared, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Lost> {
    let label = label(request.method().as_str(), request.uri().path());
    let is_poll = label == POLL;
    let mut message = if is_poll { None } else { shared.note(&label) };
    if shared.stop(message.as_ref(), Side::Before).await == Fate::Lost {
        return Err(Lost);
    }
    let (status, headers, body) = forward(&shared, request).await.ok_or(Lost)?;
    if is_poll && brings_news(&body) {
        message = shared.note(&format!("{POLL}{WITH_NEWS}"));
    }
    if shared.stop(message.as_ref(), Side::After).await == Fate::Lost {
        return Err(Lost);
    }
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    Ok(response)
}

async fn forward(shared: &Shared, request: Request<Incoming>) -> Option<(StatusCode, HeaderMap, Bytes)> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.ok()?.to_bytes();
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let mut headers = parts.headers;
    for name in OF_ONE_CONNECTION {
        headers.remove(name);
    }
    let answer = shared
        .http
        .request(parts.method, format!("{}{path}", shared.target))
        .headers(headers)
        .body(body)
        .send()
        .await
        .ok()?;
    let status = answer.status();
    let mut headers = answer.headers().clone();
    for name in OF_ONE_CONNECTION {
        headers.remove(name);
    }
    Some((status, headers, answer.bytes().await.ok()?))
}

/// Headers that speak of one connection, not of the message.
const OF_ONE_CONNECTION: [&str; 4] = ["host", "content-length", "connection", "transfer-encoding"];

fn brings_news(body: &Bytes) -> bool {
    let Ok(work) = serde_json::from_slice::<serde_json::Value>(body) else {
        return false;
    };
    ["deployments", "discoveries", "tasks"]
        .iter()
        .any(|kind| work[kind].as_array().is_some_and(|items| !items.is_empty()))
}
