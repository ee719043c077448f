//! Asking an upstream: headers on the way there and back, and what its failures look like.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, Method, header};

use super::answer::{Answer, set};
use super::exchange::Exchange;

/// What an upstream is asked.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) url: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) timeout: Duration,
    /// Whether the answer is passed on as it comes.
    pub(crate) streams: bool,
}

const HOP_BY_HOP: [HeaderName; 6] = [
    header::CONNECTION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::PROXY_AUTHENTICATE,
];

/// The headers of a request as an upstream gets them.
pub(crate) fn headers(exchange: &Exchange) -> HeaderMap {
    let mut headers = exchange.headers.clone();
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
    headers.remove(header::HOST);
    headers.remove(header::CONTENT_LENGTH);
    let client = exchange.peer.ip().to_string();
    let forwarded = match exchange.header("x-forwarded-for") {
        Some(before) => format!("{before}, {client}"),
        None => client,
    };
    set(&mut headers, "x-forwarded-for", &forwarded);
    set(&mut headers, "x-forwarded-proto", "https");
    set(&mut headers, "x-forwarded-port", "443");
    set(&mut headers, "x-amzn-apigateway-api-id", &exchange.api);
    headers
}

/// Asks an upstream and passes on what it says, redirects included.
pub(crate) async fn ask(client: &reqwest::Client, asked: Asked) -> Answer {
    let request = client
        .request(asked.method, asked.url)
        .headers(asked.headers)
        .timeout(asked.timeout);
    let request = if asked.body.is_empty() {
        request
    } else {
        request.body(asked.body)
    };
    match answered(request, asked.streams).await {
        Ok(answer) => answer,
        Err(error) if error.is_timeout() => Answer::own(
            "INTEGRATION_TIMEOUT",
            504,
            "InternalServerErrorException",
            "Endpoint request timed out",
        ),
        Err(error) if error.is_builder() => Answer::internal_error(),
        Err(_) => Answer::own(
            "INTEGRATION_FAILURE",
            504,
            "InternalServerErrorException",
            "Network error communicating with endpoint",
        ),
    }
}

async fn answered(request: reqwest::RequestBuilder, streams: bool) -> reqwest::Result<Answer> {
    let response = request.send().await?;
    let (status, headers) = (response.status().as_u16(), received(&response));
    let body = match streams {
        true => Body::from_stream(response.bytes_stream()),
        false => Body::from(response.bytes().await?),
    };
    Ok(Answer {
        status,
        headers,
        body,
        own: None,
    })
}

/// Some headers come under other names: those that API Gateway sets itself.
fn received(response: &reqwest::Response) -> HeaderMap {
    let mut headers = response.headers().clone();
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
    for name in ["date", "server", "www-authenticate"] {
        if let Some(value) = headers.remove(name)
            && let Ok(remapped) = HeaderName::from_bytes(format!("x-amzn-remapped-{name}").as_bytes())
        {
            headers.insert(remapped, value);
        }
    }
    headers
}
