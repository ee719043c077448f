//! The listener of the Admin API: connections, bodies, and the faults that tests plan.

use std::convert::Infallible;
use std::fmt;
use std::future::pending;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use http_body_util::BodyExt;

use crate::faults::Fault;
use crate::http::{AdminRequest, Answer, answer};
use crate::kong::Kong;

/// The connection ends without an answer.
#[derive(Debug)]
struct ReplyLost;

impl fmt::Display for ReplyLost {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the reply is lost, as a test has planned")
    }
}

impl std::error::Error for ReplyLost {}

/// Serves the Admin API until the task ends, and its connections with it.
pub(crate) async fn serve(listener: TcpListener, kong: Arc<Kong>) -> Infallible {
    let mut connections = JoinSet::new();
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            connections.spawn(serve_connection(stream, Arc::clone(&kong)));
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn serve_connection(stream: TcpStream, kong: Arc<Kong>) {
    let service = service_fn(move |request| respond(request, Arc::clone(&kong)));
    let served = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
    // A client that leaves or a planned fault ends a connection early; neither is a failure of the fake.
    drop(served);
}

async fn respond(request: Request<Incoming>, kong: Arc<Kong>) -> Result<Response<Body>, ReplyLost> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| ReplyLost)?.to_bytes();
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    let fault = kong.faults.meet(head.method.as_str(), path);
    let request = AdminRequest::new(head.method, &head.uri, head.headers, body);
    let answer = match fault {
        None => answer(&kong, &request),
        Some(Fault::Before(change)) => {
            kong.with_configuration(change);
            answer(&kong, &request)
        }
        Some(Fault::LoseReply) => {
            answer(&kong, &request);
            return Err(ReplyLost);
        }
        Some(Fault::Silence) => pending().await,
        Some(Fault::Answer {
            status,
            body,
            retry_after,
        }) => planned(status, body, retry_after),
    };
    Ok(response(answer, &request.method, &kong))
}

fn planned(status: u16, body: serde_json::Value, retry_after: Option<u32>) -> Answer {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut answer = Answer::json(status, body);
    answer
        .headers
        .extend(retry_after.map(|seconds| (header::RETRY_AFTER, HeaderValue::from(seconds))));
    answer
}

fn response(answer: Answer, method: &Method, kong: &Kong) -> Response<Body> {
    let length = answer.body.len();
    let body = if *method == Method::HEAD {
        Bytes::new()
    } else {
        Bytes::from(answer.body)
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = answer.status;
    let headers = response.headers_mut();
    headers.extend(answer.headers);
    if answer.status != StatusCode::NO_CONTENT && answer.status != StatusCode::NOT_MODIFIED {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert("x-kong-admin-latency", HeaderValue::from_static("1"));
    if let Ok(server) = HeaderValue::from_str(&format!("kong/{}", kong.options.version)) {
        headers.insert(header::SERVER, server);
    }
    response
}
