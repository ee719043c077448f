//! A connection to an upstream that carries one request at a time.
//!
//! A request without a body and its answer take turns, so whoever waits for the answer drives the connection itself: no
//! other task has to be woken and to wake back. A request with a body, and one that may switch protocols, goes both ways
//! at once. For these the connection gets a task, which it keeps.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use hyper::{
    body::{Body, Frame, Incoming, SizeHint},
    client::conn::http1::{self, SendRequest},
};
use hyper_util::rt::TokioIo;
use tracing::debug;

use super::{
    connect::Stream,
    http1::{
        Fault,
        connection::{Answering, Connection},
    },
};
use crate::proxy::body::RequestBody;

/// A connection and how it is driven.
#[derive(Debug)]
pub(crate) enum Line {
    /// By whoever uses it.
    ByUser(Connection),
    /// By a task.
    ByTask(SendRequest<RequestBody>),
}

/// What became of a connection in the middle of an exchange.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Broken {
    #[error(transparent)]
    Http1(#[from] Fault),
    #[error(transparent)]
    Hyper(#[from] hyper::Error),
}

impl Broken {
    /// Whether the body that was to be sent is to blame.
    pub(crate) fn is_of_request(&self) -> bool {
        matches!(self, Self::Hyper(error) if error.is_user())
    }
}

impl Line {
    /// Speaks HTTP/1.1 over a new connection.
    pub(crate) fn over(stream: Stream) -> Self {
        Self::ByUser(Connection::new(stream))
    }

    /// The one who sends requests that go both ways.
    pub(crate) async fn both_ways(self) -> hyper::Result<SendRequest<RequestBody>> {
        let connection = match self {
            Self::ByTask(sender) => return Ok(sender),
            Self::ByUser(connection) => connection,
        };
        let stream = TokioIo::new(connection.into_stream());
        let (sender, connection) = http1::Builder::new().handshake(stream).await?;
        tokio::task::spawn_local(async move {
            if let Err(error) = connection.with_upgrades().await {
                debug!(error = %error, "An upstream connection ended with an error");
            }
        });
        Ok(sender)
    }

    /// Whether it is known to have ended. Whether it has is found out by looking.
    pub(crate) fn has_ended(&self) -> bool {
        match self {
            Self::ByUser(_) => false,
            Self::ByTask(sender) => sender.is_closed(),
        }
    }

    /// Whether the upstream has not closed it, as far as is known without waiting.
    pub(crate) fn is_open(&mut self) -> bool {
        match self {
            Self::ByUser(connection) => connection.is_open(),
            Self::ByTask(sender) => !sender.is_closed(),
        }
    }

    /// Whether it has done with the request before.
    pub(crate) fn is_ready(&self) -> bool {
        match self {
            Self::ByUser(_) => true,
            Self::ByTask(sender) => sender.is_ready(),
        }
    }

    /// Waits until it has done with the request before.
    pub(crate) async fn ready(&mut self) -> hyper::Result<()> {
        match self {
            Self::ByUser(_) => Ok(()),
            Self::ByTask(sender) => sender.ready().await,
        }
    }
}

/// A body as it comes in from an upstream.
#[derive(Debug)]
pub(crate) enum Received {
    /// Over a connection that nobody else drives.
    ByUser(Answering),
    /// Over a connection that a task drives.
    ByTask {
        incoming: Incoming,
        /// None where others use the connection, too.
        sender: Option<SendRequest<RequestBody>>,
    },
}

impl Received {
    /// The connection, which is of no use for anything else before the end of the body. None if it cannot be used again.
    pub(crate) fn take_line(&mut self) -> Option<Line> {
        match self {
            Self::ByUser(answering) => answering.take_connection().map(Line::ByUser),
            Self::ByTask { sender, .. } => sender.take().map(Line::ByTask),
        }
    }
}

impl Body for Received {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match self.get_mut() {
            Self::ByUser(answering) => map(Pin::new(answering).poll_frame(context)),
            Self::ByTask { incoming, .. } => map(Pin::new(incoming).poll_frame(context)),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::ByUser(answering) => answering.is_end_stream(),
            Self::ByTask { incoming, .. } => incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::ByUser(answering) => answering.size_hint(),
            Self::ByTask { incoming, .. } => incoming.size_hint(),
        }
    }
}

fn map<E>(polled: Poll<Option<Result<Frame<Bytes>, E>>>) -> Poll<Option<Result<Frame<Bytes>, Broken>>>
where
    Broken: From<E>,
{
    polled.map(|frame| frame.map(|result| result.map_err(Broken::from)))
}
