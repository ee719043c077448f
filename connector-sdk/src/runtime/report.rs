//! Reports that arrive: sent again until the control plane has answered.

use std::future::Future;

use gatehouse_control_plane_api::problem::ProblemKind;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::connection::{Connection, ConnectionError};
use crate::{backoff::Backoff, error::chain};

/// What became of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Delivery {
    /// The control plane has it.
    Acknowledged,
    /// The control plane is further: a newer generation or lease.
    Stale,
    /// It cannot be taken: its object is gone, or it is refused. Sending it again does not help.
    Refused,
    /// There was no time to deliver it.
    Stopped,
}

/// What became of a question.
#[derive(Debug)]
pub(super) enum Answer<T> {
    /// This.
    Given(T),
    /// There is none; the reason is never [`Delivery::Acknowledged`].
    None(Delivery),
}

/// Sends until there is a final answer or `stop` is cancelled. Receiving a report twice must do no harm,
/// since the answer to the first may be lost.
pub(super) async fn deliver<F>(
    connection: &Connection,
    backoff: Backoff,
    stop: &CancellationToken,
    what: &str,
    send: impl Fn() -> F,
) -> Delivery
where
    F: Future<Output = Result<(), ConnectionError>>,
{
    match ask(connection, backoff, stop, what, send).await {
        Answer::Given(()) => Delivery::Acknowledged,
        Answer::None(delivery) => delivery,
    }
}

/// Asks until there is a final answer or `stop` is cancelled.
pub(super) async fn ask<T, F>(
    connection: &Connection,
    backoff: Backoff,
    stop: &CancellationToken,
    what: &str,
    send: impl Fn() -> F,
) -> Answer<T>
where
    F: Future<Output = Result<T, ConnectionError>>,
{
    let mut failures = 0;
    loop {
        let Some(result) = stop.run_until_cancelled(send()).await else {
            return Answer::None(Delivery::Stopped);
        };
        let error = match result {
            Ok(answer) => return Answer::Given(answer),
            Err(error) => error,
        };
        if let Some(delivery) = verdict(&error, what) {
            return Answer::None(delivery);
        }
        failures += 1;
        let pause = backoff.pause(failures);
        debug!(error = %chain(error.api()), "The report of {what} did not reach {}; sending it again in {pause:?}", connection.base());
        stop.run_until_cancelled(tokio::time::sleep(pause)).await;
    }
}

/// What a failure means for the report; none if it is to be sent again.
fn verdict(error: &ConnectionError, what: &str) -> Option<Delivery> {
    match error {
        ConnectionError::Api(api) if api.is_temporary() || api.status() == Some(401) => None,
        // The session ends for the same reason and stops this one.
        ConnectionError::Revoked(_) => None,
        ConnectionError::Api(api) if api.is(ProblemKind::Stale) => {
            debug!("The report of {what} is out of date: {api}");
            Some(Delivery::Stale)
        }
        ConnectionError::Api(api) if api.is(ProblemKind::NotFound) => {
            debug!("The object of the report of {what} is gone: {api}");
            Some(Delivery::Refused)
        }
        ConnectionError::Api(api) => {
            warn!(error = %chain(api), "The control plane refuses the report of {what}");
            Some(Delivery::Refused)
        }
    }
}
