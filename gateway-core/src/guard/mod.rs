//! Watches how a caller frames its requests, and lets no contradictory request through.

mod framing;

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use self::framing::Framing;

/// What the reader gets in place of a contradiction. A NUL is allowed nowhere in a head or in a chunk's
/// size, and the empty line ends the head, so the HTTP library answers 400 and closes the connection,
/// after it has answered the good requests before.
const REFUSAL: &[u8] = b"\0\r\n\r\n";

/// A stream whose requests are watched.
#[derive(Debug)]
pub(crate) struct Guarded<S> {
    stream: S,
    /// Bytes to be given to the reader before any others.
    start: Vec<u8>,
    watch: Watch,
}

#[derive(Debug)]
enum Watch {
    Off,
    On(Box<Framing>),
    /// Nothing more is read.
    Refused,
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

impl<S: AsyncRead + Unpin> Guarded<S> {
    fn read(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.start.is_empty() {
            let length = self.start.len().min(buffer.remaining());
            buffer.put_slice(&self.start[..length]);
            self.start.drain(..length);
            return Poll::Ready(Ok(()));
        }
        match self.watch {
            Watch::Refused => Poll::Ready(Ok(())),
            Watch::On(_) | Watch::Off => Pin::new(&mut self.stream).poll_read(context, buffer),
        }
    }

    /// Puts the refusal in place of everything from the contradiction on.
    fn refuse(&mut self, at: usize, buffer: &mut ReadBuf<'_>) {
        buffer.set_filled(at);
        let (now, later) = REFUSAL.split_at(REFUSAL.len().min(buffer.remaining()));
        buffer.put_slice(now);
        self.start = later.to_vec();
        self.watch = Watch::Refused;
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
        let polled = this.read(context, buffer);
        if let Watch::On(framing) = &mut this.watch
            && let Err((at, _)) = framing.follow(&buffer.filled()[before..])
        {
            this.refuse(before + at, buffer);
        }
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
