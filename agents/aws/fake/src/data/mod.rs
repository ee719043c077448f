//! The data plane: what consumers are answered by the stages of APIs, at `/{api}/{stage}/{path}` or at a custom domain.

mod answer;
mod authorizers;
mod cors;
mod domains;
mod exchange;
mod gateway_responses;
mod http;
mod jwt;
mod keys;
mod mapping;
mod mock;
mod parameters;
mod policy;
mod rest;
mod routing;
mod traffic;
mod upstream;
mod validation;
mod velocity;

use std::net::SocketAddr;

use axum::body::{Body, Bytes};
use axum::http::Response;
use axum::http::request::Parts;
use percent_encoding::percent_decode_str;

use self::answer::Answer;
use self::domains::Mapped;
use self::exchange::Exchange;
pub(crate) use self::traffic::Traffic;
use crate::cloud::Cloud;

/// Answers a consumer's request.
pub(crate) async fn respond(cloud: &Cloud, peer: SocketAddr, head: Parts, body: Bytes) -> Response<Body> {
    answered(cloud, peer, head, body).await.into_response()
}

async fn answered(cloud: &Cloud, peer: SocketAddr, head: Parts, body: Bytes) -> Answer {
    let path = head.uri.path().to_owned();
    let host = head.headers.get("host").and_then(|host| host.to_str().ok());
    let through = host
        .and_then(through)
        .map(|(api, endpoint)| (api.to_owned(), endpoint.to_owned()));
    let (mapped, by_domain) = match (&through, domains::mapped(cloud, host.unwrap_or_default(), &path)) {
        (Some((api, _)), _) => (at_path(&format!("/{api}{path}")), false),
        (None, Some(None)) => return Answer::forbidden(),
        (None, Some(Some(mapped))) => (mapped, true),
        (None, None) => (at_path(&path), false),
    };
    let mut exchange = Exchange::new(peer, head, body, mapped);
    exchange.by_domain = by_domain;
    exchange.endpoint = through.map(|(_, endpoint)| endpoint);
    let (api, stage) = (exchange.api.clone(), exchange.stage.clone());
    if let Some(served) = rest::served(cloud, &api, &stage) {
        return rest::answer(cloud, &served, exchange).await;
    }
    match http::served(cloud, &api, &stage) {
        Some(served) => http::answer(cloud, &served, exchange).await,
        None => Answer::forbidden(),
    }
}

/// The API and the interface endpoint that a private network's host name is of: `{api}-{vpce}.execute-api.…`.
fn through(host: &str) -> Option<(&str, &str)> {
    let (label, rest) = host.split_once('.')?;
    let (api, endpoint) = label
        .split_once('-')
        .filter(|_| rest.starts_with("execute-api."))?;
    endpoint.starts_with("vpce-").then_some((api, endpoint))
}

/// API and stage as the first two parts of a path.
fn at_path(path: &str) -> Mapped {
    let mut parts = path.trim_start_matches('/').splitn(3, '/');
    let (api, stage) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    Mapped {
        api: api.to_owned(),
        stage: percent_decode_str(stage).decode_utf8_lossy().into_owned(),
        path: format!("/{}", parts.next().unwrap_or_default()),
    }
}
