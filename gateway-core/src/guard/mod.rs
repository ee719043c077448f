//! Watches how a caller frames its requests, and lets no contradictory request through.

mod framing;

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use self::framing::Framing;

/// A stream whose requests are watched.
///
/// From a contradiction on, the reader sees only NUL bytes. They are allowed nowhere in a head or in a
/// chunk's size, so the HTTP library answers 400 and closes the connection, after it has answered the
/// good requests before.
#[derive(Debug)]
pub(crate) struct Guarded<S> {
    stream: S,
    /// Bytes that were read ahead.
    start: Vec<u8>,
    watch: Watch,
}

#[derive(Debug)]
enum Watch {
    Off,
    On(Box<Framing>),
    Refused,
}

impl Watch {
    fn look(&mut self, bytes: &mut [u8]) {
        let from = match self {
            Self::Off => return,
            Self::Refused => 0,
            Self::On(framing) => match framing.follow(bytes) {
                Ok(()) => return,
                Err((at, _)) => at,
            },
        };
        *self = Self::Refused;
        bytes[from..].fill(0);
    }
}

impl<S> Guarded<S> {
    /// Watches HTTP/1 requests; `start` are bytes that have been read already.
    pub(crate) fn watched(stream: S, start: Vec<u8>) -> Self {
        Self {
            stream,
            start,
            watch: Watch::On(Box::default()),
        }
    }

    /// Lets everything through.
    pub(crate) fn unwatched(stream: S, start: Vec<u8>) -> Self {
        Self {
            stream,
            start,
            watch: Watch::Off,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let polled = if this.start.is_empty() {
            Pin::new(&mut this.stream).poll_read(context, buffer)
        } else {
            let length = this.start.len().min(buffer.remaining());
            buffer.put_slice(&this.start[..length]);
            this.start.drain(..length);
            Poll::Ready(Ok(()))
        };
        this.watch.look(&mut buffer.filled_mut()[before..]);
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
