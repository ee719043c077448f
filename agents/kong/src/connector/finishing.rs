//! One deploy to a Kong that holds all of it already: what earlier attempts left goes, and another revision that differs
//! in nothing gets its mark.

use std::collections::BTreeSet;

use gatehouse_connector_sdk::error::Result;

use super::{declaring, deploying::Deploying, issuers, probing, removing::Removal};
use crate::{
    entities::{Collection, Entity},
    holding::Holding,
    record::Record,
    translate::{Form, IssuerKeys, tags},
};

impl Deploying<'_> {
    /// Whether that is all there is to do; it is done then.
    pub(super) async fn finish(self, holding: &Holding, keys: &IssuerKeys) -> Result<bool> {
        let desired = &self.request.desired;
        let Some(current) = holding.current() else {
            return Ok(false);
        };
        let record = current.record;
        let has_keys = issuers::are_there(keys, &record.form);
        if !current.is_intact || !has_keys || record.fingerprint != desired.fingerprint {
            return Ok(false);
        }
        if !self.node.has_database && record.mark != desired.mark {
            return Ok(false);
        }
        self.wait_until_served(&record.form).await?;
        match self.node.has_database {
            true => self.finish_steps(record, holding).await?,
            false => self.unload_leftovers(&record.form, holding).await?,
        }
        Ok(true)
    }

    /// An attempt may have ended before the proxy served what it made, and nothing else of the API goes before that.
    async fn wait_until_served(self, form: &Form) -> Result<()> {
        match form.services().next().filter(|_| form.is_probed()) {
            Some(main) => probing::served(self.http, self.context, self.settings, main).await,
            None => Ok(()),
        }
    }

    /// The last steps of a deploy, for which it does not matter how far an earlier attempt came.
    async fn finish_steps(self, record: Record, holding: &Holding) -> Result<()> {
        let removal = Removal {
            client: self.client,
            context: self.context,
            mark: &self.request.desired.mark,
            holding,
            begun: &record.form,
        };
        removal.all_but(&record.form).await?;
        self.wait_until_forgotten(&record.form, holding).await?;
        self.name_anew(&record, holding).await?;
        match record.mark == self.request.desired.mark {
            true => Ok(()),
            false => self.mark_anew(record).await,
        }
    }

    async fn unload_leftovers(self, form: &Form, holding: &Holding) -> Result<()> {
        let mark = &self.request.desired.mark;
        let kept: BTreeSet<&str> = form.parts.iter().map(|part| part.id.as_str()).collect();
        let [_, _, own] = tags(mark);
        let services = holding.all(Collection::Services);
        let groups = holding.all(Collection::Acls).filter(|group| group.has_tag(&own));
        match services.chain(groups).all(|entity| kept.contains(entity.id())) {
            true => Ok(()),
            false => declaring::withdraw(self.client, mark, &kept).await,
        }
    }

    /// Ends when the proxy has forgotten every generation that was held but the one of a form.
    pub(super) async fn wait_until_forgotten(self, form: &Form, holding: &Holding) -> Result<()> {
        let kept: BTreeSet<&str> = form.services().collect();
        let gone = holding
            .all(Collection::Services)
            .map(Entity::id)
            .filter(|id| !kept.contains(id));
        probing::forgotten(self.http, self.context, self.settings, gone).await
    }
}
