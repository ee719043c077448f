//! Health, metrics, what is served, and the cache: `/healthz`, `/readyz`, `/metrics`, `/config`, `/routes`, `/explain`,
//! `/cache/purge`.

mod inspect;

mod purge;

use std::{convert::Infallible, net::IpAddr, sync::Arc};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tracing::{debug, warn};

use crate::core::Core;

/// Serves until the task is aborted.
pub(crate) async fn serve(listener: TcpListener, core: Arc<Core>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(connection(stream, Arc::clone(&core)))),
            Err(error) => {
                warn!(error = %error, "The admin listener cannot accept connections; retrying in 1 s");
                tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, core: Arc<Core>) {
    let peer = stream.peer_addr().ok().map(|peer| peer.ip());
    let service = service_fn(move |request| {
        let answer = answer(&core, &request, peer);
        async move { Ok::<_, Infallible>(answer) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        debug!(error = %error, "A connection to the admin listener ended with an error");
    }
}

fn answer(core: &Core, request: &Request<Incoming>, peer: Option<IpAddr>) -> Response<Full<Bytes>> {
    if request.uri().path() == purge::PATH {
        return purge::answer(core, request, peer);
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut refused = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET is served here\n");
        refused
            .headers_mut()
            .insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        return refused;
    }
    let query = request.uri().query().unwrap_or_default();
    match request.uri().path() {
        "/healthz" => plain(StatusCode::OK, "ok\n"),
        "/readyz" if core.is_ready() => plain(StatusCode::OK, "ready\n"),
        "/readyz" => plain(
            StatusCode::SERVICE_UNAVAILABLE,
            "waiting for the first configuration\n",
        ),
        "/metrics" => {
            let mut metrics = plain(StatusCode::OK, core.metrics_text());
            let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
            metrics.headers_mut().insert(header::CONTENT_TYPE, kind);
            metrics
        }
        "/config" => inspect::config(&core.shared.table.load(), query),
        "/routes" => inspect::all_routes(&core.shared.table.load(), query),
        "/explain" => inspect::explained(&core.shared.table.load(), query),
        _ => plain(
            StatusCode::NOT_FOUND,
            "there are /healthz, /readyz, /metrics, /config, /routes, /explain and /cache/purge\n",
        ),
    }
}

fn plain(status: StatusCode, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}
