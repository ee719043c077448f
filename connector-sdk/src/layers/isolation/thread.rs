//! A thread for one call.
//!
//! Not a thread of the runtime's pool: that one is bounded and also resolves names and reads files, so calls that hang
//! would in the end keep the agent from its control plane, and the process from ending.

use std::{
    any::Any,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
};

use tokio::{runtime::Handle, sync::oneshot};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, instrument::WithSubscriber as _};

use super::register::Place;

/// Linux cuts longer names of threads.
const NAME_BYTES: usize = 15;

/// Why a call has no result.
#[derive(Debug)]
pub(super) enum Lost {
    /// It panicked, with this text.
    Panicked(String),
    /// It was not begun.
    NoThread(io::Error),
}

/// Carries out a call, and frees its place when it has ended or noticed that it was given up.
pub(super) async fn run<T: Send + 'static>(
    environment: &str,
    call: impl Future<Output = T> + Send + 'static,
    place: Place,
    given_up: CancellationToken,
) -> Result<T, Lost> {
    let (tell, told) = oneshot::channel();
    let runtime = Handle::current();
    let call = Box::pin(call.in_current_span().with_current_subscriber());
    let carry_out = move || {
        let call = given_up.run_until_cancelled_owned(call);
        let result = catch_unwind(AssertUnwindSafe(|| runtime.block_on(call)));
        drop(place);
        // Nobody listens any more if it was given up.
        let _ = tell.send(result);
    };
    thread::Builder::new()
        .name(thread_name(environment))
        .spawn(carry_out)
        .map_err(Lost::NoThread)?;
    match told.await {
        Ok(Ok(Some(result))) => Ok(result),
        Ok(Err(panic)) => Err(Lost::Panicked(text_of(panic.as_ref()))),
        // Only whoever waits for it gives it up.
        Ok(Ok(None)) | Err(_) => Err(Lost::Panicked("it ended without a result".to_owned())),
    }
}

/// What people see in lists of threads: the environment.
fn thread_name(environment: &str) -> String {
    environment.chars().take(NAME_BYTES).collect()
}

/// What a panic said.
pub(super) fn text_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("it says nothing that is text").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_says_what_it_said() {
        assert_eq!(text_of(&"a mistake"), "a mistake");
        assert_eq!(text_of(&"another mistake".to_owned()), "another mistake");
        assert_eq!(text_of(&7), "it says nothing that is text");
    }
}
