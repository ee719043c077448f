//! How long one side of a stream is waited for.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep};

/// A timer that runs while there is something to wait for. It is made when it is first needed, which for most
/// connections is never, and kept from then on.
#[derive(Debug, Default)]
pub(crate) struct Patience {
    /// For ever, if it is not given.
    timeout: Option<Duration>,
    timer: Option<Pin<Box<Sleep>>>,
    waiting: bool,
}

impl Patience {
    pub(crate) fn new(timeout: Duration) -> Self {
        Self {
            timeout: Some(timeout),
            ..Self::default()
        }
    }

    /// Waits from now on, for so long.
    pub(crate) fn begin(&mut self, timeout: Duration) {
        self.timeout = Some(timeout);
        self.waiting = false;
    }

    /// There is nothing to wait for now.
    pub(crate) fn rest(&mut self) {
        self.waiting = false;
    }

    /// Pending, until there has been nothing but waiting for too long.
    pub(crate) fn wait<T>(&mut self, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        let Some(timeout) = self.timeout else {
            return Poll::Pending;
        };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(timeout)));
        if !self.waiting {
            timer.as_mut().reset(Instant::now() + timeout);
            self.waiting = true;
        }
        timer
            .as_mut()
            .poll(context)
            .map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}
