//! A connection to an upstream that carries one request at a time.
//!
//! A request without a body and its answer take turns, so whoever waits for the answer drives the connection itself: no
//! other task has to be woken and to wake back. A request with a body, and one that may switch protocols, goes both ways
//! at once. For these the connection gets a task, which it keeps.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll, Wake, Waker},
};

use bytes::Bytes;
use http::{Request, Response};
use hyper::{
    body::{Body, Frame, Incoming, SizeHint},
    client::conn::{
        TrySendError,
        http1::{self, Connection, SendRequest},
    },
};
use hyper_util::rt::TokioIo;
use tracing::debug;

use super::connect::Stream;
use crate::proxy::body::RequestBody;

/// A connection and the one who may use it.
#[derive(Debug)]
pub(crate) struct Line {
    sender: SendRequest<RequestBody>,
    /// None if a task drives it, or when it has ended.
    driven: Option<Driven>,
}

/// A connection that is driven by whoever uses it.
#[derive(Debug)]
struct Driven {
    connection: Box<Connection<TokioIo<Stream>, RequestBody>>,
    user: Arc<User>,
    /// Wakes the user; the connection keeps it however often the user changes.
    waker: Waker,
}

/// Who uses a connection at the moment.
#[derive(Debug)]
struct User {
    task: Mutex<Waker>,
    /// It looks at the connection right now, and has not to be woken to do so.
    looking: AtomicBool,
    /// It would have been woken meanwhile.
    woken: AtomicBool,
}

impl Wake for User {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.looking.load(Relaxed) {
            self.woken.store(true, Relaxed);
        } else {
            self.task
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .wake_by_ref();
        }
    }
}

impl User {
    /// From now on this task uses the connection, and looks at it.
    fn look(&self, task: &Waker) {
        let mut known = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        known.clone_from(task);
        self.looking.store(true, Relaxed);
    }

    /// Whether something has happened meanwhile that it should look at again.
    fn look_away(&self) -> bool {
        self.looking.store(false, Relaxed);
        self.woken.load(Relaxed)
    }
}

impl Driven {
    fn new(connection: Connection<TokioIo<Stream>, RequestBody>) -> Self {
        let user = Arc::new(User {
            task: Mutex::new(Waker::noop().clone()),
            looking: AtomicBool::new(false),
            woken: AtomicBool::new(false),
        });
        Self {
            connection: Box::new(connection),
            waker: Waker::from(Arc::clone(&user)),
            user,
        }
    }
}

impl Line {
    /// Speaks HTTP/1.1 over a new connection.
    pub(crate) async fn over(stream: Stream) -> hyper::Result<Self> {
        let (sender, connection) = http1::Builder::new().handshake(TokioIo::new(stream)).await?;
        Ok(Self {
            sender,
            driven: Some(Driven::new(connection)),
        })
    }

    /// Lets go on what this connection carries while nobody looks.
    pub(crate) fn in_background(&mut self) {
        let Some(driven) = self.driven.take() else {
            return;
        };
        tokio::task::spawn_local(async move {
            if let Err(error) = driven.connection.with_upgrades().await {
                debug!(error = %error, "An upstream connection ended with an error");
            }
        });
    }

    /// Whether it is known to have ended. Whether it has is found out by looking.
    pub(crate) fn has_ended(&self) -> bool {
        self.sender.is_closed()
    }

    /// Whether the upstream has not closed it, as far as is known without waiting.
    pub(crate) fn is_open(&mut self) -> bool {
        let _: Poll<()> = self.look(&mut Context::from_waker(Waker::noop()), |_, _| Poll::Pending);
        !self.sender.is_closed()
    }

    /// Whether it has done with the request before.
    pub(crate) fn is_ready(&self) -> bool {
        self.sender.is_ready()
    }

    /// Waits until it has done with the request before.
    pub(crate) async fn ready(&mut self) -> hyper::Result<()> {
        poll_fn(|context| self.look(context, |sender, context| sender.poll_ready(context))).await
    }

    /// Sends a request and waits for the head of its answer.
    pub(crate) async fn send(
        &mut self,
        request: Request<RequestBody>,
    ) -> Result<Response<Incoming>, TrySendError<Request<RequestBody>>> {
        let mut answer = pin!(self.sender.try_send_request(request));
        poll_fn(|context| self.look(context, |_, context| answer.as_mut().poll(context))).await
    }

    fn poll_frame(
        &mut self,
        incoming: &mut Incoming,
        context: &mut Context<'_>,
    ) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        self.look(context, |_, context| Pin::new(&mut *incoming).poll_frame(context))
    }

    /// Polls what changes only when this connection is driven, and drives it as long as that is pending.
    fn look<T>(
        &mut self,
        context: &mut Context<'_>,
        mut poll: impl FnMut(&mut SendRequest<RequestBody>, &mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        let Some(driven) = &mut self.driven else {
            return poll(&mut self.sender, context);
        };
        let Driven {
            connection,
            user,
            waker,
        } = driven;
        let mut own = Context::from_waker(waker);
        user.look(context.waker());
        // This may tell the connection what is wanted of it.
        let polled = poll(&mut self.sender, &mut own);
        if polled.is_ready() {
            user.look_away();
            return polled;
        }
        user.woken.store(false, Relaxed);
        if let Poll::Ready(ended) = Pin::new(&mut **connection).poll(&mut own) {
            if let Err(error) = ended {
                debug!(error = %error, "An upstream connection ended with an error");
            }
            // Only when it is gone, everybody knows.
            self.driven = None;
            return poll(&mut self.sender, context);
        }
        let polled = poll(&mut self.sender, &mut own);
        if user.look_away() && polled.is_pending() {
            context.waker().wake_by_ref();
        }
        polled
    }
}

/// A body as it comes in from an upstream.
#[derive(Debug)]
pub(crate) struct Received {
    incoming: Incoming,
    /// What it comes over; none where others use the connection, too.
    line: Option<Line>,
}

impl Received {
    /// What comes over this connection.
    pub(crate) fn over(line: Line, incoming: Incoming) -> Self {
        Self {
            incoming,
            line: Some(line),
        }
    }

    /// What comes over a connection that others use, too.
    pub(crate) fn shared(incoming: Incoming) -> Self {
        Self { incoming, line: None }
    }

    /// The connection, which is of no use for anything else before the end of the body.
    pub(crate) fn take_line(&mut self) -> Option<Line> {
        self.line.take()
    }
}

impl Body for Received {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        let Self { incoming, line } = self.get_mut();
        match line {
            Some(line) => line.poll_frame(incoming, context),
            None => Pin::new(incoming).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
