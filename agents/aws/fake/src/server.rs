//! The listeners: connections, bodies, and the faults that tests plan.

use std::convert::Infallible;
use std::fmt;
use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::cloud::Cloud;
use crate::control::{self, Answer, ControlRequest, Outcome};
use crate::data;

/// What a listener serves.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Plane {
    Control,
    Data,
}

/// The connection ends without an answer.
#[derive(Debug)]
struct ReplyLost;

impl fmt::Display for ReplyLost {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the reply is lost, as a test has planned")
    }
}

impl std::error::Error for ReplyLost {}

/// Serves until the task ends, and its connections with it.
pub(crate) async fn serve(listener: TcpListener, cloud: Arc<Cloud>, plane: Plane) -> Infallible {
    let mut connections = JoinSet::new();
    loop {
        if let Ok((stream, peer)) = listener.accept().await {
            connections.spawn(serve_connection(stream, peer, Arc::clone(&cloud), plane));
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn serve_connection(stream: TcpStream, peer: SocketAddr, cloud: Arc<Cloud>, plane: Plane) {
    let service = service_fn(move |request| respond(request, peer, Arc::clone(&cloud), plane));
    let served = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
    // A client that leaves or a planned fault ends a connection early; neither is a failure of the fake.
    drop(served);
}

async fn respond(
    request: Request<Incoming>,
    peer: SocketAddr,
    cloud: Arc<Cloud>,
    plane: Plane,
) -> Result<Response<Body>, ReplyLost> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| ReplyLost)?.to_bytes();
    match plane {
        Plane::Control => {
            let request = ControlRequest::new(head.method, &head.uri, head.headers, body);
            answered(&cloud, &request).await.map(Answer::into_response)
        }
        Plane::Data => Ok(data::respond(&cloud, peer, head, body).await),
    }
}

async fn answered(cloud: &Cloud, request: &ControlRequest) -> Result<Answer, ReplyLost> {
    match control::receive(cloud, request) {
        Outcome::Answer(answer) => Ok(answer),
        Outcome::ReplyLost => Err(ReplyLost),
        Outcome::Silence => pending().await,
        Outcome::WithNews(wait) => Ok(control::with_news(cloud, request, wait).await),
        Outcome::Later(delay, perform) => {
            tokio::time::sleep(delay).await;
            Ok(perform(cloud, request))
        }
    }
}
