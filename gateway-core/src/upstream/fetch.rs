//! Asking for small documents: one, such as a key set, or many from the same place, or only whether there is an answer.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Empty, Full, LengthLimitError, Limited};
use hyper::{
    body::Incoming,
    client::conn::http1::{self, Connection, SendRequest},
};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::time::timeout;
use tracing::debug;

use super::{
    Endpoint,
    connect::{self, Stream},
};

/// The largest document taken.
const MAX_BYTES: usize = 1024 * 1024;

/// The most idle connections kept to one place.
const MAX_IDLE: usize = 16;

/// How long the rest of an answer may take of which only the status is wanted, or its connection is closed.
const REST_TIME: Duration = Duration::from_secs(5);

/// Why there is no document.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    #[error("no answer in time")]
    Timeout,
    #[error("cannot connect")]
    Connect(#[source] std::io::Error),
    #[error("the exchange failed")]
    Exchange(#[source] hyper::Error),
    #[error("the answer is {0}, not 200")]
    Status(StatusCode),
    #[error("the document is larger than {MAX_BYTES} bytes")]
    TooLarge,
    #[error("the document breaks off")]
    Body(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the document is not JSON")]
    Json(#[source] serde_json::Error),
}

/// Fetches a JSON document. The caller sets the time limit.
pub(crate) async fn json(endpoint: &Endpoint, uri: &Uri) -> Result<Value, FetchError> {
    let (mut sender, connection) = open(endpoint).await?;
    let exchange = async {
        let request = request(endpoint, uri, "application/json");
        let response = send(&mut sender, request).await?;
        if response.status() != StatusCode::OK {
            return Err(FetchError::Status(response.status()));
        }
        serde_json::from_slice(&read(response).await?).map_err(FetchError::Json)
    };
    carry(connection, exchange).await
}

/// Asks once, on a connection of its own, and says with which status that is answered. The caller sets the time limit.
pub(crate) async fn status(endpoint: &Endpoint, method: Method, uri: &Uri) -> Result<StatusCode, FetchError> {
    let (mut sender, connection) = open(endpoint).await?;
    let exchange = async {
        let mut request = request(endpoint, uri, "*/*");
        *request.method_mut() = method;
        send(&mut sender, request).await.map(|response| response.status())
    };
    carry(connection, exchange).await
}

async fn open(
    endpoint: &Endpoint,
) -> Result<
    (
        SendRequest<Empty<Bytes>>,
        Connection<TokioIo<Stream>, Empty<Bytes>>,
    ),
    FetchError,
> {
    let stream = connect::connect(endpoint).await.map_err(FetchError::Connect)?;
    http1::handshake(TokioIo::new(stream))
        .await
        .map_err(FetchError::Exchange)
}

async fn send(
    sender: &mut SendRequest<Empty<Bytes>>,
    request: Request<Empty<Bytes>>,
) -> Result<Response<Incoming>, FetchError> {
    sender.send_request(request).await.map_err(FetchError::Exchange)
}

async fn carry<T>(
    connection: Connection<TokioIo<Stream>, Empty<Bytes>>,
    exchange: impl Future<Output = Result<T, FetchError>>,
) -> Result<T, FetchError> {
    tokio::pin!(exchange);
    tokio::select! {
        answer = &mut exchange => answer,
        ended = connection => match ended {
            // The connection may end before the last bytes it brought have been read.
            Ok(()) => exchange.await,
            Err(error) => Err(FetchError::Exchange(error)),
        },
    }
}

async fn read(response: Response<Incoming>) -> Result<Bytes, FetchError> {
    let body = Limited::new(response.into_body(), MAX_BYTES).collect().await;
    let body = body.map_err(|error| match error.is::<LengthLimitError>() {
        true => FetchError::TooLarge,
        false => FetchError::Body(error),
    })?;
    Ok(body.to_bytes())
}

/// Kept connections to one place that is asked often. What is sent must change nothing there: it may be sent twice.
#[derive(Debug)]
pub(crate) struct Connections {
    endpoint: Arc<Endpoint>,
    idle: Mutex<Vec<Sender>>,
}

type Sender = SendRequest<Full<Bytes>>;

impl Connections {
    /// No connection yet.
    pub(crate) fn to(endpoint: Arc<Endpoint>) -> Self {
        Self {
            endpoint,
            idle: Mutex::default(),
        }
    }

    /// Where they lead.
    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Sends a request and reads the answer whole, over a kept connection if one works. The caller sets the time limit,
    /// and is on a runtime that connections can live on.
    pub(crate) async fn send(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<(StatusCode, Bytes), FetchError> {
        let (sender, response) = self.answer(request).await?;
        let status = response.status();
        let body = read(response).await?;
        self.keep(sender);
        Ok((status, body))
    }

    /// Asks for something and says with which status it is answered, likewise. The rest of the answer is not waited for;
    /// the connection is kept if it comes soon and is small.
    pub(crate) async fn status(self: &Arc<Self>, uri: &Uri) -> Result<StatusCode, FetchError> {
        let mut request = Request::new(Full::default());
        *request.uri_mut() = uri.clone();
        let headers = request.headers_mut();
        headers.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
        let (sender, response) = self.answer(request).await?;
        let status = response.status();
        let this = Arc::clone(self);
        tokio::spawn(async move {
            if let Ok(Ok(_)) = timeout(REST_TIME, read(response)).await {
                this.keep(sender);
            }
        });
        Ok(status)
    }

    /// Sends a request and waits for the head of the answer.
    async fn answer(
        &self,
        mut request: Request<Full<Bytes>>,
    ) -> Result<(Sender, Response<Incoming>), FetchError> {
        let path = request.uri().path_and_query();
        *request.uri_mut() = path.map_or_else(Uri::default, |path| Uri::from(path.clone()));
        let host = self.endpoint.authority.clone();
        request.headers_mut().insert(header::HOST, host);
        while let Some(sender) = self.kept() {
            match exchange(sender, request.clone()).await {
                Ok(answer) => return Ok(answer),
                Err(error) => debug!(error = %error, "A kept connection was closed; using another one"),
            }
        }
        let sender = self.open().await?;
        exchange(sender, request).await.map_err(FetchError::Exchange)
    }

    fn kept(&self) -> Option<Sender> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        std::iter::from_fn(|| idle.pop()).find(|sender| !sender.is_closed())
    }

    async fn open(&self) -> Result<Sender, FetchError> {
        let stream = connect::connect(&self.endpoint)
            .await
            .map_err(FetchError::Connect)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(FetchError::Exchange)?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                debug!(error = %error, "A kept connection ended with an error");
            }
        });
        Ok(sender)
    }

    fn keep(&self, sender: Sender) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if !sender.is_closed() && idle.len() < MAX_IDLE {
            idle.push(sender);
        }
    }
}

async fn exchange(
    mut sender: Sender,
    request: Request<Full<Bytes>>,
) -> Result<(Sender, Response<Incoming>), hyper::Error> {
    sender.ready().await?;
    let response = sender.send_request(request).await?;
    Ok((sender, response))
}

fn request(endpoint: &Endpoint, uri: &Uri, accept: &'static str) -> Request<Empty<Bytes>> {
    let mut request = Request::new(Empty::new());
    *request.uri_mut() = uri
        .path_and_query()
        .map_or_else(Uri::default, |path| Uri::from(path.clone()));
    let headers = request.headers_mut();
    headers.insert(header::HOST, endpoint.authority.clone());
    headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    request
}
