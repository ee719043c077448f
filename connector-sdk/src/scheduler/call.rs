//! One call of the vendor, with everything the scheduler wants around it.

use crate::{
    error::{ErrorKind, Result, Retry},
    scheduler::Quotas,
};

/// Calls an operation of the vendor when the quotas allow it. A call that was refused for its rate
/// (`RateLimited`; `Retry::After` tells when to come back) is made again in its next turn, until it is taken, fails
/// otherwise, or the work is cancelled.
///
/// # Errors
///
/// Those of the attempt, but `RateLimited`; and `Unavailable` when the work was cancelled while it waited.
///
/// ```
/// # mod acme { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/acme.rs")); }
/// # acme::run(async {
/// use std::{cell::Cell, time::Duration};
///
/// use gatehouse_connector_sdk::{
///     error::{Error, ErrorKind, Retry},
///     scheduler::{NoQuotas, call},
/// };
///
/// let calls = Cell::new(0);
/// let create_route = || async {
///     calls.set(calls.get() + 1);
///     match calls.get() {
///         1 => {
///             let error = Error::new(ErrorKind::RateLimited, "Acme takes no more calls for now");
///             Err(error.with_retry(Retry::After(Duration::from_secs(2))))
///         }
///         _ => Ok("route/42"),
///     }
/// };
/// assert_eq!(call(&NoQuotas, "CreateRoute", create_route).await?, "route/42");
/// assert_eq!(calls.get(), 2);
/// # Ok(())
/// # });
/// ```
pub async fn call<T, F: Future<Output = Result<T>>>(
    quotas: &dyn Quotas,
    operation: &str,
    attempt: impl Fn() -> F,
) -> Result<T> {
    loop {
        quotas.acquire(operation).await?;
        match attempt().await {
            Err(error) if error.kind() == ErrorKind::RateLimited => {
                let retry_after = match error.retry() {
                    Retry::After(pause) => Some(pause),
                    Retry::Never | Retry::Backoff => None,
                };
                quotas.throttled(operation, retry_after);
            }
            result => {
                quotas.succeeded(operation);
                return result;
            }
        }
    }
}
