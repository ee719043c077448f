//! Streams of HTTP/2 that stand still because their caller does not take what it asked for.
//!
//! On HTTP/1.1 the connection itself stands still then, and [`super::Guarded`] sees it. On HTTP/2 the others go on,
//! and nobody asks for the next part of the answer until the caller makes room for this one. So the answer's body
//! says what happened when it was asked last, and the task of the stream looks at that.

use std::{
    cell::Cell,
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
    time::Duration,
};

use super::patience::Patience;

/// For each further part of this size that a caller has been given at once, it has as much time again.
const PART: usize = 64 * 1024;

/// What became of the last question for a part of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Nobody asked.
    Unasked,
    /// There is none yet; the caller is not to blame.
    Owed,
    /// There is one, of so many bytes.
    Given(usize),
}

thread_local! {
    static LAST: Cell<Progress> = const { Cell::new(Progress::Unasked) };
}

/// Says what became of a question for a part of an answer.
pub(crate) fn tell(progress: Progress) {
    LAST.set(progress);
}

/// Runs a stream to its end, or until its caller has taken nothing for so long.
pub(crate) async fn while_taken(stream: impl Future<Output = ()>, timeout: Duration) {
    let mut stream = pin!(stream);
    let mut patience = Patience::default();
    let mut untaken = false;
    poll_fn(|context| {
        tell(Progress::Unasked);
        if stream.as_mut().poll(context).is_ready() {
            return Poll::Ready(());
        }
        match LAST.get() {
            Progress::Unasked => {}
            Progress::Owed => {
                untaken = false;
                patience.rest();
            }
            Progress::Given(bytes) => {
                untaken = true;
                let parts = u32::try_from(bytes / PART).unwrap_or(u32::MAX);
                patience.begin(timeout.saturating_mul(parts.saturating_add(1)));
            }
        }
        match untaken {
            true => patience.wait(context).map(|_: std::io::Result<()>| ()),
            false => Poll::Pending,
        }
    })
    .await;
}
