//! Bodies on their way through. Nothing is buffered: each frame is asked for when the other side can
//! take it.

use std::{
    cell::Cell,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use hyper::{body::Incoming, client::conn::http1::SendRequest};

use super::{cached::Recorder, completion::Completion, replay::Player};
use crate::upstream::{load::Lease, multiplexed::Stream, pool::Pool};

/// Why a body ended early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("the body broke off")]
    Broken(#[source] hyper::Error),
    #[error("the request body is larger than allowed")]
    TooLarge,
    #[error("the body is being sent once more")]
    Superseded,
}

/// A request's body on its way to the upstream.
#[derive(Debug)]
pub(crate) enum RequestBody {
    Empty,
    Streaming(Incoming),
    /// A body that was taken in to be checked.
    Whole(Bytes),
    /// A body that may have to be sent again.
    Played(Player),
    /// A body of unannounced length, cut off beyond a limit.
    Limited {
        incoming: Incoming,
        max: u64,
        left: u64,
        /// Is told the limit when the body goes beyond it.
        exceeded: Rc<Cell<Option<u64>>>,
    },
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Streaming(incoming) => poll_incoming(incoming, context),
            Self::Played(player) => player.poll(context),
            Self::Limited {
                incoming,
                max,
                left,
                exceeded,
            } => {
                let polled = poll_incoming(incoming, context);
                if let Poll::Ready(Some(Ok(frame))) = &polled {
                    let length = frame.data_ref().map_or(0, |data| data.len() as u64);
                    let Some(rest) = left.checked_sub(length) else {
                        exceeded.set(Some(*max));
                        return Poll::Ready(Some(Err(BodyError::TooLarge)));
                    };
                    *left = rest;
                }
                polled
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Whole(bytes) => bytes.is_empty(),
            Self::Played(player) => player.is_end_stream(),
            Self::Streaming(incoming) | Self::Limited { incoming, .. } => incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Played(player) => player.size_hint(),
            Self::Streaming(incoming) | Self::Limited { incoming, .. } => incoming.size_hint(),
        }
    }
}

fn poll_incoming(
    incoming: &mut Incoming,
    context: &mut Context<'_>,
) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
    Pin::new(incoming)
        .poll_frame(context)
        .map(|frame| frame.map(|result| result.map_err(BodyError::Broken)))
}

/// A response's body on its way to the caller. When it goes away, the request is complete.
#[derive(Debug)]
pub(crate) struct ResponseBody {
    source: Source,
    completion: Completion,
    /// Keeps the body for the cache.
    recorder: Option<Box<Recorder>>,
}

#[derive(Debug)]
enum Source {
    Own(Option<Bytes>),
    Upstream(UpstreamBody),
}

/// A body that still comes over an upstream connection, which goes back to its pool at the end.
#[derive(Debug)]
pub(crate) struct UpstreamBody {
    pub(crate) incoming: Incoming,
    pub(crate) sender: Option<SendRequest<RequestBody>>,
    /// Whether the request had a body, which may still be on its way when its answer has ended.
    pub(crate) may_upload: bool,
    pub(crate) pool: Rc<Pool>,
    pub(crate) endpoint: u64,
    /// How long the connection is kept when it is not used.
    pub(crate) idle_timeout: Duration,
    /// The request's place among those of the endpoint, where they are counted.
    pub(crate) lease: Option<Lease>,
    /// Its place on a connection that requests share; free again when the body is done with.
    pub(crate) _stream: Option<Stream>,
}

impl ResponseBody {
    /// A body of our own; empty is none.
    pub(crate) fn own(bytes: Bytes, completion: Completion) -> Self {
        Self {
            source: Source::Own((!bytes.is_empty()).then_some(bytes)),
            completion,
            recorder: None,
        }
    }

    /// The upstream's body.
    pub(crate) fn upstream(mut body: UpstreamBody, completion: Completion) -> Self {
        if body.incoming.is_end_stream() {
            body.give_back();
        }
        Self {
            source: Source::Upstream(body),
            completion,
            recorder: None,
        }
    }

    /// Has the body kept, whole or not at all, while it passes through.
    pub(super) fn recorded(mut self, recorder: Option<Box<Recorder>>) -> Self {
        self.recorder = recorder;
        self.record(None);
        self
    }

    /// Keeps a part of the body, and looks whether it was the last one.
    fn record(&mut self, frame: Option<&Frame<Bytes>>) {
        let Some(recorder) = &mut self.recorder else {
            return;
        };
        let goes_on = match frame {
            None => true,
            // Trailers are not kept, so neither is what has some.
            Some(frame) => frame.data_ref().is_some_and(|data| recorder.push(data)),
        };
        if !goes_on {
            self.recorder = None;
        } else if self.is_end_stream() {
            self.finish_record();
        }
    }

    fn finish_record(&mut self) {
        if let Some(recorder) = self.recorder.take() {
            recorder.finish();
        }
    }
}

impl UpstreamBody {
    /// The next part; the connection goes back with the last one.
    pub(super) fn poll(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = poll_incoming(&mut self.incoming, context);
        // A body of known length is not polled again after its last byte.
        if matches!(polled, Poll::Ready(None)) || self.incoming.is_end_stream() {
            self.give_back();
        }
        polled
    }

    /// Returns the connection for the next request.
    fn give_back(&mut self) {
        let Some(mut sender) = self.sender.take() else {
            return;
        };
        let (endpoint, idle_timeout) = (self.endpoint, self.idle_timeout);
        // Who waits for the place finds the connection in the pool.
        let lease = self.lease.take();
        if !self.may_upload || sender.is_ready() {
            return self.pool.put(endpoint, sender, Instant::now() + idle_timeout);
        }
        // Nobody else is to wait for the end of this upload.
        let pool = Rc::clone(&self.pool);
        tokio::task::spawn_local(async move {
            if sender.ready().await.is_ok() {
                pool.put(endpoint, sender, Instant::now() + idle_timeout);
            }
            drop(lease);
        });
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let polled = match &mut this.source {
            Source::Own(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Source::Upstream(body) => body.poll(context),
        };
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                this.completion.sent(frame.data_ref().map_or(0, Bytes::len));
                this.record(Some(frame));
            }
            Poll::Ready(Some(Err(_))) => {
                this.completion.broke_off();
                this.recorder = None;
            }
            Poll::Ready(None) => this.finish_record(),
            Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Own(bytes) => bytes.is_none(),
            Source::Upstream(body) => body.incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Own(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Source::Upstream(body) => body.incoming.size_hint(),
        }
    }
}
