//! `/healthz`, `/readyz` and `/metrics` of an agent, without credentials, where people say.

use std::{convert::Infallible, net::SocketAddr, time::Duration};

use anyhow::Context as _;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tracing::{debug, info, warn};

use crate::monitor::Monitor;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PLAIN: &str = "text/plain; charset=utf-8";

/// An address, or a port of this machine's own.
pub(super) fn parse_address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(port) = text.parse::<u16>() {
        return Ok(SocketAddr::from(([127, 0, 0, 1], port)));
    }
    text.parse()
        .map_err(|_| "give an address with a port like 0.0.0.0:9095, or a port alone".to_owned())
}

/// Begins to listen; answers for as long as the runtime runs.
pub(super) async fn start(address: SocketAddr, monitor: Monitor) -> anyhow::Result<()> {
    let listener = TcpListener::bind(address).await.with_context(|| {
        format!("cannot serve health and metrics at {address}; give another address with --metrics-listen")
    })?;
    info!(
        "Health and metrics are at http://{}",
        listener.local_addr().unwrap_or(address)
    );
    tokio::spawn(serve(listener, monitor));
    Ok(())
}

/// Serves until the task is aborted.
async fn serve(listener: TcpListener, monitor: Monitor) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(connection(stream, monitor.clone()))),
            Err(error) => {
                warn!(error = %error, "The listener of health and metrics cannot accept connections; retrying in 1 s");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, monitor: Monitor) {
    let service = service_fn(move |request| {
        let answer = answer(&monitor, &request);
        async move { Ok::<_, Infallible>(answer) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        debug!(error = %error, "A connection to the listener of health and metrics ended with an error");
    }
}

fn answer(monitor: &Monitor, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut refused = text(StatusCode::METHOD_NOT_ALLOWED, PLAIN, "only GET is served here\n");
        let allowed = HeaderValue::from_static("GET, HEAD");
        refused.headers_mut().insert(header::ALLOW, allowed);
        return refused;
    }
    match request.uri().path() {
        "/healthz" => text(StatusCode::OK, PLAIN, "ok\n"),
        "/readyz" => match monitor.readiness() {
            Ok(()) => text(StatusCode::OK, PLAIN, "ready\n"),
            Err(reason) => text(StatusCode::SERVICE_UNAVAILABLE, PLAIN, reason),
        },
        "/metrics" => text(StatusCode::OK, OPEN_METRICS, monitor.metrics() + "# EOF\n"),
        _ => text(
            StatusCode::NOT_FOUND,
            PLAIN,
            "there are /healthz, /readyz and /metrics\n",
        ),
    }
}

fn text(status: StatusCode, kind: &'static str, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static(kind);
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        connector::Connector as _,
        memory::{MemoryConnector, MemoryGateway},
        monitor::Session,
    };

    #[test]
    fn a_port_alone_is_one_of_this_machine_only() {
        assert_eq!(parse_address("9095").unwrap().to_string(), "127.0.0.1:9095");
        assert_eq!(parse_address("[::]:9095").unwrap().to_string(), "[::]:9095");
        assert!(parse_address("example").unwrap_err().contains("a port alone"));
    }

    #[tokio::test]
    async fn it_answers_whether_it_is_alive_and_ready_and_what_it_counts() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let monitor = Monitor::new();
        let memory = monitor.of(MemoryConnector::new(MemoryGateway::new()).descriptor());
        tokio::spawn(serve(listener, monitor));
        let get = async |path: &str| {
            let answer = reqwest::get(format!("http://{address}{path}")).await.unwrap();
            (answer.status().as_u16(), answer.text().await.unwrap())
        };
        assert_eq!(get("/healthz").await, (200, "ok\n".to_owned()));
        let (status, reason) = get("/readyz").await;
        assert_eq!(
            (status, reason.as_str()),
            (503, "memory: it has not connected yet\n")
        );
        memory.session(Session::Up);
        assert_eq!(get("/readyz").await, (200, "ready\n".to_owned()));
        let (_, metrics) = get("/metrics").await;
        assert!(metrics.starts_with("# HELP gatehouse_agent_") && metrics.ends_with("# EOF\n"));
        assert_eq!(get("/").await.0, 404);
    }
}
