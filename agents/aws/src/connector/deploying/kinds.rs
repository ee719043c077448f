//! An API that becomes one of the other kind: the new one is made and served beside the old one, which goes last.
//!
//! An attempt may end anywhere in between, and the control plane knows of the old one until it is through. So the next
//! attempt looks for what an earlier one made, and goes on with that.

use gatehouse_connector_sdk::error::Result;

use super::Deploying;
use crate::{
    connector::{
        looking::{self, Held},
        removing::Removal,
    },
    translate::Kind,
};

impl Deploying<'_> {
    /// What there is of the kind that is wanted, and what there is of the other kind, from what is held.
    pub(super) async fn of_each_kind(&self, held: Option<Held>) -> Result<(Option<Held>, Option<Held>)> {
        let kind = self.wanted.kind;
        match held {
            Some(held) if held.api.id.kind != kind => Ok((self.marked(kind).await?, Some(held))),
            held => Ok((held, self.begun_of_the_other_kind().await?)),
        }
    }

    /// What an earlier attempt made of the other kind, before it was wanted no more.
    async fn begun_of_the_other_kind(&self) -> Result<Option<Held>> {
        let other = self.wanted.kind.other();
        match self.was_begun && looking::kinds(self.account).contains(&other) {
            true => self.marked(other).await,
            false => Ok(None),
        }
    }

    async fn marked(&self, kind: Kind) -> Result<Option<Held>> {
        looking::oldest(kind, self.account, self.mark()).await
    }

    /// Removes what an earlier attempt made of the other kind of an API that is as it is desired.
    pub(super) async fn clean_up_the_other_kind(&self) -> Result<()> {
        match self.begun_of_the_other_kind().await? {
            Some(other) => self.remove_other(other).await,
            None => Ok(()),
        }
    }

    /// Removes what the API was of the other kind, now that its successor serves.
    pub(super) async fn remove_other(&self, other: Held) -> Result<()> {
        let removal = Removal {
            account: self.account,
            mark: self.mark(),
            object: self.object,
            was_begun: self.was_begun,
        };
        removal.carry_out_one(other).await
    }
}
