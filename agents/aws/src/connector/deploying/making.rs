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

/// How an API was made.
#[derive(Debug)]
pub(super) struct Made {
    /// The attempt whose definition it was made of, if it was made of one.
    pub(super) of: Option<String>,
}

impl Deploying<'_> {
    /// Makes the API, out of reach. Whether another attempt did so at the same time is looked at before it is served.
    pub(super) async fn create(&self, steps: &mut Steps<'_>) -> Result<(Api, Made)> {
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
        let of = (kind == Kind::Http).then_some(attempt);
        Ok((made, Made { of }))
    }

    /// The API that this attempt made, as it is listed now. When two attempts made it at once, the older one stays: this one is
    /// given up if it is the younger.
    pub(super) async fn first(&self, made: &Api) -> Result<Option<Api>> {
        match self.unless_second(made).await? {
            Some(listed) => Ok(listed.into_iter().find(|api| api.id == made.id)),
            None => {
                self.calls().remove(&made.id.id).await?;
                Err(self.overtaken())
            }
        }
    }

    /// Every API with the mark, if no other attempt made one as well, or this one is the older. Where AWS says that both are as
    /// old, the one with the greater identity gives way if it sees the other; if it did not, it goes on, and the other one
    /// gives way.
    async fn unless_second(&self, made: &Api) -> Result<Option<Vec<Api>>> {
        for look in 0..LOOKS_AT_RIVALS {
            let marked = looking::marked_in(made.id.kind, self.account, self.mark()).await?;
            let mut others = marked.iter().filter(|other| other.id != made.id);
            let own = (made.created, &made.id.id);
            if others.clone().any(|other| (other.created, &other.id.id) < own) {
                return Ok(None);
            }
            if !others.any(|other| other.created == made.created) {
                return Ok(Some(marked));
            }
            if look + 1 < LOOKS_AT_RIVALS {
                tokio::time::sleep(PAUSE_BETWEEN_LOOKS).await;
            }
        }
        Ok(None)
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
