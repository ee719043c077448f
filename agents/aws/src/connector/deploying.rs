//! Bringing an API to AWS: everything new is made beside what is served, then the stage is switched to it in one call.
//!
//! The document goes to the API, which stages do not follow; a snapshot of it (AWS calls it a deployment) is served only
//! when the stage is pointed to it. What authenticates callers is part of the snapshot, so the API is never open.

use std::{collections::BTreeMap, time::Duration};

use gatehouse_connector_sdk::{
    connector::DeployRequest,
    error::{Error, ErrorKind, Result, Retry},
    journal::Steps,
    schemas::{desired::Mark, identity::ResourceName},
};
use secrecy::SecretString;
use serde_json::Value;
use uuid::Uuid;

use super::{
    keys::{self, Keys},
    looking::{self, Held},
    removing::Removal,
    wanting::Wanted,
};
use crate::{
    apis::{Api, Calls, Stage, Switch, calls, domains::Domain, plans::Plans},
    client::Account,
    mark,
    record::{Beside, Record, Snapshot},
};

/// How often a rival of the same age is looked at, and how long between: it gives way at once, or never.
const LOOKS_AT_RIVALS: u32 = 4;
const PAUSE_BETWEEN_LOOKS: Duration = Duration::from_millis(500);

/// One attempt to bring an API to AWS.
pub(super) struct Deploying<'a> {
    pub(super) account: &'a Account<'a>,
    pub(super) request: &'a DeployRequest,
    pub(super) wanted: &'a Wanted,
    pub(super) secrets: &'a BTreeMap<ResourceName, SecretString>,
    /// What messages call the API.
    pub(super) object: &'a str,
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) api: Api,
    pub(super) record: Record,
    pub(super) stage: Stage,
}

