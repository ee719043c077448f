//! Stopping when the system asks to.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::info;

/// A token that SIGTERM or SIGINT cancels. Must be called within a Tokio runtime.
///
/// Fails if the system does not let the process listen for signals.
///
/// ```
/// # mod acme { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/acme.rs")); }
/// # acme::run(async {
/// use gatehouse_connector_sdk::runtime::stop_signal;
///
/// let stop = stop_signal()?;
/// assert!(!stop.is_cancelled());
/// // An agent runs until the token is cancelled: `agent.run(options, stop).await`.
/// # Ok(())
/// # });
/// ```
pub fn stop_signal() -> io::Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let token = CancellationToken::new();
    let cancelled = token.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        info!("Stopping");
        cancelled.cancel();
    });
    Ok(token)
}
