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
    let (mapped, by_domain) = match domains::mapped(cloud, host.unwrap_or_default(), &path) {
        Some(None) => return Answer::forbidden(),
        Some(Some(mapped)) => (mapped, true),
        None => (at_path(&path), false),
    };
    let mut exchange = Exchange::new(peer, head, body, mapped);
    exchange.by_domain = by_domain;
    let (api, stage) = (exchange.api.clone(), exchange.stage.clone());
    if let Some(served) = rest::served(cloud, &api, &stage) {
        return rest::answer(cloud, &served, exchange).await;
    }
    match http::served(cloud, &api, &stage) {
        Some(served) => http::answer(cloud, &served, exchange).await,
        None => Answer::forbidden(),
    }
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
