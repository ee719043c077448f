//! What consumers reach: requests are checked, and forwarded to the API's upstream.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::{Request, State as Shared},
    http::{HeaderMap, HeaderName, HeaderValue, header},
    response::{IntoResponse as _, Response},
};
use gatehouse_connector_sdk::schemas::canonical::Fingerprint;

use super::{Refused, State, paths};
use crate::client::documents::{KeyCheck, Service};

/// The largest body of a request.
const LARGEST_BODY: usize = 10 << 20;
/// Headers that are about one connection.
const HOP_BY_HOP: [HeaderName; 7] = [
    header::CONNECTION,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

pub(super) fn router(state: Arc<State>) -> Router {
    Router::new().fallback(answer).with_state(state)
}

async fn answer(Shared(state): Shared<Arc<State>>, request: Request) -> Response {
    forwarded(&state, request)
        .await
        .unwrap_or_else(Refused::into_response)
}

/// Everything about a request is decided by one table.
async fn forwarded(state: &State, request: Request) -> Result<Response, Refused> {
    let (head, body) = request.into_parts();
    let path = head.uri.path();
    if paths::leaves_its_place(path) {
        return Err(Refused::new(400, "invalid", "the path has `.` or `..`"));
    }
    let table = state.table();
    let (api, rest) = table.route(head.method.as_str(), path)?;
    let service = &api.document.service;
    if let Some(check) = &service.key_check {
        authenticate(check, &head.headers)?;
    }
    let body = to_bytes(body, LARGEST_BODY).await;
    let body = body.map_err(|_| Refused::new(413, "too-large", "the body is too large, or broke off"))?;
    let query = head
        .uri
        .query()
        .map(|query| format!("?{query}"))
        .unwrap_or_default();
    let url = format!("{}{rest}{query}", service.upstream_url.trim_end_matches('/'));
    let request = state
        .upstreams
        .request(head.method.clone(), url)
        .timeout(Duration::from_millis(service.timeout_ms.into()))
        .headers(for_upstream(service, head.headers.clone()))
        .body(body);
    for_consumer(service, request.send().await.map_err(no_answer)?).await
}

fn authenticate(check: &KeyCheck, headers: &HeaderMap) -> Result<(), Refused> {
    let given = headers
        .get(&check.header)
        .map(HeaderValue::as_bytes)
        .unwrap_or_default();
    let digest = Fingerprint::of_bytes(given).0;
    match check
        .keys
        .iter()
        .any(|key| key.digest.eq_ignore_ascii_case(&digest))
    {
        true => Ok(()),
        false => Err(Refused::new(
            401,
            "no-key",
            format!("send a key in the header `{}`", check.header),
        )),
    }
}

fn for_upstream(service: &Service, mut headers: HeaderMap) -> HeaderMap {
    remove_hop_by_hop(&mut headers);
    headers.remove(header::HOST);
    headers.remove(header::CONTENT_LENGTH);
    if let Some(check) = service.key_check.as_ref().filter(|check| !check.forward) {
        headers.remove(&check.header);
    }
    headers
}

async fn for_consumer(service: &Service, answer: reqwest::Response) -> Result<Response, Refused> {
    let (status, mut headers) = (answer.status(), answer.headers().clone());
    remove_hop_by_hop(&mut headers);
    for (name, value) in &service.response_headers {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
            headers.insert(name, value);
        }
    }
    let body: Bytes = answer.bytes().await.map_err(no_answer)?;
    Ok((status, headers, Body::from(body)).into_response())
}

fn remove_hop_by_hop(headers: &mut HeaderMap) {
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
}

fn no_answer(error: reqwest::Error) -> Refused {
    match error.is_timeout() {
        true => Refused::new(504, "upstream-timeout", "the upstream did not answer in time"),
        false => Refused::new(502, "upstream-unreachable", "the upstream cannot be reached"),
    }
}
