//! Removes what is ours, and nothing else.

use std::collections::BTreeSet;

use gatehouse_connector_sdk::{context::Context, error::Result, schemas::desired::Mark};

use crate::{
    client::Client,
    entities::{Collection, Entity},
    holding::Holding,
    record::is_record,
    translate::{Form, tags},
};

/// Whose leftovers are removed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Removal<'a> {
    pub(super) client: &'a Client,
    pub(super) context: &'a Context,
    pub(super) mark: &'a Mark,
    pub(super) holding: &'a Holding,
    /// What an attempt may have begun to make.
    pub(super) begun: &'a Form,
}

impl Removal<'_> {
    /// Removes everything that was held of the API, but what a form is made of. Services go last, since Kong keeps one
    /// that has routes; its plugins go with it.
    pub(super) async fn all_but(self, kept: &Form) -> Result<()> {
        let kept: BTreeSet<&str> = kept.parts.iter().map(|part| part.id.as_str()).collect();
        for service in self.holding.all(Collection::Services) {
            self.service(service, &kept).await?;
        }
        self.callers(&kept).await
    }

    async fn service(self, service: &Entity, kept: &BTreeSet<&str>) -> Result<()> {
        let stays = kept.contains(service.id());
        for (collection, entity) in self.holding.below_service(service.id()) {
            let goes = match collection {
                Collection::Routes => !kept.contains(entity.id()),
                // With its owner, unless that stays.
                _ => stays && !kept.contains(entity.id()) && !is_record(entity),
            };
            if goes {
                self.client.delete(collection, entity).await?;
            }
        }
        match stays {
            true => Ok(()),
            false => self.client.delete(Collection::Services, service).await,
        }
    }

    /// Memberships of the API that are not used any more, and consumers that are in no group then.
    async fn callers(self, kept: &BTreeSet<&str>) -> Result<()> {
        let recorded = self.context.journal.recorded();
        let mut orphans: BTreeSet<&str> = recorded
            .iter()
            .filter_map(|step| step.object.as_deref())
            .chain(self.begun.parts.iter().map(|part| part.id.as_str()))
            .collect();
        let [_, _, own] = tags(self.mark);
        let unused = |membership: &&Entity| membership.has_tag(&own) && !kept.contains(membership.id());
        for membership in self.holding.all(Collection::Acls).filter(unused) {
            self.client.delete(Collection::Acls, membership).await?;
            orphans.extend(membership.owner("consumer"));
        }
        for consumer in self.holding.all(Collection::Consumers) {
            if orphans.contains(consumer.id()) && !kept.contains(consumer.id()) {
                self.consumer(consumer).await?;
            }
        }
        Ok(())
    }

    /// Other APIs of the environment may let the same consumer in, and may have begun to just now.
    async fn consumer(self, consumer: &Entity) -> Result<()> {
        let memberships = self
            .client
            .list_below(Collection::Consumers, consumer.id(), "acls")
            .await?;
        match memberships.is_empty() {
            true => self.client.delete(Collection::Consumers, consumer).await,
            false => Ok(()),
        }
    }
}
