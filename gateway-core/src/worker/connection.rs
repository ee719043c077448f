//! One caller's connection: TLS, the protocol, and its requests until it closes.

use std::{future::Future, io, net::IpAddr, pin::pin, rc::Rc, time::Duration};

use http::{HeaderValue, Request};
use hyper::{
    body::Incoming,
    rt::Executor,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite},
    net::TcpStream,
    sync::watch,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;
use tracing::debug;

use super::Worker;
use crate::{
    guard::Guarded,
    proxy::{self, Client},
};

/// How often an HTTP/2 caller is asked whether it is still there.
const PING_EVERY: Duration = Duration::from_secs(60);

/// How long a caller may take for TLS.
const TLS_TIME: Duration = Duration::from_secs(10);

/// The most headers a request may have, and their size together in HTTP/2.
const MAX_HEADERS: usize = 100;
const MAX_HEAD_BYTES: usize = 64 * 1024;

/// With which a caller begins that speaks HTTP/2 without asking (RFC 9113, section 3.3).
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

type Stopping = watch::Receiver<Option<Duration>>;

/// Serves a connection to its end.
pub(crate) async fn serve(
    worker: Rc<Worker>,
    stream: TcpStream,
    address: IpAddr,
    acceptor: Option<TlsAcceptor>,
    stopping: Stopping,
) {
    if let Err(error) = stream.set_nodelay(true) {
        debug!(error = %error, "A connection closed before it began");
        return;
    }
    let client = Rc::new(Client {
        worker,
        address,
        address_header: address_header(address),
        secure: acceptor.is_some(),
    });
    let Some(acceptor) = acceptor else {
        return serve_plain(client, stream, stopping).await;
    };
    match timeout(TLS_TIME, acceptor.accept(stream)).await {
        Ok(Ok(stream)) if stream.get_ref().1.alpn_protocol() == Some(b"h2") => {
            serve_http2(client, Guarded::unwatched(stream, Vec::new()), stopping).await;
        }
        Ok(Ok(stream)) => serve_http1(client, Guarded::watched(stream, Vec::new()), stopping).await,
        Ok(Err(error)) => debug!(error = %error, "A TLS handshake failed"),
        Err(_) => debug!("A TLS handshake took too long"),
    }
}

fn address_header(address: IpAddr) -> HeaderValue {
    // An address is always a header value.
    HeaderValue::try_from(address.to_canonical().to_string())
        .unwrap_or_else(|_| HeaderValue::from_static("unknown"))
}

async fn serve_plain(client: Rc<Client>, mut stream: TcpStream, mut stopping: Stopping) {
    let head_timeout = client.worker.shared.head_timeout;
    let start = tokio::select! {
        biased;
        start = timeout(head_timeout, read_start(&mut stream)) => start,
        // Whoever has not asked for anything is not waited for.
        _ = stopping.wait_for(Option::is_some) => return,
    };
    match start {
        Ok(Ok(start)) if start == HTTP2_PREFACE => {
            serve_http2(client, Guarded::unwatched(stream, start), stopping).await;
        }
        Ok(Ok(start)) => serve_http1(client, Guarded::watched(stream, start), stopping).await,
        Ok(Err(error)) => debug!(error = %error, "A connection closed before it began"),
        Err(_) => debug!("A connection sent nothing"),
    }
}

/// Reads as long as it could still become HTTP/2's preface.
async fn read_start(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut start = Vec::with_capacity(HTTP2_PREFACE.len());
    while start.len() < HTTP2_PREFACE.len() && HTTP2_PREFACE.starts_with(&start) {
        let missing = (HTTP2_PREFACE.len() - start.len()) as u64;
        if (&mut *stream).take(missing).read_buf(&mut start).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(start)
}

async fn serve_http1<S>(client: Rc<Client>, stream: Guarded<S>, mut stopping: Stopping)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let head_timeout = client.worker.shared.head_timeout;
    let stream = stream.with_stall_timeout(client.worker.shared.stall_timeout);
    let service = service_fn(move |request: Request<Incoming>| proxy::answer(Rc::clone(&client), request));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head_timeout)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        biased;
        ended = connection.as_mut() => ended,
        _ = stopping.wait_for(Option::is_some) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        debug!(error = %error, "A connection ended with an error");
    }
}

async fn serve_http2<S>(client: Rc<Client>, stream: Guarded<S>, mut stopping: Stopping)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let stream = stream.with_stall_timeout(client.worker.shared.stall_timeout);
    let service = service_fn(move |request: Request<Incoming>| proxy::answer(Rc::clone(&client), request));
    let connection = http2::Builder::new(Local)
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_EVERY)
        .max_header_list_size(u32::try_from(MAX_HEAD_BYTES).unwrap_or(u32::MAX))
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        biased;
        ended = connection.as_mut() => ended,
        _ = stopping.wait_for(Option::is_some) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        debug!(error = %error, "A connection ended with an error");
    }
}

/// Runs the streams of an HTTP/2 connection on the connection's own thread.
#[derive(Debug, Clone, Copy)]
struct Local;

impl<F> Executor<F> for Local
where
    F: Future + 'static,
    F::Output: 'static,
{
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}
