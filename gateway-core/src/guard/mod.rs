//! Watches how a caller frames its requests, and lets no contradictory request through. Nor does it wait for a caller
//! who stops in the middle.

mod framing;
pub(crate) mod patience;
pub(crate) mod progress;

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

#[cfg(any(test, fuzzing))]
pub(crate) use self::framing::framing_is_the_same_in_every_cut;
use self::{framing::Framing, patience::Patience};

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
    /// With a caller who owes a part of a request's body.
    reading: Patience,
    /// With a caller who does not take what it asked for.
    writing: Patience,
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
        Self::new(stream, start, Watch::On(Box::default()))
    }

    /// Lets everything through.
    pub(crate) fn unwatched(stream: S, start: Vec<u8>) -> Self {
        Self::new(stream, start, Watch::Off)
    }

    fn new(stream: S, start: Vec<u8>, watch: Watch) -> Self {
        Self {
            stream,
            start,
            watch,
            reading: Patience::default(),
            writing: Patience::default(),
        }
    }

    /// Gives up on a caller who owes the next part of a request's body, or does not take the next part of an answer,
    /// for so long. Of a stream that is not watched it is not known when a body is owed.
    pub(crate) fn with_stall_timeout(mut self, timeout: Duration) -> Self {
        self.reading = Patience::new(timeout);
        self.writing = Patience::new(timeout);
        self
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
        let Watch::On(framing) = &mut this.watch else {
            return polled;
        };
        if polled.is_pending() {
            return match framing.owes_body() {
                true => this.reading.wait(context),
                false => Poll::Pending,
            };
        }
        this.reading.rest();
        if let Err((at, _)) = framing.follow(&buffer.filled()[before..]) {
            this.refuse(before + at, buffer);
        }
        polled
    }
}

impl<S> Guarded<S> {
    /// The outcome of an attempt to write, or an error if the caller has taken nothing for too long.
    fn taken<T>(&mut self, context: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_pending() {
            return self.writing.wait(context);
        }
        self.writing.rest();
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_write(context, bytes);
        this.taken(context, polled)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_flush(context);
        this.taken(context, polled)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_shutdown(context);
        this.taken(context, polled)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_write_vectored(context, slices);
        this.taken(context, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
