//! The data plane: what consumers are answered by the stages of APIs, at `/{api}/{stage}/{path}`.

mod answer;
mod authorizers;
mod cors;
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

use std::net::SocketAddr;

use axum::body::{Body, Bytes};
use axum::http::Response;
use axum::http::request::Parts;
use percent_encoding::percent_decode_str;

use self::answer::Answer;
use self::exchange::Exchange;
pub(crate) use self::traffic::Traffic;
use crate::cloud::Cloud;

/// Answers a consumer's request.
pub(crate) async fn respond(cloud: &Cloud, peer: SocketAddr, head: Parts, body: Bytes) -> Response<Body> {
    answered(cloud, peer, head, body).await.into_response()
}

async fn answered(cloud: &Cloud, peer: SocketAddr, head: Parts, body: Bytes) -> Answer {
    let path = head.uri.path().to_owned();
    let mut parts = path.trim_start_matches('/').splitn(3, '/');
    let (api, stage) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let rest = format!("/{}", parts.next().unwrap_or_default());
    let stage = percent_decode_str(stage).decode_utf8_lossy();
    let exchange = Exchange::new(peer, head, body, api, &stage, rest);
    if let Some(served) = rest::served(cloud, api, &stage) {
        return rest::answer(cloud, &served, exchange).await;
    }
    match http::served(cloud, api, &stage) {
        Some(served) => http::answer(cloud, &served, exchange).await,
        None => Answer::forbidden(),
    }
}
