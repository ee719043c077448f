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
