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

use super::{Endpoint, resolve::Resolution, tls};

/// A connection to an upstream.
#[derive(Debug)]
pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// How long one of several addresses may take before the next one is tried.
const NEXT_ADDRESS: Duration = Duration::from_secs(1);

/// Connects, TLS included. The caller sets the time limit.
pub(crate) async fn connect(endpoint: &Endpoint) -> io::Result<Stream> {
    let stream = to_any(&endpoint.resolution).await?;
    stream.set_nodelay(true)?;
    let Some(name) = &endpoint.tls else {
        return Ok(Stream::Plain(stream));
    };
    let connector = tls::connector().map_err(io::Error::other)?;
    let stream = connector.connect(name.clone(), stream).await?;
    Ok(Stream::Tls(Box::new(stream)))
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
