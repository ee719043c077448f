//! Hints: what gateways tell of changes, so that they are looked at in seconds and not at the next scheduled time.
//!
//! One task for each lease listens, and one looks. Nothing of a hint is believed: of what this agent holds, it tells
//! what it sees, as it does when it is asked to look; for anything else it asks the control plane for a discovery,
//! which decides.

mod following;
mod heard;
mod hearing;

use std::sync::Arc;

use gatehouse_schemas::identity::EnvironmentId;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{Instrument as _, info_span};

pub(super) use self::following::Following;
use self::heard::Heard;
use super::environments::Lease;

/// The environments that are listened to. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Listening {
    following: Arc<Following>,
    tasks: TaskTracker,
    stopping: CancellationToken,
}

impl Listening {
    pub(super) fn new(following: Following) -> Self {
        Self {
            following: Arc::new(following),
            tasks: TaskTracker::new(),
            stopping: CancellationToken::new(),
        }
    }

    /// Listens in an environment, until the present lease ends or it turns out that nothing tells of changes there.
    pub(super) fn begin(&self, environment: EnvironmentId) {
        let following = self.following.clone();
        if !following.connector.descriptor().capabilities.hints || self.stopping.is_cancelled() {
            return;
        }
        let Some(lease) = following.environments.lease(environment) else {
            return;
        };
        let span = info_span!("hints", environment.name = %lease.assignment.name);
        let stopping = self.stopping.clone();
        let listen = async move {
            let both = lease
                .ended
                .run_until_cancelled(Box::pin(listen(&following, &lease)));
            stopping.run_until_cancelled(both).await;
        };
        self.tasks.spawn(listen.instrument(span));
    }

    /// Ends at once: a hint that is lost does no harm.
    pub(super) async fn stop(&self) {
        self.stopping.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

async fn listen(following: &Following, lease: &Lease) {
    let heard = Heard::default();
    tokio::select! {
        () = hearing::hear(following, lease, &heard) => {}
        () = following.follow(lease, &heard) => {}
    }
}
