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
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::{
    cached::Recorder,
    completion::{AccessEntry, Completion},
    replay::Player,
};
use crate::{
    guard::{
        patience::Patience,
        progress::{self, Progress},
    },
    telemetry::Recording,
    upstream::{
        line::{Broken, Received},
        load::Lease,
        multiplexed::Stream,
        pool::Pool,
    },
};

/// Why a body ended early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("the body broke off")]
    Broken(#[source] Broken),
    #[error("the request body is larger than allowed")]
    TooLarge,
    #[error("nothing of the body came for too long")]
    TooSlow,
    #[error("the body is being sent once more")]
    Superseded,
}

/// Why the gateway itself cut a request's body off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// It is larger than this, in bytes.
    TooLarge(u64),
    /// Nothing of it came for so long.
    TooSlow(Duration),
}

/// Is told when a body is cut off.
pub(crate) type CutFlag = Rc<Cell<Option<Cut>>>;

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
        /// Is told when the body goes beyond it.
        cut: CutFlag,
    },
    /// A body that is cut off when it stands still.
    Patient(Box<Patient>),
}

/// A body on a connection that goes on when the body stands still.
#[derive(Debug)]
pub(crate) struct Patient {
    body: RequestBody,
    time: Duration,
    patience: Patience,
    cut: CutFlag,
}

impl Patient {
    /// A body of which a part must come within each such time.
    pub(crate) fn new(body: RequestBody, time: Duration, cut: CutFlag) -> Self {
        Self {
            body,
            time,
            patience: Patience::new(time),
            cut,
        }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if polled.is_ready() {
            self.patience.rest();
            return polled;
        }
        self.patience.wait(context).map(|_: std::io::Result<()>| {
            self.cut.set(Some(Cut::TooSlow(self.time)));
            Some(Err(BodyError::TooSlow))
        })
    }
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
            Self::Patient(patient) => patient.poll(context),
            Self::Limited {
                incoming,
                max,
                left,
                cut,
            } => {
                let polled = poll_incoming(incoming, context);
                if let Poll::Ready(Some(Ok(frame))) = &polled {
                    let length = frame.data_ref().map_or(0, |data| data.len() as u64);
                    let Some(rest) = left.checked_sub(length) else {
                        cut.set(Some(Cut::TooLarge(*max)));
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
            Self::Patient(patient) => patient.body.is_end_stream(),
            Self::Streaming(incoming) | Self::Limited { incoming, .. } => incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Played(player) => player.size_hint(),
            Self::Patient(patient) => patient.body.size_hint(),
            Self::Streaming(incoming) | Self::Limited { incoming, .. } => incoming.size_hint(),
        }
    }
}

fn poll_incoming(
    incoming: &mut (impl Body<Data = Bytes, Error: Into<Broken>> + Unpin),
    context: &mut Context<'_>,
) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
    Pin::new(incoming)
        .poll_frame(context)
        .map(|frame| frame.map(|result| result.map_err(|error| BodyError::Broken(error.into()))))
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
    pub(crate) incoming: Received,
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
    pub(crate) fn own(bytes: Bytes, mut completion: Completion) -> Self {
        if bytes.is_empty() {
            completion.ended();
        }
        Self {
            source: Source::Own((!bytes.is_empty()).then_some(bytes)),
            completion,
            recorder: None,
        }
    }

    /// The upstream's body.
    pub(crate) fn upstream(mut body: UpstreamBody, mut completion: Completion) -> Self {
        if body.incoming.is_end_stream() {
            completion.ended();
            body.give_back();
        }
        Self {
            source: Source::Upstream(body),
            completion,
            recorder: None,
        }
    }

    /// Another answer takes the place of this one; gives back what is to be logged and traced of the request.
    pub(super) fn discard(self) -> (Option<Box<AccessEntry>>, Option<Recording>) {
        self.completion.discard()
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
        let Some(mut line) = self.incoming.take_line() else {
            return;
        };
        let (endpoint, idle_timeout) = (self.endpoint, self.idle_timeout);
        // Who waits for the place finds the connection in the pool.
        let lease = self.lease.take();
        if !self.may_upload || line.is_ready() {
            return self.pool.put(endpoint, line, Instant::now() + idle_timeout);
        }
        // Nobody else is to wait for the end of this upload.
        let pool = Rc::clone(&self.pool);
        tokio::task::spawn_local(async move {
            if line.ready().await.is_ok() {
                pool.put(endpoint, line, Instant::now() + idle_timeout);
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
                match frame.trailers_ref() {
                    Some(trailers) => this.completion.trailers(trailers),
                    None => {
                        let length = frame.data_ref().map_or(0, Bytes::len);
                        progress::tell(Progress::Given(length));
                        this.completion.sent(length);
                    }
                }
                this.record(Some(frame));
                // Then nobody asks for more.
                if this.is_end_stream() {
                    this.completion.ended();
                }
            }
            Poll::Ready(Some(Err(_))) => {
                this.recorder = None;
                this.completion.broke_off();
            }
            Poll::Ready(None) => {
                this.completion.ended();
                this.finish_record();
            }
            Poll::Pending => progress::tell(Progress::Owed),
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
