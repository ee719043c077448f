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

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: Duration = Duration::from_secs(60);

    /// Runs a stream whose body is asked once a minute, until it ends or is given up; says when, in minutes.
    async fn minutes(answers: &[Progress]) -> u64 {
        let mut clock = tokio::time::interval(TIME - Duration::from_millis(1));
        let (mut answers, mut asked) = (answers.iter(), 0);
        let began = tokio::time::Instant::now();
        let stream = poll_fn(|context| {
            while clock.poll_tick(context).is_ready() {
                asked += 1;
                match answers.next() {
                    Some(progress) => tell(*progress),
                    None => return Poll::Ready(()),
                }
            }
            Poll::Pending
        });
        while_taken(stream, TIME).await;
        began.elapsed().as_secs().div_ceil(60)
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_is_given_up_when_its_caller_takes_nothing() {
        use Progress::{Given, Owed, Unasked};
        for (answers, expected) in [
            (&[Owed; 9][..], 9),
            (&[Unasked; 9], 9),
            (&[Given(1); 9], 9),
            (&[Given(1), Unasked, Unasked, Unasked], 1),
            (&[Given(1), Owed, Unasked, Unasked], 4),
            (&[Given(2 * PART), Unasked, Unasked, Unasked, Unasked, Unasked], 3),
        ] {
            assert_eq!(minutes(answers).await, expected, "{answers:?}");
        }
    }
}
