//! Waiting for a condition, never for a duration.

use std::{
    fmt::Display,
    time::{Duration, Instant},
};

/// How long anything may take before a test gives up. Generous: a loaded machine is not a failure.
pub const PATIENCE: Duration = Duration::from_secs(45);

/// Asks again and again until there is an answer; gives up after [`PATIENCE`] with the last reason.
pub async fn until<T, E, F>(what: &str, mut ask: impl FnMut() -> F) -> T
where
    F: Future<Output = Result<T, E>>,
    E: Display,
{
    let began = Instant::now();
    loop {
        match ask().await {
            Ok(answer) => return answer,
            Err(reason) if began.elapsed() > PATIENCE => {
                panic!("gave up waiting until {what}: {reason}")
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
}

/// Asks again and again until it is so.
pub async fn until_true<F>(what: &str, mut ask: impl FnMut() -> F)
where
    F: Future<Output = bool>,
{
    until(what, || {
        let answer = ask();
        async move { if answer.await { Ok(()) } else { Err("not yet") } }
    })
    .await;
}
