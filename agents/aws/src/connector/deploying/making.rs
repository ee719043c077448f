//! Making an API where there is none, when others may do so at the same time.

use std::time::Duration;

use gatehouse_connector_sdk::{
    error::{Error, ErrorKind, Result, Retry},
    journal::Steps,
};

use uuid::Uuid;

use super::{Deploying, snapshots::with_attempt};
use crate::{apis::Api, connector::looking, translate::Kind};

/// How often a rival of the same age is looked at, and how long between: it gives way at once, or never.
const LOOKS_AT_RIVALS: u32 = 4;
const PAUSE_BETWEEN_LOOKS: Duration = Duration::from_millis(500);

impl Deploying<'_> {
    /// Makes the API, out of reach; with the name of this attempt where it is made of the definition. When two attempts did so
    /// at once, the older one stays.
    pub(super) async fn create(&self, steps: &mut Steps<'_>) -> Result<(Api, Option<String>)> {
        let (calls, name) = (self.calls(), self.mark().api_name.as_str());
        let (tags, kind) = (self.tags(), self.wanted.kind);
        let attempt = Uuid::new_v4().to_string();
        let written = with_attempt(&self.wanted.document, &attempt);
        let made = steps
            .take(
                format!("create the {} `{name}`", kind.title()),
                None,
                calls.create(&written, &tags),
            )
            .await?;
        match self.comes_first(&made).await? {
            true => Ok((made, (kind == Kind::Http).then_some(attempt))),
            false => {
                calls.remove(&made.id.id).await?;
                Err(self.overtaken())
            }
        }
    }

    /// Whether no other attempt made the API as well, or this one is the older. Where AWS says that both are as old, the one
    /// with the greater identity gives way if it sees the other; if it did not, it goes on, and the other one gives way.
    async fn comes_first(&self, made: &Api) -> Result<bool> {
        for look in 0..LOOKS_AT_RIVALS {
            let marked = looking::marked_in(made.id.kind, self.account, self.mark()).await?;
            let mut others = marked.iter().filter(|other| other.id != made.id);
            let own = (made.created, &made.id.id);
            if others.clone().any(|other| (other.created, &other.id.id) < own) {
                return Ok(false);
            }
            if !others.any(|other| other.created == made.created) {
                return Ok(true);
            }
            if look + 1 < LOOKS_AT_RIVALS {
                tokio::time::sleep(PAUSE_BETWEEN_LOOKS).await;
            }
        }
        Ok(false)
    }

    /// Somebody else works on the same API.
    pub(super) fn overtaken(&self) -> Error {
        Error::new(
            ErrorKind::Conflict,
            format!(
                "somebody else deploys {} to the stage `{}` at the same time; what this attempt made is not served, and it is tried again",
                self.object, self.account.settings.stage
            ),
        )
        .with_retry(Retry::Backoff)
    }
}
