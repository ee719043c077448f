//! Opening connections to upstreams.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::client::TlsStream;

use super::{Endpoint, resolve::Resolution, tls::Offer};

/// A connection to an upstream.
#[derive(Debug)]
pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// How long one of several addresses may take before the next one is tried.
const NEXT_ADDRESS: Duration = Duration::from_secs(1);

/// The other end speaks HTTP/1.1 only.
#[derive(Debug, thiserror::Error)]
#[error("the upstream does not agree to HTTP/2")]
struct NoHttp2;

/// Connects, TLS included. The caller sets the time limit.
pub(crate) async fn connect(endpoint: &Endpoint) -> io::Result<Stream> {
    connect_offering(endpoint, Offer::Http1).await
}

/// The same for HTTP/2, which a server with TLS has to agree to.
pub(crate) async fn connect_http2(endpoint: &Endpoint) -> io::Result<Stream> {
    let stream = connect_offering(endpoint, Offer::Http2).await?;
    match &stream {
        Stream::Tls(_) if !stream.agreed_to_http2() => Err(io::Error::other(NoHttp2)),
        _ => Ok(stream),
    }
}

/// The same for what the server chooses: [`Stream::agreed_to_http2`] says whether that is HTTP/2.
pub(crate) async fn connect_either(endpoint: &Endpoint) -> io::Result<Stream> {
    connect_offering(endpoint, Offer::Either).await
}

/// Whether a connection failed because the other end does not speak HTTP/2.
pub(crate) fn lacks_http2(error: &io::Error) -> bool {
    let inner = error.get_ref();
    let refusal = rustls::Error::AlertReceived(rustls::AlertDescription::NoApplicationProtocol);
    inner.is_some_and(|inner| inner.is::<NoHttp2>() || inner.downcast_ref() == Some(&refusal))
}

async fn connect_offering(endpoint: &Endpoint, offer: Offer) -> io::Result<Stream> {
    let stream = to_any(&endpoint.resolution).await?;
    stream.set_nodelay(true)?;
    let Some(secured) = &endpoint.tls else {
        return Ok(Stream::Plain(stream));
    };
    let connector = secured.identity.connector(offer);
    let stream = connector.connect(secured.name.clone(), stream).await?;
    Ok(Stream::Tls(Box::new(stream)))
}

impl Stream {
    /// Whether the TLS handshake settled on HTTP/2.
    pub(crate) fn agreed_to_http2(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Tls(stream) => stream.get_ref().1.alpn_protocol() == Some(b"h2"),
        }
    }
}

/// Connects to the first address that takes it.
async fn to_any(resolution: &Arc<Resolution>) -> io::Result<TcpStream> {
    let addresses = resolution.addresses().await?;
    let mut refused = None;
    for (index, address) in addresses.iter().enumerate() {
        let connecting = TcpStream::connect(address);
        let connected = match index + 1 == addresses.len() {
            true => connecting.await,
            false => timeout(NEXT_ADDRESS, connecting)
                .await
                .unwrap_or_else(|late| Err(late.into())),
        };
        match connected {
            Ok(stream) => return Ok(stream),
            Err(error) => refused = Some(error),
        }
    }
    resolution.doubt();
    Err(refused.unwrap_or_else(|| io::ErrorKind::NotFound.into()))
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }
}
