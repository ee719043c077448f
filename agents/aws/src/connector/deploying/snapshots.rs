//! Snapshots of an API: the one to serve is taken or found again, those that are not kept any more are removed.
//!
//! Other people have snapshots of the same API, and stages of theirs may serve ours: what is not ours or is in use stays.

use std::collections::BTreeMap;

use gatehouse_connector_sdk::{
    error::{ErrorKind, Result},
    journal::Steps,
};
use serde_json::Value;
use uuid::Uuid;

use super::{Begun, Deploying};
use crate::{
    apis::{Api, listed},
    record::{Record, Snapshot},
};

/// A definition that was put, told from others by the API's description.
#[derive(Debug)]
struct Put {
    attempt: String,
    /// The description before, and as the definition was put.
    before: Option<String>,
    described: Option<String>,
}

impl Deploying<'_> {
    /// The snapshot to serve: one that was kept, if it was made from an equal document, else a new one.
    pub(super) async fn snapshot(&self, steps: &mut Steps<'_>, begun: &Begun) -> Result<Snapshot> {
        match self.known(begun).await? {
            Some(known) => Ok(known),
            None => self.taken(steps, begun).await,
        }
    }

    /// A snapshot that was made from an equal document. One that is served is there; another one somebody may have removed.
    async fn known(&self, begun: &Begun) -> Result<Option<Snapshot>> {
        // What an API is called, and whether it is reached at its own address, is no part of a snapshot: only a definition
        // says it.
        let is_reached_as_wanted = begun.api.own_address_is_off == self.truststore.is_some();
        let is_as_wanted = is_reached_as_wanted || self.account.settings.domain_name.is_none();
        if !is_as_wanted || begun.api.name != self.wanted.name() {
            return Ok(None);
        }
        let document = self.wanted.document_fingerprint();
        let recorded = begun.former.iter().flat_map(all);
        let fitting: Vec<&Snapshot> = recorded.filter(|it| it.document == document).collect();
        if fitting.is_empty() {
            return Ok(None);
        }
        let served = begun.stage.as_ref().and_then(|stage| stage.deployment.as_ref());
        if let Some(known) = fitting.iter().find(|known| Some(&known.id) == served) {
            return Ok(Some((*known).clone()));
        }
        let there = self.calls().snapshots(&begun.api.id.id).await?;
        let known = fitting.into_iter().find(|known| there.contains_key(&known.id));
        Ok(known.cloned())
    }

    /// Puts the document and takes a snapshot of it.
    async fn taken(&self, steps: &mut Steps<'_>, begun: &Begun) -> Result<Snapshot> {
        let (calls, api) = (self.calls(), &begun.api);
        let (id, object) = (&api.id.id, Some(api.id.external_ref().0));
        let Put {
            attempt,
            before,
            described,
        } = self.put(steps, begun).await?;
        let name = self.snapshot_name();
        let description = format!("take a snapshot of {}", self.object);
        let taken = calls.snapshot(id, &name);
        let taken = steps.take(description, object, taken).await?;
        let now = self.now(begun).await?.and_then(|now| now.description);
        match is_overtaken(before.as_ref(), described.as_ref(), now, &attempt) {
            false => Ok(Snapshot {
                id: taken,
                document: self.wanted.document_fingerprint(),
            }),
            true => {
                calls.remove_snapshot(id, &taken).await?;
                Err(self.overtaken())
            }
        }
    }

    /// The API as it is now. One that was just made is looked for among its rivals: one look tells of both.
    async fn now(&self, begun: &Begun) -> Result<Option<Api>> {
        if begun.made.is_some()
            && let Some(listed) = self.first(&begun.api).await?
        {
            return Ok(Some(listed));
        }
        let one = listed::one(self.account, &begun.api.id, self.object).await?;
        Ok(one.map(|listed| listed.api))
    }

    /// Puts the document, unless the API was just made of it.
    async fn put(&self, steps: &mut Steps<'_>, begun: &Begun) -> Result<Put> {
        let api = &begun.api;
        if let Some(attempt) = begun.made.as_ref().and_then(|made| made.of.as_ref()) {
            return Ok(Put {
                attempt: attempt.clone(),
                before: None,
                described: api.description.clone(),
            });
        }
        let (calls, tags) = (self.calls(), self.all_tags(api, begun.former.as_ref()));
        let attempt = Uuid::new_v4().to_string();
        let written = with_attempt(&self.wanted.document, &attempt);
        let put = calls.put(&api.id.id, &written, &tags);
        let description = format!("put the definition of {}", self.object);
        let object = Some(api.id.external_ref().0);
        Ok(Put {
            described: steps.take(description, object, put).await?,
            before: api.description.clone(),
            attempt,
        })
    }

    /// Our tags and those that others put to the API: the definition of an HTTP API replaces them all. What was given before
    /// and is wanted no more is left out.
    fn all_tags(&self, api: &Api, former: Option<&Record>) -> BTreeMap<String, String> {
        let given = former.map_or(&[][..], |former| &former.beside.tags);
        let others = api.tags.iter();
        let others = others.filter(|(name, _)| !name.starts_with("aws:") && !given.contains(name));
        let others = others.map(|(name, value)| (name.clone(), value.clone()));
        others.chain(self.tags()).collect()
    }

    /// The names of the tags that the API was given: with a snapshot that was there already, no definition was put.
    pub(super) fn recorded_tags(&self, former: Option<&Record>, served: &Snapshot) -> Vec<String> {
        match former.filter(|former| all(former).any(|known| known.id == served.id)) {
            Some(former) => former.beside.tags.clone(),
            None => self.wanted.tags(self.account.wanted_tags()),
        }
    }

    /// What a snapshot is called, for people.
    fn snapshot_name(&self) -> String {
        let mark = self.mark();
        format!("{} revision {} {}", mark.api_name, mark.revision, self.owner())
    }

    /// How the description of a snapshot says that it is of this environment.
    fn owner(&self) -> String {
        format!("[gatehouse {}]", self.mark().environment_id)
    }

    /// Removes snapshots that are not kept any more; and those that attempts made which did not come to their end, where
    /// there may be some.
    pub(super) async fn forget(
        &self,
        steps: &mut Steps<'_>,
        api: &Api,
        former: Option<&Record>,
        record: &Record,
        may_be_others: bool,
    ) -> Result<()> {
        let mut old: Vec<String> = former.into_iter().flat_map(all).map(|it| it.id.clone()).collect();
        if may_be_others {
            let there = self.calls().snapshots(&api.id.id).await?.into_iter();
            let ours = there.filter(|(_, description)| description.contains(&self.owner()));
            old.extend(ours.map(|(id, _)| id));
        }
        old.sort();
        old.dedup();
        old.retain(|id| !all(record).any(|kept| kept.id == *id));
        for snapshot in old {
            self.remove_snapshot(steps, api, &snapshot).await?;
        }
        Ok(())
    }

    /// Removes a snapshot, unless a stage of somebody else serves it.
    async fn remove_snapshot(&self, steps: &mut Steps<'_>, api: &Api, snapshot: &str) -> Result<()> {
        let calls = self.calls();
        let description = format!("remove the snapshot `{snapshot}` of {}", self.object);
        let object = Some(api.id.external_ref().0);
        let removal = async {
            match calls.remove_snapshot(&api.id.id, snapshot).await {
                Err(error) if matches!(error.kind(), ErrorKind::Invalid | ErrorKind::Conflict) => {
                    tracing::warn!(snapshot, "An earlier snapshot of {} stays: {error}", self.object);
                    Ok(())
                }
                removed => removed,
            }
        };
        steps.take(description, object, removal).await
    }
}

