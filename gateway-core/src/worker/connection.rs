//! One caller's connection: TLS, the protocol, and its requests until it closes.

use std::{future::Future, io, net::IpAddr, pin::pin, rc::Rc, sync::Arc, time::Duration};

use http::Request;
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
    time::{sleep, timeout},
};
use tracing::debug;

use super::{Terms, Worker, proxy_protocol};
use crate::{
    guard::{Guarded, progress::while_taken},
    proxy::{self, client::Client, misdirected::Handshake},
};

/// How often an HTTP/2 caller is asked whether it is still there.
const PING_EVERY: Duration = Duration::from_secs(60);

/// How long a proxy may take to say whose connection it passes on.
const PROXY_TIME: Duration = Duration::from_secs(5);

/// How long a caller may take for TLS.
const TLS_TIME: Duration = Duration::from_secs(10);

/// The most headers a request may have, and their size together in HTTP/2.
const MAX_HEADERS: usize = 100;
const MAX_HEAD_BYTES: usize = 64 * 1024;

/// With which a caller begins that speaks HTTP/2 without asking (RFC 9113, section 3.3).
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How long a caller that is asked to go may still send the request that is on its way.
const LINGER: Duration = Duration::from_millis(500);

type Closing = watch::Receiver<bool>;

/// Serves a connection to its end.
pub(super) async fn serve(worker: Rc<Worker>, stream: TcpStream, address: IpAddr, terms: Terms) {
    match open(&worker, stream, address, terms.proxy_protocol).await {
        Ok((stream, address)) => serve_stream(worker, stream, address, terms).await,
        Err(error) => {
            debug!(error = %error, client.address = %address, "A connection closed before it began");
        }
    }
}

/// Makes a socket ready, and finds out whose it is.
async fn open(
    worker: &Worker,
    mut stream: TcpStream,
    address: IpAddr,
    proxy_protocol: bool,
) -> io::Result<(TcpStream, IpAddr)> {
    stream.set_nodelay(true)?;
    if !proxy_protocol {
        return Ok((stream, address));
    }
    if !worker.shared.trusted_proxies.contain(address) {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "this listener takes connections from trusted proxies only",
        ));
    }
    let said = timeout(PROXY_TIME, proxy_protocol::read(&mut stream)).await??;
    Ok((stream, said.unwrap_or(address)))
}

async fn serve_stream(worker: Rc<Worker>, stream: TcpStream, address: IpAddr, terms: Terms) {
    let closing = terms.closing;
    let Some(tls) = terms.tls else {
        let client = Client::new(worker, address, None);
        return serve_plain(Rc::new(client), stream, closing).await;
    };
    match timeout(TLS_TIME, tls.acceptor().accept(stream)).await {
        Ok(Ok(stream)) => {
            let session = stream.get_ref().1;
            let http2 = session.alpn_protocol() == Some(b"h2");
            let certificates = session.peer_certificates().unwrap_or_default();
            let certificates = certificates.iter().map(|der| der.clone().into_owned());
            let mut client = Client::new(worker, address, Some(certificates.collect()));
            client.handshake = session.server_name().map(|name| Handshake {
                server_name: name.to_ascii_lowercase(),
                tls: Arc::clone(&tls),
            });
            let client = Rc::new(client);
            match http2 {
                true => serve_http2(client, Guarded::unwatched(stream, Vec::new()), closing).await,
                false => serve_http1(client, Guarded::watched(stream, Vec::new()), closing).await,
            }
        }
        Ok(Err(error)) => debug!(error = %error, "A TLS handshake failed"),
        Err(_) => debug!("A TLS handshake took too long"),
    }
}

async fn serve_plain(client: Rc<Client>, mut stream: TcpStream, mut closing: Closing) {
    let head_timeout = client.worker.shared.head_timeout;
    let start = tokio::select! {
        biased;
        start = timeout(head_timeout, read_start(&mut stream)) => start,
        // Whoever has not asked for anything is not waited for, unless it has only just come.
        () = asked_to_go(&mut closing, LINGER) => return,
    };
    match start {
        Ok(Ok(start)) if start == HTTP2_PREFACE => {
            serve_http2(client, Guarded::unwatched(stream, start), closing).await;
        }
        Ok(Ok(start)) => serve_http1(client, Guarded::watched(stream, start), closing).await,
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

async fn serve_http1<S>(client: Rc<Client>, stream: Guarded<S>, mut closing: Closing)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let head_timeout = client.worker.shared.head_timeout;
    let stream = stream.with_stall_timeout(client.worker.shared.stall_timeout);
    let answering = Rc::clone(&client);
    let service = service_fn(move |request: Request<Incoming>| proxy::answer(Rc::clone(&answering), request));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head_timeout)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let going = async {
        asked_to_go(&mut closing, Duration::ZERO).await;
        // From now on answers say that the connection closes. One whose caller asks for nothing more closes a
        // little later: its next request may be on its way.
        client.closing.set(true);
        sleep(LINGER).await;
    };
    let ended = tokio::select! {
        biased;
        ended = connection.as_mut() => ended,
        () = going => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        debug!(error = %error, "A connection ended with an error");
    }
}

async fn serve_http2<S>(client: Rc<Client>, stream: Guarded<S>, mut closing: Closing)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let stream = stream.with_stall_timeout(client.worker.shared.stall_timeout);
    let answering = Rc::clone(&client);
    let service = service_fn(move |request: Request<Incoming>| proxy::answer(Rc::clone(&answering), request));
    let connection = http2::Builder::new(Streams {
        stall_timeout: client.worker.shared.stall_timeout,
    })
    .timer(TokioTimer::new())
    .keep_alive_interval(PING_EVERY)
    .max_header_list_size(u32::try_from(MAX_HEAD_BYTES).unwrap_or(u32::MAX))
    // Callers may ask for WebSockets (RFC 8441).
    .enable_connect_protocol()
    .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let going = async {
        let asked = async {
            asked_to_go(&mut closing, Duration::ZERO).await;
            if !client.began.get() {
                // It has only just come; GOAWAY before its first request would leave it without an answer.
                sleep(LINGER).await;
            }
        };
        tokio::select! {
            () = asked => {}
            () = client.over.notified() => {}
        }
    };
    let ended = tokio::select! {
        biased;
        ended = connection.as_mut() => ended,
        () = going => {
            // GOAWAY: requests that have come are answered, others belong on another connection.
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        debug!(error = %error, "A connection ended with an error");
    }
}

/// Resolves so long after the listener was taken away.
async fn asked_to_go(closing: &mut Closing, after: Duration) {
    // Without the listener's owner there is nobody left to serve for.
    let _ = closing.wait_for(|closing| *closing).await;
    if !after.is_zero() {
        sleep(after).await;
    }
}

/// Runs the streams of an HTTP/2 connection on the connection's own thread, as long as their caller takes what it
/// asked for.
#[derive(Debug, Clone, Copy)]
struct Streams {
    stall_timeout: Duration,
}

impl<F> Executor<F> for Streams
where
    F: Future<Output = ()> + 'static,
{
    fn execute(&self, stream: F) {
        tokio::task::spawn_local(while_taken(stream, self.stall_timeout));
    }
}
