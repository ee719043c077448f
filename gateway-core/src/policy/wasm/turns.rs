//! How a worker, which is one thread with many requests, is shared with calls that compute for long.

use std::{
    pin::{Pin, pin},
    rc::Rc,
    sync::atomic::{AtomicBool, Ordering},
    task::{Context, Poll, Waker},
};

use tokio::{sync::Semaphore, task::yield_now};

thread_local! {
    /// Who has it computes next, of those calls of this worker that compute for long.
    static NEXT: Rc<Semaphore> = Rc::new(Semaphore::new(1));
}

/// A call that lets everything else of its worker go on whenever its turn is over.
///
/// Most calls end within their first turn. Those that do not come one after the other, and between two turns the worker
/// looks what its connections have: however many such calls there are, everybody else waits for one turn. Calls that are
/// likely to compute for long, since the last one did, are among them from the beginning.
pub(super) async fn in_turns<T>(is_long: &AtomicBool, call: impl Future<Output = T>) -> T {
    let mut call = pin!(call);
    // A call that was thought to be long and ends in its first turn is not.
    let mut shorter = is_long.load(Ordering::Relaxed);
    if !shorter {
        if let Poll::Ready(result) = turn(call.as_mut()) {
            return result;
        }
        is_long.store(true, Ordering::Relaxed);
    }
    let next = NEXT.with(Rc::clone);
    loop {
        // Nobody closes it.
        let _next = next.acquire().await;
        // Who yields like this is last, after a look at the connections.
        yield_now().await;
        if let Poll::Ready(result) = turn(call.as_mut()) {
            if shorter {
                is_long.store(false, Ordering::Relaxed);
            }
            return result;
        }
        shorter = false;
    }
}

/// A module waits for nothing, so that it is only ever not ready because its turn is over, and need not be woken.
fn turn<T>(call: Pin<&mut impl Future<Output = T>>) -> Poll<T> {
    call.poll(&mut Context::from_waker(Waker::noop()))
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, future::poll_fn};

    use futures_util::future::join_all;

    use super::*;

    /// A call that is not ready so many times, and says each time that it computed.
    async fn call(mut more: u32, computed: impl Fn()) {
        poll_fn(|_| {
            computed();
            match more.checked_sub(1) {
                Some(left) => {
                    more = left;
                    Poll::Pending
                }
                None => Poll::Ready(()),
            }
        })
        .await;
    }

    #[tokio::test]
    async fn a_call_is_expected_to_take_as_long_as_the_last_one() {
        let is_long = AtomicBool::new(false);
        for (more, expected) in [
            (0, false),
            (1, true),
            (1, true),
            (0, false),
            (0, false),
            (3, true),
        ] {
            in_turns(&is_long, call(more, || {})).await;
            assert_eq!(is_long.load(Ordering::Relaxed), expected, "{more}");
        }
    }

    #[tokio::test]
    async fn long_calls_come_one_after_the_other() {
        // Once the first one is known to be long, the others are expected to be.
        for (expected_long, turns) in [
            (false, [0, 0, 1, 2, 0, 1, 2, 1, 2]),
            (true, [0, 1, 2, 0, 1, 2, 0, 1, 2]),
        ] {
            let (is_long, computed) = (AtomicBool::new(expected_long), RefCell::new(Vec::new()));
            let calls = (0..3).map(|number| {
                let computed = &computed;
                in_turns(&is_long, call(2, move || computed.borrow_mut().push(number)))
            });
            join_all(calls).await;
            assert_eq!(*computed.borrow(), turns, "{expected_long}");
        }
    }
}