/// Whether somebody else put another definition just before the snapshot was taken, by the API's description: before, as the
/// definition was put, and now. A server that does not take it from the definition leaves it as it was, and tells nothing.
fn is_overtaken(before: Option<&String>, put: Option<&String>, now: Option<String>, attempt: &str) -> bool {
    before != put && !now.is_some_and(|now| now.contains(attempt))
}

/// Every snapshot that a record tells of.
fn all(record: &Record) -> impl Iterator<Item = &Snapshot> {
    record.kept.iter().chain([&record.served])
}

/// Which earlier snapshots stay: the newest ones of other documents.
pub(super) fn kept(former: Option<&Record>, served: &Snapshot, most: u32) -> Vec<Snapshot> {
    let Some(former) = former else {
        return Vec::new();
    };
    let earlier = [&former.served].into_iter().chain(&former.kept);
    let others = earlier.filter(|other| other.id != served.id && other.document != served.document);
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    others.take(most).cloned().collect()
}

/// The document with a note of who put it, which comes back as the API's description.
pub(super) fn with_attempt(document: &Value, attempt: &str) -> Value {
    let mut written = document.clone();
    let said = written["info"]["description"].as_str().unwrap_or_default();
    written["info"]["description"] = Value::String(format!("{said} [gatehouse {attempt}]").trim().to_owned());
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_that_somebody_else_left_tells_of_another_definition() {
        let (old, ours, theirs) = ("orders [gatehouse 1]", "orders [gatehouse 2]", "billing");
        for (before, put, now, expected) in [
            (None, Some(ours), Some(ours), false),
            (Some(old), Some(ours), Some(ours), false),
            (Some(old), Some(ours), Some(theirs), true),
            (Some(old), Some(ours), None, true),
            (Some(old), Some(theirs), Some(theirs), true),
            (Some(old), Some(old), Some(old), false),
            (None, None, None, false),
        ] {
            let text = |text: Option<&str>| text.map(str::to_owned);
            let (before, put) = (text(before), text(put));
            let found = is_overtaken(before.as_ref(), put.as_ref(), text(now), "gatehouse 2");
            assert_eq!(found, expected, "{before:?} {put:?} {now:?}");
        }
    }
}
