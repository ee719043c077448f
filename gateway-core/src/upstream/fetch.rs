//! Asking for one small document, such as a key set, or only whether there is an answer.

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Empty, LengthLimitError, Limited};
use hyper::{
    body::Incoming,
    client::conn::http1::{self, Connection, SendRequest},
};
use hyper_util::rt::TokioIo;
use serde_json::Value;

use super::{
    Endpoint,
    connect::{self, Stream},
};

/// The largest document taken.
const MAX_BYTES: usize = 1024 * 1024;

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
        let body = Limited::new(response.into_body(), MAX_BYTES).collect().await;
        let body = body.map_err(|error| match error.is::<LengthLimitError>() {
            true => FetchError::TooLarge,
            false => FetchError::Body(error),
        })?;
        serde_json::from_slice(&body.to_bytes()).map_err(FetchError::Json)
    };
    carry(connection, exchange).await
}

/// Asks for something and says with which status it is answered. The caller sets the time limit.
pub(crate) async fn status(endpoint: &Endpoint, uri: &Uri) -> Result<StatusCode, FetchError> {
    let (mut sender, connection) = open(endpoint).await?;
    let exchange = async {
        let request = request(endpoint, uri, "*/*");
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