impl Deploying<'_> {
    fn calls(&self) -> Box<dyn Calls + '_> {
        calls(self.wanted.kind, self.account, self.object)
    }

    fn mark(&self) -> &Mark {
        &self.request.desired.mark
    }

    fn tags(&self) -> BTreeMap<String, String> {
        mark::tags(self.mark(), self.account.wanted_tags())
    }

    /// Carries it out, from what is held.
    pub(super) async fn carry_out(&self, held: Option<Held>) -> Result<Outcome> {
        let mut steps = Steps::new(self.account.context, if held.is_some() { 3 } else { 4 });
        let was_begun = !self.account.context.journal.recorded().is_empty();
        let lost_its_stage = held.as_ref().is_some_and(|held| held.record().is_none());
        let (held, other) = match held {
            Some(held) if held.api.id.kind != self.wanted.kind => (None, Some(held)),
            held => (held, None),
        };
        let (api, stage) = match held {
            Some(held) => (self.adopted(&mut steps, held.api).await?, held.stage),
            None => (self.create(&mut steps).await?, None),
        };
        let former = stage.as_ref().and_then(Stage::record);
        let keys = Keys {
            deploying: self,
            api: &api,
            former: former.as_ref().and_then(|record| record.beside.plan.as_ref()),
            may_be_others: was_begun || lost_its_stage,
        };
        let made = keys.made(&mut steps).await?;
        let served = self.snapshot(&mut steps, &api, former.as_ref()).await?;
        let plan_first = stage.is_some();
        let mut plan = None;
        if plan_first {
            plan = keys.let_in(&mut steps, &made).await?;
        }
        let title = self.wanted.document["info"]["title"].as_str();
        let beside = Beside {
            name: title.unwrap_or_default().to_owned(),
            settings: self.wanted.settings.clone(),
            plan: plan.clone(),
            path: self.path(),
        };
        let kept = kept(former.as_ref(), &served, self.account.settings.kept_deployments);
        let mut record = Record::new(&self.request.desired, served, kept, beside);
        let mut switched = self.switch(&mut steps, &api, stage.as_ref(), &record).await?;
        if !plan_first {
            record.beside.plan = keys.let_in(&mut steps, &made).await?;
            if record.beside.plan.is_some() || !self.wanted.settings.is_empty() {
                switched = self.switch(&mut steps, &api, Some(&switched), &record).await?;
            }
        }
        self.lead(&mut steps, &api, former.as_ref()).await?;
        keys.remove_others(&mut steps, record.beside.plan.as_ref())
            .await?;
        self.forget(&mut steps, &api, former.as_ref(), &record).await?;
        keys::remove_left_behind(&self.plans(), &mut steps, self.mark()).await?;
        if let Some(other) = other {
            self.remove_other(other).await?;
        }
        Ok(Outcome {
            api,
            record,
            stage: switched,
        })
    }

    /// Removes what earlier attempts left behind of an API that is as it is desired.
    pub(super) async fn clean_up(&self, held: &Held, record: &Record) -> Result<()> {
        if self.account.context.journal.recorded().is_empty() {
            return Ok(());
        }
        let mut steps = Steps::new(self.account.context, 1);
        self.forget(&mut steps, &held.api, None, record).await?;
        keys::remove_left_behind(&self.plans(), &mut steps, self.mark()).await
    }

    fn plans(&self) -> Plans<'_> {
        Plans {
            account: self.account,
            object: self.object,
        }
    }

    /// Puts our mark to what people chose to adopt.
    async fn adopted(&self, steps: &mut Steps<'_>, api: Api) -> Result<Api> {
        if mark::is_of(self.mark(), &api.tags) {
            return Ok(api);
        }
        let (calls, tags) = (self.calls(), self.tags());
        let description = format!("mark the {} `{}` as ours", api.id.kind.title(), api.name);
        let object = Some(api.id.external_ref().0);
        steps
            .take(description, object, calls.tag(&api.id.id, &tags))
            .await?;
        Ok(api)
    }

    /// Removes what the API was of the other kind, now that its successor serves.
    async fn remove_other(&self, other: Held) -> Result<()> {
        let removal = Removal {
            account: self.account,
            mark: self.mark(),
            object: self.object,
        };
        removal.carry_out_one(other).await
    }

    /// Makes the API, out of reach. When two attempts did so at once, the older one stays.
    async fn create(&self, steps: &mut Steps<'_>) -> Result<Api> {
        let (calls, name) = (self.calls(), self.mark().api_name.as_str());
        let (tags, kind) = (self.tags(), self.wanted.kind);
        let made = steps
            .take(
                format!("create the {} `{name}`", kind.title()),
                None,
                calls.create(&self.wanted.document, &tags),
            )
            .await?;
        match self.comes_first(&made).await? {
            true => Ok(made),
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

    fn overtaken(&self) -> Error {
        Error::new(
            ErrorKind::Conflict,
            format!(
                "somebody else deploys {} to the stage `{}` at the same time; what this attempt made is not served, and it is tried again",
                self.object, self.account.settings.stage
            ),
        )
        .with_retry(Retry::Backoff)
    }

    /// The snapshot to serve: one that was kept, if it was made from an equal document, else a new one.
    async fn snapshot(&self, steps: &mut Steps<'_>, api: &Api, former: Option<&Record>) -> Result<Snapshot> {
        let document = self.wanted.document_fingerprint();
        let known = former
            .into_iter()
            .flat_map(|record| record.kept.iter().chain([&record.served]));
        if let Some(kept) = known.into_iter().find(|snapshot| snapshot.document == document) {
            return Ok(kept.clone());
        }
        let calls = self.calls();
        let attempt = Uuid::new_v4().to_string();
        let written = with_attempt(&self.wanted.document, &attempt);
        let object = Some(api.id.external_ref().0);
        let description = format!("put the definition of {}", self.object);
        steps
            .take(
                description,
                object.clone(),
                calls.put(&api.id.id, &written, &self.tags()),
            )
            .await?;
        let name = format!("{} revision {}", self.mark().api_name, self.mark().revision);
        let description = format!("take a snapshot of {}", self.object);
        let id = steps
            .take(description, object, calls.snapshot(&api.id.id, &name))
            .await?;
        // Somebody else may have put another definition just before the snapshot was taken.
        let now = calls.get(&api.id.id).await?;
        match now.and_then(|api| api.description) {
            Some(description) if description.contains(&attempt) => Ok(Snapshot { id, document }),
            _ => {
                calls.remove_snapshot(&api.id.id, &id).await?;
                Err(self.overtaken())
            }
        }
    }

    /// Points the stage to the snapshot: from here on it is served.
    async fn switch(
        &self,
        steps: &mut Steps<'_>,
        api: &Api,
        held: Option<&Stage>,
        record: &Record,
    ) -> Result<Stage> {
        let variables = record.variables().ok_or_else(|| self.too_large())?;
        let switch = Switch {
            deployment: &record.served.id,
            variables: &variables,
            settings: &record.beside.settings,
        };
        let (calls, stage) = (self.calls(), &self.account.settings.stage);
        let object = Some(api.id.external_ref().0);
        match held {
            Some(held) => {
                let description = format!("switch the stage `{stage}` of {}", self.object);
                steps
                    .take(description, object, calls.switch(&api.id.id, held, &switch))
                    .await
            }
            None => {
                let description = format!("make the stage `{stage}` of {}", self.object);
                let tags = self.tags();
                steps
                    .take(
                        description,
                        object,
                        calls.create_stage(&api.id.id, &switch, &tags),
                    )
                    .await
            }
        }
    }

    /// The path of the environment's domain name below which the API is reached.
    fn path(&self) -> Option<String> {
        self.account.settings.domain_name.as_ref()?;
        let base_path = &self.request.desired.content.base_path;
        Some(base_path.trim_matches('/').to_owned())
    }

    /// Leads the domain name to the stage, which serves already.
    async fn lead(&self, steps: &mut Steps<'_>, api: &Api, former: Option<&Record>) -> Result<()> {
        let (Some(name), Some(path)) = (&self.account.settings.domain_name, self.path()) else {
            return Ok(());
        };
        let domain = Domain {
            account: self.account,
            name,
            object: self.object,
        };
        let description = format!("lead `{name}/{path}` to {}", self.object);
        let object = Some(api.id.external_ref().0);
        steps
            .take(description, object.clone(), domain.lead(&path, &api.id.id))
            .await?;
        if former.is_none_or(|former| former.beside.path.as_ref() == Some(&path)) {
            return Ok(());
        }
        let description = format!("lead other paths of `{name}` to {} no more", self.object);
        steps
            .take(description, object, domain.lead_no_more(&api.id.id, Some(&path)))
            .await
    }

    fn too_large(&self) -> Error {
        Error::new(
            ErrorKind::Invalid,
            format!(
                "{} is too large: what was applied is kept in the variables of the stage, of which AWS allows 100 with 512 characters; split the API",
                self.object
            ),
        )
    }

    /// Removes snapshots that are not kept any more.
    async fn forget(
        &self,
        steps: &mut Steps<'_>,
        api: &Api,
        former: Option<&Record>,
        record: &Record,
    ) -> Result<()> {
        let is_kept = |snapshot: &Snapshot| record.served == *snapshot || record.kept.contains(snapshot);
        let earlier = former
            .into_iter()
            .flat_map(|former| former.kept.iter().chain([&former.served]));
        let mut old: Vec<String> = earlier
            .filter(|snapshot| !is_kept(snapshot))
            .map(|snapshot| snapshot.id.clone())
            .collect();
        if !self.account.context.journal.recorded().is_empty() {
            old.extend(self.left_behind(api, record).await?);
        }
        old.sort();
        old.dedup();
        for snapshot in old {
            let description = format!("remove the snapshot `{snapshot}` of {}", self.object);
            let object = Some(api.id.external_ref().0);
            let calls = self.calls();
            let removal = calls.remove_snapshot(&api.id.id, &snapshot);
            steps.take(description, object, removal).await?;
        }
        Ok(())
    }

    /// Snapshots that attempts made which did not come to their end.
    async fn left_behind(&self, api: &Api, record: &Record) -> Result<Vec<String>> {
        let mut snapshots = self.calls().snapshots(&api.id.id).await?;
        let known = |id: &String| record.served.id == *id || record.kept.iter().any(|kept| kept.id == *id);
        snapshots.retain(|id| !known(id));
        Ok(snapshots)
    }
}

/// Which earlier snapshots stay: the newest ones.
fn kept(former: Option<&Record>, served: &Snapshot, most: u32) -> Vec<Snapshot> {
    let Some(former) = former else {
        return Vec::new();
    };
    let earlier = [&former.served].into_iter().chain(&former.kept);
    let others = earlier.filter(|snapshot| snapshot.id != served.id).cloned();
    others.take(usize::try_from(most).unwrap_or(usize::MAX)).collect()
}

/// The document with a note of who put it, which comes back as the API's description.
fn with_attempt(document: &Value, attempt: &str) -> Value {
    let mut written = document.clone();
    let said = written["info"]["description"].as_str().unwrap_or_default();
    written["info"]["description"] = Value::String(format!("{said} [gatehouse {attempt}]").trim().to_owned());
    written
}
