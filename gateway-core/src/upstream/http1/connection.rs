//! A connection on which one request after the other is sent by whoever waits for its answer.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    task::{Context, Poll, Waker, ready},
};

use bytes::Bytes;
use http::{Method, Request, Response, Version};
use hyper::body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead as _, AsyncWriteExt as _, ReadBuf};

use super::{
    Fault, MAX_HEAD_BYTES, buffer,
    framing::{Framing, Part},
    head::{self, Head},
};
use crate::upstream::connect::Stream;

/// A connection that carries nothing at the moment.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: Stream,
}

/// Why a request got no answer.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) fault: Fault,
    /// How far it got.
    pub(crate) stage: Stage,
}

/// How far a request got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Nothing of it was sent.
    Unsent,
    /// Nothing of an answer came.
    Unanswered,
    Answered,
}

/// The body of an answer on its way.
#[derive(Debug)]
pub(crate) struct Answering {
    /// None once it is given back, or cannot be used again.
    connection: Option<Connection>,
    framing: Framing,
    /// What has come and was not asked for yet.
    come: Bytes,
    /// Whether the connection may be used again.
    keeps: bool,
}

impl Connection {
    /// Nothing has been sent over this stream.
    pub(crate) fn new(stream: Stream) -> Self {
        Self { stream }
    }

    /// The stream, for something else.
    pub(crate) fn into_stream(self) -> Stream {
        self.stream
    }

    /// Whether the upstream has neither closed it nor said something unasked, as far as is known without waiting.
    pub(crate) fn is_open(&mut self) -> bool {
        let mut byte = [0];
        let mut unasked = ReadBuf::new(&mut byte);
        let mut context = Context::from_waker(Waker::noop());
        Pin::new(&mut self.stream)
            .poll_read(&mut context, &mut unasked)
            .is_pending()
    }

    /// Sends a request, whose body is left out, and waits for the head of its answer.
    pub(crate) async fn send<B>(mut self, request: &Request<B>) -> Result<Response<Answering>, Failed> {
        let method = request.method();
        let head = head::request(method, request.uri(), request.headers());
        if let Err((error, sent)) = self.write(&head).await {
            let stage = if sent { Stage::Unanswered } else { Stage::Unsent };
            return Err(Failed {
                fault: error.into(),
                stage,
            });
        }
        let mut read = 0;
        let mut come = Bytes::new();
        match self.read_head(method, &mut come, &mut read).await {
            Ok(head) => Ok(self.answering(head, come)),
            Err(fault) => Err(Failed {
                fault,
                stage: match read {
                    0 => Stage::Unanswered,
                    _ => Stage::Answered,
                },
            }),
        }
    }

    /// An error says whether something was sent before.
    async fn write(&mut self, head: &[u8]) -> Result<(), (io::Error, bool)> {
        let mut rest = head;
        while !rest.is_empty() {
            let sent = rest.len() < head.len();
            let length = self.stream.write(rest).await.map_err(|error| (error, sent))?;
            if length == 0 {
                return Err((io::ErrorKind::WriteZero.into(), sent));
            }
            rest = rest.get(length..).unwrap_or_default();
        }
        self.stream.flush().await.map_err(|error| (error, true))
    }

    /// Reads up to the end of the head, past those that only say that it will come.
    async fn read_head(
        &mut self,
        method: &Method,
        come: &mut Bytes,
        read: &mut usize,
    ) -> Result<Head, Fault> {
        loop {
            if !come.is_empty()
                && let Some(head) = head::answer(come, method)?
            {
                let rest = come.slice(head.length..);
                *come = rest;
                if !head.is_interim() {
                    return Ok(head);
                }
                continue;
            }
            if *read > MAX_HEAD_BYTES {
                return Err(Fault::TooLarge);
            }
            match poll_fn(|context| self.poll_read(come, context)).await? {
                0 => return Err(Fault::Ended),
                length => *read += length,
            }
        }
    }

    fn answering(self, head: Head, come: Bytes) -> Response<Answering> {
        let mut answering = Answering {
            connection: Some(self),
            framing: head.framing,
            come,
            keeps: head.keeps,
        };
        answering.drop_if_useless();
        let mut response = Response::new(answering);
        *response.status_mut() = head.status;
        *response.version_mut() = Version::HTTP_11;
        *response.headers_mut() = head.headers;
        response
    }

    fn poll_read(&mut self, come: &mut Bytes, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        buffer::poll_read(Pin::new(&mut self.stream), come, context)
    }
}

impl Answering {
    /// The connection, if it can be used for something else already.
    pub(crate) fn take_connection(&mut self) -> Option<Connection> {
        match self.framing.is_over() {
            true => self.connection.take(),
            false => None,
        }
    }

    /// Closes the connection as soon as nothing comes over it that anybody may have.
    fn drop_if_useless(&mut self) {
        if self.framing.is_over() && !(self.keeps && self.come.is_empty()) {
            self.connection = None;
        }
    }

    fn poll_part(&mut self, context: &mut Context<'_>) -> Poll<Result<Part, Fault>> {
        loop {
            let part = self.framing.next(&mut self.come)?;
            let Some(connection) = &mut self.connection else {
                return Poll::Ready(Ok(part));
            };
            if part != Part::Missing {
                self.drop_if_useless();
                return Poll::Ready(Ok(part));
            }
            if ready!(connection.poll_read(&mut self.come, context))? == 0 {
                self.connection = None;
                self.framing.end()?;
            }
        }
    }
}

impl Body for Answering {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let this = self.get_mut();
        match ready!(this.poll_part(context)) {
            Ok(Part::Data(data)) => Poll::Ready(Some(Ok(Frame::data(data)))),
            Ok(Part::Trailers(trailers)) => Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
            Ok(Part::End | Part::Missing) => Poll::Ready(None),
            Err(fault) => {
                // Nothing more comes of it.
                this.connection = None;
                this.framing = Framing::Length(0);
                Poll::Ready(Some(Err(fault)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.framing.is_over()
    }

    fn size_hint(&self) -> SizeHint {
        self.framing.size_hint()
    }
}

#[cfg(test)]
mod tests;
