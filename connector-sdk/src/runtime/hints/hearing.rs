//! Waiting for what a gateway tells. What cannot be asked is asked again after growing pauses, and disturbs nothing else.

use std::time::Instant;

use gatehouse_control_plane_api::agent::Priority;
use tracing::{info, warn};

use super::{following::Following, heard::Heard};
use crate::{
    connector::Hints,
    error::{Error, ErrorKind, Result, Retry},
    runtime::environments::Lease,
};

/// Listens until nothing tells of changes, which only other settings change.
pub(super) async fn hear(following: &Following, lease: &Lease, heard: &Heard) {
    let environment = &lease.assignment.name;
    let mut failures = 0;
    let mut is_heard = false;
    loop {
        let began = Instant::now();
        match wait(following, lease).await {
            Ok(Hints::NotConfigured) => return,
            Ok(Hints::Heard(hints)) => {
                if !is_heard {
                    info!(environment.name = %environment, "Listening for changes in `{environment}`");
                }
                (failures, is_heard) = (0, true);
                let is_idle = hints.is_empty();
                heard.add(hints);
                if is_idle {
                    let rest = following.pace.idle.saturating_sub(began.elapsed());
                    tokio::time::sleep(rest).await;
                }
            }
            Err(error) => {
                failures += 1;
                is_heard = false;
                rest(following, lease, &error, failures).await;
            }
        }
    }
}

async fn wait(following: &Following, lease: &Lease) -> Result<Hints> {
    let context = lease.context(&following.connection, Priority::Background).await?;
    following.connector.hints(&context).await
}

/// The error itself was told where the call was made.
async fn rest(following: &Following, lease: &Lease, error: &Error, failures: u32) {
    if error.kind() == ErrorKind::Unauthorized {
        lease.forget_credentials().await;
    }
    let pause = match error.retry() {
        Retry::After(pause) => pause,
        Retry::Never | Retry::Backoff => following.pace.again.pause(failures),
    };
    let environment = &lease.assignment.name;
    warn!(
        environment.name = %environment,
        "What tells of changes in `{environment}` cannot be asked: {}; changes there are seen at the scheduled looks, and it is asked again in {pause:?}",
        error.message()
    );
    tokio::time::sleep(pause).await;
}
