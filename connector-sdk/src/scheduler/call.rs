//! One call of the vendor, with everything the scheduler wants around it.

use crate::{
    error::{ErrorKind, Result, Retry},
    scheduler::Quotas,
};

/// Calls an operation of the vendor when the quotas allow it. A call that was refused for its rate
/// (`RateLimited`; `Retry::After` tells when to come back) is made again in its next turn, until it is taken, fails
/// otherwise, or the work is cancelled.
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
