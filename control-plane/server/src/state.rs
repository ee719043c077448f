//! What every handler can reach.

use std::{
    ops::Deref,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use gatehouse_control_plane_store::{EncryptionKey, Store, StoreError};
use gatehouse_schemas::time::Timestamp;
use secrecy::SecretSlice;
use tokio_util::sync::CancellationToken;

use crate::{agent_api::ReportsTogether, metrics::Metrics};

/// What every handler can reach; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct AppState(Arc<Shared>);

/// See [`AppState`].
#[derive(Debug)]
pub(crate) struct Shared {
    /// The database.
    pub(crate) store: Store,
    /// How long an agent that says nothing keeps its lease.
    pub(crate) lease: Duration,
    /// Signs agents' tokens (HMAC-SHA256).
    pub(crate) agent_token_key: SecretSlice<u8>,
    /// What the server counts.
    pub(crate) metrics: Arc<Metrics>,
    /// Reports that wait to be recorded together.
    pub(crate) reports: ReportsTogether,
    /// Cancelled when the server shuts down; long polls end then.
    pub(crate) shutdown: CancellationToken,
}

impl AppState {
    /// Opens the database; the key encrypts its secrets and, derived, signs agents' tokens.
    pub(crate) async fn open(
        database_url: &str,
        key: EncryptionKey,
        lease: Duration,
    ) -> Result<Self, StoreError> {
        let agent_token_key = key.derive("gatehouse agent tokens");
        let store = Store::connect(database_url, key).await?;
        Ok(Self(Arc::new(Shared {
            store,
            lease,
            agent_token_key,
            metrics: Metrics::new(),
            reports: ReportsTogether::default(),
            shutdown: CancellationToken::new(),
        })))
    }

    /// The time.
    #[expect(
        clippy::unused_self,
        reason = "the clock belongs to the state, wherever it comes from"
    )]
    pub(crate) fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    /// Agents last heard of after this are online.
    pub(crate) fn online_since(&self) -> Timestamp {
        let lease = i64::try_from(self.lease.as_millis()).unwrap_or(i64::MAX);
        Timestamp(self.now().0.saturating_sub(lease))
    }
}

impl Deref for AppState {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}
