//! Fetching one small document, such as a key set.

use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Empty, LengthLimitError, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;

use super::{Endpoint, connect};

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
    let stream = connect::connect(endpoint).await.map_err(FetchError::Connect)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(FetchError::Exchange)?;
    let exchange = async {
        let response = sender
            .send_request(request(endpoint, uri))
            .await
            .map_err(FetchError::Exchange)?;
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

fn request(endpoint: &Endpoint, uri: &Uri) -> Request<Empty<Bytes>> {
    let mut request = Request::new(Empty::new());
    *request.uri_mut() = uri
        .path_and_query()
        .map_or_else(Uri::default, |path| Uri::from(path.clone()));
    let headers = request.headers_mut();
    headers.insert(header::HOST, endpoint.authority.clone());
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    request
}
